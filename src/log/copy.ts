import type { Batch, Fence, Revision } from './log.ts';

/**
 * What a log needs of the copy it keeps on this node: the records, the revision they stand at, and who leads.
 * `store/` implements it (LMDB, memory); it is declared here because a log must not know the store.
 *
 * Keys are well-formed, non-empty text without NUL, ordered by their UTF-8 bytes.
 */
export interface DurableCopy {
  /** The revision of the newest batch that was applied; 0 for an empty copy. */
  readonly revision: Revision;
  /** About how many records it holds. */
  readonly size: number;
  /** The term of the newest leader, 0 if there never was one. Durable. */
  readonly term: number;
  /** Raises the term by one, durably, which locks out whoever led before; the copy then stands at its newest revision. */
  lead(): Promise<Fence>;
  /**
   * Makes the batch durable as `revision`, all of it or nothing, and visible to reads by the time it resolves.
   * Revisions must rise; calls may overlap. With a fence, nothing is written and `FenceLost` is thrown if somebody
   * else led since, which the copy checks in the same step. Any other rejection: unknown whether it was written.
   */
  apply(batch: Batch, revision: Revision, fence?: Fence): Promise<void>;
  /** The stored bytes; not to be changed, as they may be shared. Keys that cannot be stored are simply not there. */
  get(key: string): Uint8Array | undefined;
  /** At most `limit` keys in order. */
  keys(range: KeyRange): string[];
  /** Everything as of one revision, whatever is applied meanwhile. Iterate it to the end or `return()` it: it holds resources. */
  snapshot(): CopySnapshot;
  /** Begins other records beside those that are served: none yet, and seen by nobody. Rejects with `Unavailable` for too many at once. */
  stage(): Promise<StagedRecords>;
  close(): Promise<void>;
}

/** Keys from `start` (inclusive) to `end` (exclusive; undefined: to the last). */
export interface KeyRange {
  start: string;
  end: string | undefined;
  limit: number;
}

/** Records that may one day take the place of all. What is left of them after a crash is cleared away. */
export interface StagedRecords {
  /** Resolves when they are written. */
  add(records: readonly { readonly key: string; readonly value: Uint8Array }[]): Promise<void>;
  /** As the copy's own. */
  get(key: string): Uint8Array | undefined;
  keys(range: KeyRange): string[];
  /**
   * Takes the place of everything that the copy holds, durably and in one step, as `revision`. Afterwards the copy reads
   * these, and this object must not be used any more. Rejects as `apply` does.
   */
  adopt(revision: Revision, fence?: Fence): Promise<void>;
  /** Forgets them; what they take of the disk is freed in the background. */
  discard(): void;
}

export interface CopySnapshot {
  readonly revision: Revision;
  /** The value as of that revision, until the records were iterated to their end or returned. */
  get(key: string): Uint8Array | undefined;
  readonly records: Generator<{ key: string; value: Uint8Array }, void, undefined>;
}
