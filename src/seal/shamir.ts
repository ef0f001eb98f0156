import type { Random } from '../base/random.ts';
import { type Seal, UnwrapFailed, type WrappedKey } from './seal.ts';
import { checkShareCounts, invalidKey, splitKey } from './shares.ts';
import { KEY_BYTES, localSeal } from './wrapping-key.ts';

/** The seal whose key operators hold in shares. */
export const SHAMIR = 'shamir';
/** The name of the Shamir seal that recovery keys open, beside an automatic seal. */
export const RECOVERY = 'recovery';

/** There is one key at a time; the record is replaced when it changes. */
const KEY_ID = 'shares';

/** A seal over the key that shares gave (or that is about to be split). Takes over `key`: `close` zeroes it. */
export function shamirSeal(options: { key: Buffer; random: Random; name?: string }): Seal {
  const { key, random, name = SHAMIR } = options;
  return localSeal({ type: SHAMIR, name, keys: [{ id: KEY_ID, key }], random });
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
}): Promise<{ seal: Seal; shares: Buffer[] }> {
  checkShareCounts(options);
  const key = options.random.bytes(KEY_BYTES);
  const shares = await splitKey(key, options);
  return { seal: shamirSeal({ ...options, key }), shares };
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
