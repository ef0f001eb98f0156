import { hkdfSync } from 'node:crypto';
import type { Random } from '../base/random.ts';
import { CIPHERTEXT_BYTES, decapsulate, encapsulate, publicKeyOf } from '../crypto/x-wing.ts';
import { zero } from '../crypto/zero.ts';
import { type Seal, UnwrapFailed, type WrappedKey } from './seal.ts';
import { checkShareCounts, invalidKey, splitKey } from './shares.ts';
import { KEY_BYTES, localSeal } from './wrapping-key.ts';

/** The seal whose key operators hold in shares. */
export const SHAMIR = 'shamir';
/** The name of the Shamir seal that recovery keys open, beside an automatic seal. */
export const RECOVERY = 'recovery';

/** There is one key at a time; the record is replaced when it changes. */
const KEY_ID = 'shares';
/** Wrapped to the shares' public key, while nobody had the shares together. */
const PUBLIC_KEY_ID = 'shares-public';

/** A seal over the key that shares gave (or that is about to be split). Takes over `key`: `close` zeroes it. */
export function shamirSeal(options: { key: Buffer; random: Random; name?: string }): Seal {
  const { key, random, name = SHAMIR } = options;
  const seal = localSeal({ type: SHAMIR, name, keys: [{ id: KEY_ID, key }], random });
  return {
    ...seal,
    unwrap: (wrapped) =>
      wrapped.key_id === PUBLIC_KEY_ID ? unwrapPublic(key, wrapped, options) : seal.unwrap(wrapped),
  };
}

/**
 * The public key whose private one shares give: by it a root key is wrapped for them without them. Kept where only an
 * unsealed server reads it and nobody can put another one.
 */
export function publicKeyOfShares(key: Buffer): Buffer {
  const seed = seedOf(key);
  try {
    return publicKeyOf(seed);
  } finally {
    seed.fill(0);
  }
}

/** The root key for whoever brings together the shares of this public key; the caller keeps and zeroes `rootKey`. */
export async function wrapForShares(options: {
  rootKey: Buffer;
  publicKey: Buffer;
  random: Random;
  name: string;
}): Promise<WrappedKey> {
  const { rootKey, publicKey, random, name } = options;
  const { secret, ciphertext } = encapsulate(publicKey);
  const seal = localSeal({ type: SHAMIR, name, keys: [{ id: PUBLIC_KEY_ID, key: secret }], random });
  try {
    const wrapped = await seal.wrap(rootKey);
    const bytes = Buffer.concat([ciphertext, Buffer.from(wrapped.ciphertext, 'base64')]);
    return { ...wrapped, ciphertext: bytes.toString('base64') };
  } finally {
    seal.close();
  }
}

async function unwrapPublic(
  key: Buffer,
  wrapped: WrappedKey,
  { random, name = SHAMIR }: { random: Random; name?: string },
): Promise<Buffer> {
  const bytes = Buffer.from(wrapped.ciphertext, 'base64');
  if (bytes.length < CIPHERTEXT_BYTES) throw new UnwrapFailed('the key does not fit');
  const seed = seedOf(key);
  const secret = decapsulate(seed, bytes.subarray(0, CIPHERTEXT_BYTES));
  const seal = localSeal({ type: SHAMIR, name, keys: [{ id: PUBLIC_KEY_ID, key: secret }], random });
  try {
    return await seal.unwrap({ ...wrapped, ciphertext: bytes.subarray(CIPHERTEXT_BYTES).toString('base64') });
  } finally {
    seal.close();
    zero(seed);
  }
}

/** The key itself encrypts; what it is the private key of is another one. */
function seedOf(key: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', 'coffer key shares x-wing', KEY_BYTES));
}

/**
 * A new Shamir seal and the shares that open it. The caller wraps the root key with it, hands the shares out (zeroing
 * them), and closes it. `name: RECOVERY` makes recovery shares. Throws `InvalidRequest` for impossible counts.
 */
export async function createShamirSeal(options: {
  shares: number;
  threshold: number;
  random: Random;
  name?: string;
}): Promise<{ seal: Seal; shares: Buffer[]; publicKey: Buffer }> {
  checkShareCounts(options);
  const key = options.random.bytes(KEY_BYTES);
  const shares = await splitKey(key, options);
  return { seal: shamirSeal({ ...options, key }), shares, publicKey: publicKeyOfShares(key) };
}

/**
 * The root key by a key that a `ShareCollector` put together; zeroes that key. Rejects with `InvalidRequest`
 * (`Unseal failed, invalid key`) when a share was wrong: nobody can tell which, so that all must be given again.
 */
export async function unwrapWithShares(options: {
  key: Buffer;
  wrapped: WrappedKey;
  random: Random;
}): Promise<Buffer> {
  const { key, wrapped, random } = options;
  const seal = shamirSeal({ key, random, name: wrapped.seal });
  try {
    return await seal.unwrap(wrapped);
  } catch (error) {
    throw error instanceof UnwrapFailed ? invalidKey() : error;
  } finally {
    seal.close();
  }
}
