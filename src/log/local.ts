/**
 * The log of a node that stands alone: commits are agreed by writing them to its own durable copy.
 * Owns their order and the memory of recent ones; how bytes reach the disk is the copy's.
 */
import type { DurableCopy, StagedRecords } from './copy.ts';
import { AppendFailed, type Batch, type Fence, FenceLost, type Log, type Revision } from './log.ts';
import { RecentCommits, type RecentLimits } from './recent.ts';

export interface LocalLogOptions {
  copy: DurableCopy;
  /** What is kept in memory for `follow`. */
  recent?: RecentLimits;
}

/** Opens the log over `copy`. Closing the log does not close the copy. */
export function openLocalLog(options: LocalLogOptions): Log {
  return new LocalLog(options);
}

class LocalLog implements Log {
  readonly #copy: DurableCopy;
  readonly #recent: RecentCommits;
  #revision: Revision;
  /** The tail of the queue: appends reach the copy one after another, so that a failed one leaves no later one behind it. */
  #tail: Promise<unknown> = Promise.resolve();
  /** Why nothing can be appended any more: after a failure nobody knows what the copy holds until it is opened again. */
  #stopped: string | undefined;

  constructor({ copy, recent }: LocalLogOptions) {
    this.#copy = copy;
    this.#revision = copy.revision;
    this.#recent = new RecentCommits(copy.revision, recent);
  }

  get revision(): Revision {
    return this.#revision;
  }

  lead(): Promise<Fence> {
    return this.#queue(async () => {
      this.#checkOpen();
      const fence = await this.#copy.lead();
      // Another process may have led the same copy in between: its commits were not seen here.
      if (this.#copy.revision !== this.#revision) {
        this.#revision = this.#copy.revision;
        this.#recent.restart(this.#revision);
      }
      return fence;
    });
  }

  append(batch: Batch, fence: Fence): Promise<Revision> {
    return this.#queue(async () => {
      this.#checkOpen();
      const revision = this.#revision + 1;
      await this.#make(revision, () => this.#copy.apply(batch, revision, fence));
      this.#revision = revision;
      this.#recent.add({ revision, batch });
      return revision;
    });
  }

  replace(staged: StagedRecords, fence: Fence): Promise<Revision> {
    return this.#queue(async () => {
      this.#checkOpen();
      const revision = this.#revision + 1;
      await this.#make(revision, () => staged.adopt(revision, fence));
      this.#revision = revision;
      this.#recent.restart(revision);
      return revision;
    });
  }

  follow(from: Revision, signal: AbortSignal) {
    return this.#recent.follow(from, signal);
  }

  async snapshot() {
    const { revision, records } = this.#copy.snapshot();
    return { revision, records: asynchronously(records) };
  }

  async close(): Promise<void> {
    this.#stopped ??= 'the log is closed';
    await this.#tail;
    this.#recent.close();
  }

  #checkOpen(): void {
    if (this.#stopped) throw new AppendFailed(this.#stopped);
  }

  async #make(revision: Revision, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (cause) {
      if (cause instanceof FenceLost) throw cause;
      this.#stopped ??= 'an earlier append failed';
      throw new AppendFailed(`revision ${revision} did not become durable`, { cause });
    }
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => {});
    return result;
  }
}

async function* asynchronously<T>(items: Iterable<T>): AsyncGenerator<T, void, undefined> {
  yield* items;
}
