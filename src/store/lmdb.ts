import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { IF_EXISTS, open } from 'lmdb';
import { Unavailable } from '../base/errors.ts';
import type { CopySnapshot, DurableCopy, KeyRange, StagedRecords } from '../log/copy.ts';
import { type Batch, type Fence, FenceLost, type Revision } from '../log/log.ts';
import { canExist, KEY_FIRST } from './keys.ts';
import { checkLmdbFile } from './lmdb-file.ts';
import { type LmdbDatabase, type LmdbRoot, LmdbTables, TABLES_MAX } from './lmdb-tables.ts';

export interface LmdbCopyOptions {
  /** A directory, made (mode 0700) if it is not there. */
  path: string;
}

/** Address space reserved for the file at first, so that it need not be mapped anew while it grows; costs no memory or disk. */
const MAP_BYTES = 1024 ** 3;

/** What the copy knows about itself lies under keys that begin with NUL, where no record can be. */
const REVISION_KEY = '\0revision';
const TERM_KEY = '\0term';
/** Which table has the records; absent: the root's own. */
const TABLE_KEY = '\0table';
/** Exists while `term` leads: every fenced batch is conditional on it, inside LMDB's own transaction. */
const leaderKey = (term: number): string => `\0leader/${term}`;

/**
 * The copy in an LMDB file, written by LMDB's own thread.
 *
 * Durability: with `overlappingSync` (lmdb's default) a write's promise tells that it is visible, not that it is on
 * disk. Without it every commit is LMDB's ordinary one: pages are written and synced, then the meta page is written
 * with O_DSYNC, and only then does the promise resolve and do readers see the batch. One commit is one transaction,
 * so that after a crash either all or nothing of a batch is there.
 *
 * Throws `Unavailable` while another process has it open.
 */
export function openLmdbCopy({ path }: LmdbCopyOptions): DurableCopy {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  checkLmdbFile(path);
  const options = {
    path,
    encoding: 'binary' as const,
    keyEncoder,
    overlappingSync: false,
    mapSize: MAP_BYTES,
    maxDbs: TABLES_MAX,
    permissionsMode: 0o600,
  };
  const db = open<Uint8Array, string>(options) as LmdbRoot;
  const copy = new LmdbCopy(db);
  const [other] = otherProcesses(db);
  if (other !== undefined) {
    void copy.close();
    throw new Unavailable(`the storage directory ${path} is in use by process ${other}`);
  }
  syncDirectory(path);
  syncDirectory(dirname(path));
  return copy;
}

/**
 * Processes that have the file open. Fencing would keep them from harming one another, but a server that is started
 * twice by mistake must not take the lead from the one that works. LMDB's table of readers is cleared by
 * `readerCheck` of processes that ended, which it knows by their file locks, not by their numbers.
 */
function otherProcesses(db: LmdbRoot): number[] {
  db.readerCheck();
  const readers = [...db.readerList().matchAll(/^\s*(\d+)\s/gm)].map(([, process]) => Number(process));
  return readers.filter((id) => id !== process.pid);
}

class LmdbCopy implements DurableCopy {
  readonly #root: LmdbRoot;
  readonly #tables: LmdbTables;
  /** The table that has the records. */
  #records: LmdbDatabase;
  /** What lets go of the snapshots that are open. */
  readonly #snapshots = new Set<() => void>();
  #revision: Revision;
  #term: number;

  constructor(root: LmdbRoot) {
    this.#root = root;
    this.#revision = this.#number(REVISION_KEY);
    this.#term = this.#number(TERM_KEY);
    this.#tables = new LmdbTables(root, keyEncoder, this.#number(TABLE_KEY));
    this.#records = this.#tables.current;
  }

  get revision(): Revision {
    return this.#revision;
  }

