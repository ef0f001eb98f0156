/**
 * How the root key is protected while the server is sealed. This folder owns key shares, the key that wraps the root
 * key, and every way to keep such a key outside: `static.ts`, key services in `services/`, HSMs in `pkcs11/`, all of them
 * in `registry.ts`. It does not own the root key's use (barrier/) nor where the records lie: callers store what `wrap` returns.
 *
 * Several seals may wrap the same root key at once; any one of them unseals (`unwrapWithAny`). A Shamir seal is a seal
 * like the others whose key comes together from shares. Recovery keys are one more Shamir seal beside an automatic
 * one: that is why, unlike elsewhere, they really unseal when the key service is gone.
 */
import { equalSecrets } from '../crypto/compare.ts';

/** A wrapped root key; plain JSON for the caller to store as it is. */
export interface WrappedKey {
  /** `name` of the seal that made it. */
  readonly seal: string;
  readonly type: string;
  /** Which of the seal's keys was used; when it is not the seal's current one, wrap again. */
  readonly key_id: string;
  /** Base64; its inside is the seal's own business. */
  readonly ciphertext: string;
}

export interface Seal {
  /** `shamir`, `static`, …: the label of the `seal` block in configuration files. */
  readonly type: string;
  /** Unique among the seals of a server; the type unless the configuration says otherwise. */
  readonly name: string;
  /** The key that `wrap` uses now, as far as that is known; a key service tells it with each `wrap`. */
  readonly keyId: string | undefined;
  /** Rejects with `SealUnavailable` when the key service does not answer. The caller keeps and zeroes `rootKey`. */
  wrap(rootKey: Buffer): Promise<WrappedKey>;
  /** The root key, which the caller zeroes after use. Rejects with `UnwrapFailed` or `SealUnavailable`. */
  unwrap(wrapped: WrappedKey): Promise<Buffer>;
  /** Overwrites the keys held in memory. */
  close(): void;
}

/** As much of a seal as wrapping needs. */
export type WrappingSeal = Pick<Seal, 'name' | 'wrap'> & Partial<Pick<Seal, 'unwrap'>>;

/** The key does not belong to the record, or the record is damaged; which of the two is not told. */
export class UnwrapFailed extends Error {
  readonly code = 'unwrap_failed';
}
/** The key service is away, or says no; worth another try later. The message names no address and holds no secret. */
export class SealUnavailable extends Error {
  readonly code: string = 'seal_unavailable';
}

/** What is kept about a set of shares, at `core/seal-config` (and `core/recovery-config`); wire names are the API's. */
export interface SealConfig {
  readonly type: string;
  readonly secret_shares: number;
  readonly secret_threshold: number;
  /** Fingerprints of the PGP keys the shares were encrypted to, in the order of the shares; empty without PGP. */
  readonly pgp_fingerprints: readonly string[];
  /** Names one ceremony; '' once it is over. */
  readonly nonce: string;
  /** Whether PGP-encrypted shares are kept in storage for `sys/rekey/backup`. */
  readonly backup: boolean;
}

/** The root key by the first seal that gives it, and by which record. */
export interface Unwrapped {
  readonly rootKey: Buffer;
  readonly seal: Seal;
  readonly wrapped: WrappedKey;
}

/**
 * Tries the seals in order and tells of each what came of it. Rejects with `SealUnavailable` when one might work later,
 * else with `UnwrapFailed`.
 */
export async function unwrapWithAny(
  seals: readonly Seal[],
  records: readonly WrappedKey[],
  tried: (seal: Seal, error?: Error) => void = () => {},
): Promise<Unwrapped> {
  const failures: { seal: string; error: Error }[] = [];
  for (const seal of seals) {
    try {
      const unwrapped = await unwrapFirst(seal, records);
      tried(seal);
      return { ...unwrapped, seal };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      tried(seal, error);
      failures.push({ seal: seal.name, error });
    }
  }
  const reasons = failures.map(({ seal, error }) => `${seal}: ${error.message}`).join('; ');
  const message = `no seal could unwrap the root key (${reasons})`;
  throw failures.some(({ error }) => error instanceof SealUnavailable)
    ? new SealUnavailable(message)
    : new UnwrapFailed(message);
}

/** By the seal's own record, or by another one of its type: it may have another name now, or two may share one. */
async function unwrapFirst(
  seal: Seal,
  records: readonly WrappedKey[],
): Promise<{ rootKey: Buffer; wrapped: WrappedKey }> {
  const isOwn = (record: WrappedKey) => record.seal === seal.name;
  const fitting = records.filter(({ type }) => type === seal.type);
  let last = new UnwrapFailed('no root key is stored for this seal');
  for (const wrapped of [...fitting.filter(isOwn), ...fitting.filter((record) => !isOwn(record))]) {
    try {
      return { rootKey: await seal.unwrap(wrapped), wrapped };
    } catch (error) {
      if (!(error instanceof UnwrapFailed)) throw error;
      last = error;
    }
  }
  throw last;
}

/** Whether the seal has another key by now than the one that made the record. */
export function isStale(seal: Seal, wrapped: WrappedKey): boolean {
  return seal.keyId !== undefined && wrapped.key_id !== seal.keyId;
}

/** The root key under the seal, which has shown, if it can, that it gives it back. Rejects as `wrap` and `unwrap` do. */
export async function wrapProven(seal: WrappingSeal, rootKey: Buffer): Promise<WrappedKey> {
  const wrapped = await seal.wrap(rootKey);
  if (!seal.unwrap) return wrapped;
  const back = await seal.unwrap(wrapped);
  const same = equalSecrets(back, rootKey);
  back.fill(0);
  if (!same) throw new SealUnavailable('gave back something else than it was given');
  return wrapped;
}

/** Wraps the root key with every seal; one that is away is reported, not fatal, unless none works. */
export async function wrapWithAll(
  seals: readonly WrappingSeal[],
  rootKey: Buffer,
): Promise<{ records: WrappedKey[]; failures: { seal: string; error: Error }[] }> {
  const records: WrappedKey[] = [];
  const failures: { seal: string; error: Error }[] = [];
  for (const seal of seals) {
    try {
      records.push(await wrapProven(seal, rootKey));
    } catch (error) {
      failures.push({ seal: seal.name, error: error instanceof Error ? error : new Error(String(error)) });
    }
  }
  if (records.length === 0) throw new SealUnavailable('no seal could wrap the root key');
  return { records, failures };
}
