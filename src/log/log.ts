/**
 * Where commits are agreed. A log takes batches in order and says when each is durable; everything that holds state
 * follows it. This folder owns agreement and fencing; it does not own the local copy (store/).
 */
import type { StagedRecords } from './copy.ts';

/** A position in the ordered stream of commits: 1 for the first batch, rising by one. 0: nothing yet. */
export type Revision = number;

/** One change of one record; `value` undefined deletes. Keys are UTF-8 text, values are opaque (encrypted) bytes. */
export interface Change {
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

/** Changes that become durable together or not at all. A key occurs at most once. */
export type Batch = readonly Change[];

export interface Commit {
  readonly revision: Revision;
  readonly batch: Batch;
}

/** Proof of leadership that guards every append; `term` rises with each leader. */
export interface Fence {
  readonly term: number;
}

export interface Log {
  /** The newest revision known to be durable. */
  readonly revision: Revision;
  /** Becomes the leader; a later call by anybody makes earlier fences useless. */
  lead(): Promise<Fence>;
  /** Appends one batch; resolves when it is durable. Rejects with `FenceLost` or `AppendFailed`: then nothing was written, or it is unknown. */
  append(batch: Batch, fence: Fence): Promise<Revision>;
  /** Commits after `from`, in order, then waits for more until `signal` aborts. Rejects with `LogCompacted` when `from` is too far behind. */
  follow(from: Revision, signal: AbortSignal): AsyncIterable<Commit>;
  /** Appends a commit that puts other records in the place of all; followers load a snapshot. Absent: this log cannot. Rejects as `append`. */
  replace?(staged: StagedRecords, fence: Fence): Promise<Revision>;
  /** Everything as of one revision. */
  snapshot(): Promise<{ revision: Revision; records: AsyncIterable<{ key: string; value: Uint8Array }> }>;
  close(): Promise<void>;
}

/** Another node leads now. */
export class FenceLost extends Error {
  readonly code = 'fence_lost';
}
/** The append did not become durable, or nobody knows whether it did. */
export class AppendFailed extends Error {
  readonly code = 'append_failed';
}
/** The asked revision is no longer kept; load a snapshot. */
export class LogCompacted extends Error {
  readonly code = 'log_compacted';
}
