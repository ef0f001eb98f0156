import type { CopySnapshot, StagedRecords } from '../log/copy.ts';
import type { Revision } from '../log/log.ts';

export type { CopySnapshot, StagedRecords };

/**
 * The local copy of everything (encrypted), with the writes that are not yet durable lying over it.
 * Reads are synchronous. Writes of one request are collected in a `Transaction` and become visible to later requests
 * all at once with `apply`; `durable` says when they may be acknowledged.
 */
export interface Store {
  begin(): Transaction;
  /** The newest revision handed out by `apply`: the log's revision that will hold, or holds, those writes. */
  readonly revision: Revision;
  /** About how many records there are, without those that are pending. */
  readonly size: number;
  /** The newest revision that is durable. */
  readonly durableRevision: Revision;
  /** Resolves when everything up to `revision` is durable; rejects with `Unavailable` if that failed. Resolves at once (undefined) when it already is. */
  durable(revision: Revision): Promise<void> | undefined;
  /** Everything that was durable at one time, whatever is written meanwhile; see `DurableCopy.snapshot`. */
  snapshot(): CopySnapshot;
  /** Begins records that are to take the place of all, seen by nobody until then; see `DurableCopy.stage`. */
  stage(): Promise<StagedRecords>;
  /**
   * Puts `staged` in the place of everything, durably. From the call on no transaction that began before can write any
   * more, and once it resolves none can read: what they knew is gone. Rejects with `Unavailable`.
   */
  replace(staged: StagedRecords): Promise<void>;
  /** Called once when a commit failed: pending state is gone, `apply` throws from then on, the node must step down. */
  onFailure(listener: (error: Error) => void): void;
  close(): Promise<void>;
}

/**
 * Keys are well-formed text without NUL, not empty, not ending in '/'; others are refused with `InvalidRequest`, longer
 * ones than `KEY_BYTES_MAX` and longer values than `VALUE_BYTES_MAX` with `TooLarge`. Reading such a key finds nothing.
 */
export interface Transaction {
  /** The stored bytes; read-only, since a pending value is shared. */
  get(key: string): Uint8Array | undefined;
  /** `value` belongs to the store from here on. */
  put(key: string, value: Uint8Array): void;
  delete(key: string): void;
  /** Names directly under `prefix` ('' or ending in '/'), sorted bytewise; a folder once, with its trailing '/'. `after` is exclusive. */
  list(prefix: string, page?: Page): string[];
  /**
   * Full keys under `prefix`, sorted; `after` is a full key, exclusive. Reads lazily and may be iterated across turns of
   * the event loop: what comes or goes meanwhile is seen or not, everything else exactly once.
   */
  keys(prefix: string, page?: Page): Iterable<string>;
  /** The newest revision this transaction's reads and writes depend on: wait for it before replying. */
  readonly dependsOn: Revision;
  readonly dirty: boolean;
  /** What was put and deleted (undefined) since the last `apply`; a `put` meanwhile does no harm. */
  readonly writes: Iterable<readonly [key: string, value: Uint8Array | undefined]>;
  /**
   * Makes the writes visible; returns the revision to wait for (`dependsOn`). The transaction can go on: it starts empty.
   * Throws `Unavailable` once a commit failed or the store was closed.
   */
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
