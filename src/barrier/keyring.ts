import { createHmac, hkdfSync } from 'node:crypto';
import type { Random } from '../base/random.ts';
import { zero } from '../crypto/zero.ts';
import { envelopeTerm, KEY_BYTES, NONCE_BYTES, openEnvelope, sealEnvelope } from './envelope.ts';

/** Where the keyring lies, encrypted by the root key. */
export const KEYRING_KEY = 'core/keyring';

/** The root key has no term of its own. */
const ROOT_TERM = 0;

export interface KeyStatus {
  /** 1 for the first key. */
  readonly term: number;
  /** When the key came into use, in milliseconds since the Unix epoch. */
  readonly installTimeMs: number;
  /** How often it encrypted, as far as that was saved; random nonces want a new key long before 2^32. */
  readonly encryptions: number;
}

interface Key {
  term: number;
  installTimeMs: number;
  encryptions: number;
  readonly bytes: Buffer;
}

/*
 * Written as bytes, not as JSON, because text cannot be overwritten after use:
 * version (1) | for each key: term (4), install time in ms (8), encryptions (8), key (32); all big endian
 */
const FORMAT_VERSION = 1;
const KEY_RECORD_BYTES = 4 + 8 + 8 + KEY_BYTES;

/** The keys that encrypt what is stored. The newest encrypts; older ones open what they once encrypted. */
export class Keyring {
  readonly #keys: Map<number, Key>;
  readonly #active: Key;

  private constructor(keys: readonly Key[]) {
    this.#keys = new Map(keys.map((key) => [key.term, key]));
    this.#active = keys[keys.length - 1]!;
  }

  static create(random: Random, nowMs: number): Keyring {
    return new Keyring([newKey(1, random, nowMs)]);
  }

  /** The keyring in `sealed`, or undefined when `rootKey` does not open it or it makes no sense. */
  static open(rootKey: Uint8Array, sealed: Uint8Array): Keyring | undefined {
    if (envelopeTerm(sealed) !== ROOT_TERM) return undefined;
    const bytes = openEnvelope(rootKey, KEYRING_KEY, sealed);
    if (!bytes) return undefined;
    const keys = readKeys(bytes);
    zero(bytes);
    return keys && new Keyring(keys);
  }

  get status(): KeyStatus {
    const { term, installTimeMs, encryptions } = this.#active;
    return { term, installTimeMs, encryptions };
  }

  /** Every key, oldest first. */
  get statuses(): KeyStatus[] {
    return [...this.#keys.values()].map(({ term, installTimeMs, encryptions }) => ({
      term,
      installTimeMs,
      encryptions,
    }));
  }

  get term(): number {
    return this.#active.term;
  }

  /** This keyring without some of its older keys, and the bytes of those, which the caller zeroes once it is stored. */
  without(terms: ReadonlySet<number>): { keyring: Keyring; removed: Buffer[] } {
    if (terms.has(this.#active.term)) throw new Error(`the key of term ${this.#active.term} is in use`);
    const keys = [...this.#keys.values()];
    return {
      keyring: new Keyring(keys.filter(({ term }) => !terms.has(term))),
      removed: keys.filter(({ term }) => terms.has(term)).map(({ bytes }) => bytes),
    };
  }

  /** This keyring and one more key, which encrypts from now on. Both share the older keys. */
  rotated(random: Random, nowMs: number): Keyring {
    return new Keyring([...this.#keys.values(), newKey(this.#active.term + 1, random, nowMs)]);
  }

  /** The bytes to store under `KEYRING_KEY`. */
  seal(rootKey: Uint8Array, random: Random): Buffer {
    const plaintext = writeKeys([...this.#keys.values()]);
    const nonce = random.bytes(NONCE_BYTES);
    const sealed = sealEnvelope({ key: rootKey, term: ROOT_TERM, nonce, name: KEYRING_KEY, plaintext });
    zero(plaintext);
    return sealed;
  }

  encrypt(name: string, plaintext: Uint8Array, random: Random): Buffer {
    const { bytes, term } = this.#active;
    this.#active.encryptions += 1;
    return sealEnvelope({ key: bytes, term, nonce: random.bytes(NONCE_BYTES), name, plaintext });
  }

  /** Undefined when nothing here opens it. */
  decrypt(name: string, envelope: Uint8Array): Buffer | undefined {
    const term = envelopeTerm(envelope);
    const key = term === undefined ? undefined : this.#keys.get(term);
    return key && openEnvelope(key.bytes, name, envelope);
  }

  /** A code over `message` (HMAC-SHA256) by a key that is derived from the active one for `purpose` alone (RFC 5869). */
  code(purpose: string, message: string): Buffer {
    const derived = Buffer.from(hkdfSync('sha256', this.#active.bytes, '', `coffer ${purpose}`, KEY_BYTES));
    const code = createHmac('sha256', derived).update(message).digest();
    zero(derived);
    return code;
  }

  zero(): void {
    for (const { bytes } of this.#keys.values()) zero(bytes);
    this.#keys.clear();
  }
}

function newKey(term: number, random: Random, nowMs: number): Key {
  return { term, installTimeMs: nowMs, encryptions: 0, bytes: random.bytes(KEY_BYTES) };
}

function writeKeys(keys: readonly Key[]): Buffer {
  const bytes = Buffer.alloc(1 + keys.length * KEY_RECORD_BYTES);
  bytes[0] = FORMAT_VERSION;
  keys.forEach((key, index) => {
    const at = 1 + index * KEY_RECORD_BYTES;
    bytes.writeUInt32BE(key.term, at);
    bytes.writeBigUInt64BE(BigInt(key.installTimeMs), at + 4);
    bytes.writeBigUInt64BE(BigInt(key.encryptions), at + 12);
    bytes.set(key.bytes, at + 20);
  });
  return bytes;
}

function readKeys(bytes: Buffer): Key[] | undefined {
  if (bytes[0] !== FORMAT_VERSION || bytes.length === 1 || (bytes.length - 1) % KEY_RECORD_BYTES !== 0) {
    return undefined;
  }
  const keys: Key[] = [];
  for (let at = 1; at < bytes.length; at += KEY_RECORD_BYTES) {
    keys.push({
      term: bytes.readUInt32BE(at),
      installTimeMs: Number(bytes.readBigUInt64BE(at + 4)),
      encryptions: Number(bytes.readBigUInt64BE(at + 12)),
      bytes: Buffer.from(bytes.subarray(at + 20, at + KEY_RECORD_BYTES)),
    });
  }
  return keys;
}
