import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { IF_EXISTS, open, type RootDatabase } from 'lmdb';
import { Unavailable } from '../base/errors.ts';
import type { CopySnapshot, DurableCopy, KeyRange } from '../log/copy.ts';
import { type Batch, type Fence, FenceLost, type Revision } from '../log/log.ts';
import { canExist, KEY_FIRST } from './keys.ts';
import { checkLmdbFile } from './lmdb-file.ts';

export interface LmdbCopyOptions {
  /** A directory, made (mode 0700) if it is not there. */
  path: string;
}

/** Address space reserved for the file at first, so that it need not be mapped anew while it grows; costs no memory or disk. */
const MAP_BYTES = 1024 ** 3;

/** What the copy knows about itself lies under keys that begin with NUL, where no record can be. */
const REVISION_KEY = '\0revision';
const TERM_KEY = '\0term';
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
    permissionsMode: 0o600,
  };
  const db = open<Uint8Array, string>(options) as LmdbDatabase;
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
function otherProcesses(db: LmdbDatabase): number[] {
  db.readerCheck();
  const readers = [...db.readerList().matchAll(/^\s*(\d+)\s/gm)].map(([, process]) => Number(process));
  return readers.filter((id) => id !== process.pid);
}

/** What lmdb's declarations leave out: the length of what `getBinaryFast` found in its shared buffer. */
type LmdbDatabase = RootDatabase<Uint8Array, string> & { readonly lastSize: number };

class LmdbCopy implements DurableCopy {
  readonly #db: LmdbDatabase;
  #revision: Revision;
  #term: number;

  constructor(db: LmdbDatabase) {
    this.#db = db;
    this.#revision = this.#number(REVISION_KEY);
    this.#term = this.#number(TERM_KEY);
  }

  get revision(): Revision {
    return this.#revision;
  }

  get size(): number {
    // The declarations say nothing of what LMDB counts.
    return (this.#db.getStats() as { readonly entryCount: number }).entryCount;
  }

  get term(): number {
    return this.#term;
  }

  async lead(): Promise<Fence> {
    for (;;) {
      this.#db.resetReadTxn();
      const led = this.#number(TERM_KEY);
      if (await this.#succeed(led)) {
        this.#term = led + 1;
        this.#revision = this.#number(REVISION_KEY);
        return { term: this.#term };
      }
    }
  }

  async apply(batch: Batch, revision: Revision, fence?: Fence): Promise<void> {
    const write = () => {
      for (const { key, value } of batch) {
        if (value === undefined) this.#db.remove(key);
        else this.#db.put(key, value);
      }
      this.#db.put(REVISION_KEY, numberBytes(revision));
    };
    const written = await durably(
      fence ? this.#db.ifVersion(leaderKey(fence.term), IF_EXISTS, write) : this.#db.batch(write),
    );
    if (!written) throw new FenceLost(`term ${fence?.term} is over`);
    this.#revision = revision;
  }

  get(key: string): Uint8Array | undefined {
    if (!canExist(key)) return undefined;
    const shared = this.#db.getBinaryFast(key);
    if (shared === undefined) return undefined;
    const length = this.#db.lastSize;
    const value = Buffer.allocUnsafe(length);
    Buffer.prototype.copy.call(shared, value, 0, 0, length);
    return value;
  }

  keys({ start, end, limit }: KeyRange): string[] {
    return [...this.#db.getKeys(end === undefined ? { start, limit } : { start, end, limit })];
  }

  snapshot(): CopySnapshot {
    this.#db.resetReadTxn();
    const transaction = this.#db.useReadTransaction();
    const revision = numberOf(this.#db.get(REVISION_KEY, { transaction }));
    const range = this.#db.getRange({ start: KEY_FIRST, transaction });
    return { revision, records: recordsOf(range, () => transaction.done()) };
  }

  close(): Promise<void> {
    return this.#db.close();
  }

  /** Replaces the leader of term `led`, unless somebody else just did. */
  #succeed(led: number): Promise<boolean> {
    const write = () => {
      this.#db.remove(leaderKey(led));
      this.#db.put(leaderKey(led + 1), numberBytes(led + 1));
      this.#db.put(TERM_KEY, numberBytes(led + 1));
    };
    return durably(
      led === 0 ? this.#db.ifNoExists(TERM_KEY, write) : this.#db.ifVersion(leaderKey(led), IF_EXISTS, write),
    );
  }

  #number(key: string): number {
    return numberOf(this.#db.get(key));
  }
}

/** Lets go of the snapshot also when it is never iterated: a generator's `finally` runs only once it has begun. */
function recordsOf(
  range: Iterable<{ key: string; value: Uint8Array }>,
  release: () => void,
): CopySnapshot['records'] {
  const records = (function* () {
    try {
      yield;
      yield* range;
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
