/**
 * Opens the store: the local copy, the writes pending over it, and group commit.
 * Owns what is visible when, and when it may be acknowledged. Agreement and fencing are the log's; bytes on disk are
 * the copy's (lmdb.ts, memory.ts).
 */
import type { Clock } from '../base/clock.ts';
import { Unavailable } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import type { CopySnapshot, DurableCopy, KeyRange, StagedRecords } from '../log/copy.ts';
import type { Batch, Fence, Log, Revision } from '../log/log.ts';
import { PendingChanges } from './pending.ts';
import type { Store, Transaction } from './store.ts';
import { beginTransaction, type TransactionHost, type Writes } from './transaction.ts';

export interface StoreOptions {
  /** This node's copy; it must stand at the log's revision. The store does not close it. */
  copy: DurableCopy;
  log: Log;
  /** From `log.lead()`: only the leader's store takes writes. */
  fence: Fence;
  logger?: Logger;
  /** Where one append stops taking further batches in; for logs that limit their entries. A single batch may be bigger. */
  appendLimits?: { changes: number; bytes: number };
  measured?: CommitMeasure;
}

/** Told of each commit when it is durable, with the milliseconds it took. */
export interface CommitMeasure {
  readonly clock: Clock;
  committed(ms: number, commit: { readonly changes: number; readonly bytes: number }): void;
}

const APPEND_LIMITS_DEFAULT = { changes: 16_384, bytes: 16 * 1024 * 1024 };

export function openStore(options: StoreOptions): Store {
  return new PendingStore(options);
}

/** Staged records as a transaction that writes nothing. */
export function readStaged(copy: StagedRecords): Transaction {
  const apply = () => {
    throw new Unavailable('a snapshot cannot be written to');
  };
  return beginTransaction({ copy, pending: new PendingChanges(), apply });
}

/** The batches that will be appended together, and those who wait for them. */
interface Group {
  readonly revision: Revision;
  readonly changes: Map<string, Uint8Array | undefined>;
  bytes: number;
  waiters: PromiseWithResolvers<void> | undefined;
}

/** What the transactions between two replacements of the store share. */
interface Host extends TransactionHost {
  copy: TransactionHost['copy'];
  writable: boolean;
}

const gone = () => new Unavailable('the store was replaced by a snapshot meanwhile');

/** In the place of a copy whose records are no longer there. */
const GONE: TransactionHost['copy'] = {
  get(_key: string): never {
    throw gone();
  },
  keys(_range: KeyRange): never {
    throw gone();
  },
};

class PendingStore implements Store {
  readonly #copy: DurableCopy;
  readonly #log: Log;
  readonly #fence: Fence;
  readonly #logger: Logger;
  readonly #limits: { changes: number; bytes: number };
  readonly #measured: CommitMeasure | undefined;
  readonly #pending = new PendingChanges();
  /** In the order of their revisions; while a commit is under way, the first is the one. */
  #groups: Group[] = [];
  #durable: Revision;
  #newest: Revision;
  #committing: Promise<void> | undefined;
  #failure: Unavailable | undefined;
  #listeners: ((error: Error) => void)[] = [];
  #host: Host;
  #replacing = false;

  constructor({
    copy,
    log,
    fence,
    logger = silentLogger,
    appendLimits = APPEND_LIMITS_DEFAULT,
    measured,
  }: StoreOptions) {
    if (copy.revision !== log.revision) {
      throw new Error(`the copy stands at revision ${copy.revision}, the log at ${log.revision}`);
    }
    this.#copy = copy;
    this.#log = log;
    this.#fence = fence;
    this.#logger = logger;
    this.#limits = appendLimits;
    this.#measured = measured;
    this.#durable = log.revision;
    this.#newest = log.revision;
    this.#host = this.#newHost();
  }

  get revision(): Revision {
    return this.#newest;
  }

  get size(): number {
    return this.#copy.size;
  }

  get durableRevision(): Revision {
    return this.#durable;
  }

