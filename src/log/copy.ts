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
  close(): Promise<void>;
}

/** Keys from `start` (inclusive) to `end` (exclusive; undefined: to the last). */
export interface KeyRange {
  start: string;
  end: string | undefined;
  limit: number;
}

export interface CopySnapshot {
  readonly revision: Revision;
  readonly records: Generator<{ key: string; value: Uint8Array }, void, undefined>;
}
