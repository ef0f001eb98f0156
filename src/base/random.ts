import { randomBytes as nodeRandomBytes, randomFillSync, randomUUID } from 'node:crypto';

/** Randomness as the rest of Coffer sees it; handed in, so that simulations are seeded. */
export interface Random {
  bytes(count: number): Buffer;
  /** A whole number in [0, bound). */
  below(bound: number): number;
  uuid(): string;
  /** `length` characters of [0-9A-Za-z]; 5.95 bits each. */
  base62(length: number): string;
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Builds every form from one source of bytes, without modulo bias. */
export function randomFrom(bytes: (count: number) => Buffer): Random {
  const below = (bound: number): number => {
    if (!Number.isSafeInteger(bound) || bound < 1 || bound > 2 ** 32) throw new RangeError(`bound ${bound}`);
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const n = bytes(4).readUInt32BE();
      if (n < limit) return n % bound;
    }
  };
  return {
    bytes,
    below,
    uuid() {
      const b = bytes(16);
      b[6] = (b[6]! & 0x0f) | 0x40;
      b[8] = (b[8]! & 0x3f) | 0x80;
      const hex = b.toString('hex');
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    },
    base62(length) {
      let text = '';
      while (text.length < length) {
        for (const b of bytes(length - text.length + 8)) {
          if (b < 248 && text.length < length) text += BASE62[b % 62];
        }
      }
      return text;
    },
  };
}

const POOL_BYTES = 4096;
let pool = Buffer.alloc(0);
let poolUsed = 0;

/** The kernel's generator, drawn 4 KiB at a time because each call costs microseconds. Given bytes leave the pool. */
function systemBytes(count: number): Buffer {
  if (count > 256) return nodeRandomBytes(count);
  if (poolUsed + count > pool.length) {
    pool = randomFillSync(Buffer.alloc(POOL_BYTES));
    poolUsed = 0;
  }
  const part = Buffer.from(pool.subarray(poolUsed, poolUsed + count));
  pool.fill(0, poolUsed, poolUsed + count);
  poolUsed += count;
  return part;
}

export const systemRandom: Random = { ...randomFrom(systemBytes), uuid: () => randomUUID() };

/** A seeded generator (SplitMix64) for simulations and tests; never for secrets. */
export function seededRandom(seed: number): Random {
  let state = BigInt(seed);
  const next = (): bigint => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  };
  return randomFrom((count) => {
    const out = Buffer.alloc(Math.ceil(count / 8) * 8);
    for (let i = 0; i < out.length; i += 8) out.writeBigUInt64LE(next(), i);
    return out.subarray(0, count);
  });
}