  get size(): number {
    // The declarations say nothing of what LMDB counts.
    return (this.#records.getStats() as { readonly entryCount: number }).entryCount;
  }

  get term(): number {
    return this.#term;
  }

  async lead(): Promise<Fence> {
    for (;;) {
      this.#root.resetReadTxn();
      const led = this.#number(TERM_KEY);
      if (await this.#succeed(led)) {
        this.#term = led + 1;
        this.#records = this.#tables.use(this.#number(TABLE_KEY));
        this.#revision = this.#number(REVISION_KEY);
        return { term: this.#term };
      }
    }
  }

  async apply(batch: Batch, revision: Revision, fence?: Fence): Promise<void> {
    const write = () => {
      for (const { key, value } of batch) {
        if (value === undefined) this.#records.remove(key);
        else this.#records.put(key, value);
      }
      this.#root.put(REVISION_KEY, numberBytes(revision));
    };
    await this.#fenced(fence, write);
    this.#revision = revision;
  }

  get(key: string): Uint8Array | undefined {
    return valueIn(this.#records, key);
  }

  keys(range: KeyRange): string[] {
    return keysIn(this.#records, range);
  }

  snapshot(): CopySnapshot {
    this.#root.resetReadTxn();
    const transaction = this.#root.useReadTransaction();
    const records = this.#records;
    const revision = numberOf(this.#root.get(REVISION_KEY, { transaction }));
    const range = records.getRange({ start: KEY_FIRST, transaction });
    const release = () => {
      if (this.#snapshots.delete(release)) transaction.done();
    };
    this.#snapshots.add(release);
    const held = () => {
      if (!this.#snapshots.has(release)) throw new Unavailable('the snapshot of the store was let go');
    };
    return {
      revision,
      get(key) {
        held();
        return records.get(key, { transaction });
      },
      records: recordsOf(range, held, release),
    };
  }

  async stage(): Promise<StagedRecords> {
    const { table, number } = this.#tables.take();
    return {
      add: async (records) => {
        const write = () => {
          for (const { key, value } of records) table.put(key, value);
        };
        await durably(this.#root.batch(write));
      },
      get: (key) => valueIn(table, key),
      keys: (range) => keysIn(table, range),
      adopt: async (revision, fence) => {
        await this.#fenced(fence, () => {
          this.#root.put(TABLE_KEY, numberBytes(number));
          this.#root.put(REVISION_KEY, numberBytes(revision));
        });
        this.#revision = revision;
        this.#records = this.#tables.use(number);
      },
      discard: () => this.#tables.giveBack(number),
    };
  }

  async close(): Promise<void> {
    for (const release of this.#snapshots) release();
    await this.#tables.close();
    await this.#root.close();
  }

  async #fenced(fence: Fence | undefined, write: () => void): Promise<void> {
    const written = await durably(
      fence ? this.#root.ifVersion(leaderKey(fence.term), IF_EXISTS, write) : this.#root.batch(write),
    );
    if (!written) throw new FenceLost(`term ${fence?.term} is over`);
  }

  /** Replaces the leader of term `led`, unless somebody else just did. */
  #succeed(led: number): Promise<boolean> {
    const write = () => {
      this.#root.remove(leaderKey(led));
      this.#root.put(leaderKey(led + 1), numberBytes(led + 1));
      this.#root.put(TERM_KEY, numberBytes(led + 1));
    };
    return durably(
      led === 0
        ? this.#root.ifNoExists(TERM_KEY, write)
        : this.#root.ifVersion(leaderKey(led), IF_EXISTS, write),
    );
  }

  #number(key: string): number {
    return numberOf(this.#root.get(key));
  }
}

function valueIn(table: LmdbDatabase, key: string): Uint8Array | undefined {
  if (!canExist(key)) return undefined;
  const shared = table.getBinaryFast(key);
  if (shared === undefined) return undefined;
  const length = table.lastSize;
  const value = Buffer.allocUnsafe(length);
  Buffer.prototype.copy.call(shared, value, 0, 0, length);
  return value;
}

function keysIn(table: LmdbDatabase, { start, end, limit }: KeyRange): string[] {
  return [...table.getKeys(end === undefined ? { start, limit } : { start, end, limit })];
}

/** Lets go of the snapshot also when it is never iterated: a generator's `finally` runs only once it has begun. */
function recordsOf(
  range: Iterable<{ key: string; value: Uint8Array }>,
  held: () => void,
  release: () => void,
): CopySnapshot['records'] {
  const records = (function* () {
    try {
      yield;
      const iterator = range[Symbol.iterator]();
      for (;;) {
        // LMDB itself would end the process if it were asked for more.
        held();
        const next = iterator.next();
        if (next.done) return;
        yield next.value;
      }
    } finally {
      release();
    }
  })() as CopySnapshot['records'];
  records.next();
  return records;
}

/** lmdb hides the reason of a failed commit in a second promise, which must not be left unhandled. */
async function durably(commit: Promise<boolean>): Promise<boolean> {
  try {
    return await commit;
  } catch (error) {
    const reason = (error as { commitError?: Promise<never> }).commitError;
    if (reason)
      await reason.catch((cause: Error) => Promise.reject(new Error(cause.message, { cause: error })));
    throw error;
  }
}

/** Keys as their UTF-8 bytes, which LMDB orders bytewise. Most are short and ASCII: a loop is faster than a call out. */
const keyEncoder = {
  writeKey(key: string, target: Buffer, start: number): number {
    const end = start + key.length;
    if (end > target.length) throw new RangeError('the key does not fit');
    for (let i = 0; i < key.length; i++) {
      const unit = key.charCodeAt(i);
      if (unit > 0x7f) return writeLongKey(key, target, start);
      target[start + i] = unit;
    }
    return end;
  },
  readKey: (source: Buffer, start: number, end: number): string => source.toString('utf8', start, end),
};

function writeLongKey(key: string, target: Buffer, start: number): number {
  if (start + Buffer.byteLength(key) > target.length) throw new RangeError('the key does not fit');
  return start + target.write(key, start, 'utf8');
}

function numberBytes(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function numberOf(bytes: Uint8Array | undefined): number {
  return bytes ? Number(Buffer.from(bytes).readBigUInt64BE()) : 0;
}

/** A new file survives a power cut only once its directory is on disk, too. */
function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