  begin(): Transaction {
    return beginTransaction(this.#host);
  }

  snapshot(): CopySnapshot {
    return this.#copy.snapshot();
  }

  stage(): Promise<StagedRecords> {
    return this.#copy.stage();
  }

  async replace(staged: StagedRecords): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#replacing || !this.#log.replace) throw new Unavailable('the store cannot be replaced now');
    this.#replacing = true;
    const host = this.#host;
    host.writable = false;
    try {
      await this.#committing;
      if (this.#failure) throw this.#failure;
      this.#durable = await this.#log.replace(staged, this.#fence);
    } catch (error) {
      if (!this.#failure) this.#fail(error as Error);
      throw new Unavailable('the store could not be replaced', { cause: error });
    } finally {
      this.#replacing = false;
    }
    this.#newest = this.#durable;
    host.copy = GONE;
    this.#host = this.#newHost();
  }

  durable(revision: Revision): Promise<void> | undefined {
    if (revision <= this.#durable) return undefined;
    if (this.#failure) return Promise.reject(this.#failure);
    const group = this.#groups[revision - this.#groups[0]!.revision];
    if (!group) throw new Error(`revision ${revision} was never handed out; the newest is ${this.#newest}`);
    if (!group.waiters) {
      group.waiters = Promise.withResolvers();
      group.waiters.promise.catch(() => {});
    }
    return group.waiters.promise;
  }

  onFailure(listener: (error: Error) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    await this.#committing;
    this.#failure ??= new Unavailable('the store is closed');
  }

  #newHost(): Host {
    const host: Host = {
      copy: this.#copy,
      pending: this.#pending,
      writable: true,
      apply: (writes) => {
        if (!host.writable) throw gone();
        return this.#apply(writes);
      },
    };
    return host;
  }

  #apply(writes: Writes): Revision {
    if (this.#failure) throw this.#failure;
    const group = this.#openGroup();
    for (const [key, value] of writes) {
      group.changes.set(key, value);
      group.bytes += key.length + (value?.length ?? 0);
    }
    this.#pending.add(writes, group.revision);
    this.#committing ??= this.#commitAll();
    return group.revision;
  }

  /** The last group, unless it is being committed or full. */
  #openGroup(): Group {
    const last = this.#groups.at(-1);
    const taken = last === undefined || (this.#groups.length === 1 && this.#appending);
    if (!taken && last.changes.size < this.#limits.changes && last.bytes < this.#limits.bytes) return last;
    this.#newest += 1;
    const group: Group = { revision: this.#newest, changes: new Map(), bytes: 0, waiters: undefined };
    this.#groups.push(group);
    return group;
  }

  #appending = false;

  /** Starts with the next turn of the event loop, so that what one turn applies goes out together. */
  async #commitAll(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    try {
      for (let group = this.#groups[0]; group; group = this.#groups[0]) {
        this.#appending = true;
        await this.#commit(group);
        this.#appending = false;
        this.#groups.shift();
        group.waiters?.resolve();
      }
    } catch (error) {
      this.#fail(error as Error);
    } finally {
      this.#committing = undefined;
    }
  }

  async #commit(group: Group): Promise<void> {
    const batch: Batch = Array.from(group.changes, ([key, value]) => ({ key, value }));
    const fromMs = this.#measured?.clock.monotonic() ?? 0;
    const revision = await this.#log.append(batch, this.#fence);
    if (revision !== group.revision) {
      throw new Error(
        `the log appended revision ${revision} where ${group.revision} was next: two leaders write`,
      );
    }
    // A log that keeps its commits elsewhere leaves it to us to bring the copy along.
    if (this.#copy.revision < revision) await this.#copy.apply(batch, revision);
    this.#pending.settle(batch, revision);
    this.#durable = revision;
    this.#measured?.committed(this.#measured.clock.monotonic() - fromMs, {
      changes: batch.length,
      bytes: group.bytes,
    });
  }

  #fail(cause: Error): void {
    this.#logger.error('a commit failed; giving up leadership', { error: cause });
    this.#failure = new Unavailable('the commit failed', { cause });
    const groups = this.#groups;
    this.#groups = [];
    this.#pending.clear();
    for (const group of groups) group.waiters?.reject(this.#failure);
    for (const listener of this.#listeners.splice(0)) listener(cause);
  }
}
