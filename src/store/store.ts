import type { Revision } from '../log/log.ts';

/**
 * The local copy of everything (encrypted), with the writes that are not yet durable lying over it.
 * Reads are synchronous. Writes of one request are collected in a `Transaction` and become visible to later requests
 * all at once with `apply`; `durable` says when they may be acknowledged.
 */
export interface Store {
  begin(): Transaction;
  /** The newest revision handed out by `apply`. */
  readonly revision: Revision;
  /** Resolves when everything up to `revision` is durable; rejects with `Unavailable` if that failed. Resolves at once (undefined) when it already is. */
  durable(revision: Revision): Promise<void> | undefined;
  /** Called once when a commit failed: pending state is gone, `apply` throws from then on, the node must step down. */
  onFailure(listener: (error: Error) => void): void;
  close(): Promise<void>;
}

export interface Transaction {
  get(key: string): Uint8Array | undefined;
  put(key: string, value: Uint8Array): void;
  delete(key: string): void;
  /** Names directly under `prefix` ('' or ending in '/'), sorted bytewise; a folder once, with its trailing '/'. `after` is exclusive. */
  list(prefix: string, page?: Page): string[];
  /** Full keys under `prefix`, sorted; reads lazily. */
  keys(prefix: string, page?: Page): Iterable<string>;
  /** The newest revision this transaction's reads and writes depend on: wait for it before replying. */
  readonly dependsOn: Revision;
  readonly dirty: boolean;
  /** Makes the writes visible; returns the revision to wait for (`dependsOn`). The transaction can go on: it starts empty. */
  apply(): Revision;
  /** Forgets the writes since the last `apply`. */
  discard(): void;
}

export interface Page {
  after?: string | undefined;
  limit?: number | undefined;
}

/** Bytes of UTF-8 a key may have; LMDB keeps keys in pages. */
export const KEY_BYTES_MAX = 1900;
/** Bytes a stored value may have; logs that take less split it. */
export const VALUE_BYTES_MAX = 1024 * 1024 + 4096;
