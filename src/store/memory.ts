import type { CopySnapshot, DurableCopy, KeyRange, StagedRecords } from '../log/copy.ts';
import { type Batch, type Fence, FenceLost, type Revision } from '../log/log.ts';
import { KEY_FIRST } from './keys.ts';
import { SortedKeys } from './sorted-keys.ts';

/** What outlives a `MemoryCopy`: several may be opened on one, as several processes may open one file. */
export class MemoryDisk {
  keys = new SortedKeys();
  values = new Map<string, Uint8Array>();
  revision: Revision = 0;
  term = 0;
}

export interface MemoryCopyOptions {
  disk?: MemoryDisk;
  /**
   * Stands for the disk's flush: calls `write` when the batch reaches the disk (or never), and settles when the copy
   * is told so. For simulations; the default writes at once.
   */
  flush?: (write: () => void) => Promise<void>;
}

/** A copy in memory: `server -dev`, and tests. */
export function openMemoryCopy({
  disk = new MemoryDisk(),
  flush = flushAtOnce,
}: MemoryCopyOptions = {}): DurableCopy {
  return new MemoryCopy(disk, flush);
}

async function flushAtOnce(write: () => void): Promise<void> {
  write();
}

class MemoryCopy implements DurableCopy {
  readonly #disk: MemoryDisk;
  readonly #flush: (write: () => void) => Promise<void>;

  constructor(disk: MemoryDisk, flush: (write: () => void) => Promise<void>) {
    this.#disk = disk;
    this.#flush = flush;
  }

  get revision(): Revision {
    return this.#disk.revision;
  }

  get size(): number {
    return this.#disk.values.size;
  }

  get term(): number {
    return this.#disk.term;
  }

  async lead(): Promise<Fence> {
    const term = this.#disk.term + 1;
    await this.#flush(() => {
      this.#disk.term = term;
    });
    return { term };
  }

  async apply(batch: Batch, revision: Revision, fence?: Fence): Promise<void> {
    let lost = false;
    await this.#flush(() => {
      lost = fence !== undefined && fence.term !== this.#disk.term;
      if (!lost) this.#write(batch, revision);
    });
    if (lost) throw new FenceLost(`term ${fence?.term} is over; ${this.#disk.term} leads`);
  }

  get(key: string): Uint8Array | undefined {
    const value = this.#disk.values.get(key);
    return value && Buffer.from(value);
  }

  keys({ start, end, limit }: KeyRange): string[] {
    return this.#disk.keys.range(start, end, limit);
  }

  snapshot(): CopySnapshot {
    const { keys, values, revision } = this.#disk;
    const records = keys
      .range(KEY_FIRST, undefined, Number.POSITIVE_INFINITY)
      .map((key) => ({ key, value: values.get(key)! }));
    return {
      revision,
      get: (key) => records.find((record) => record.key === key)?.value,
      records: (function* () {
        yield* records;
      })(),
    };
  }

  async stage(): Promise<StagedRecords> {
    const staged = new MemoryDisk();
    const copy = openMemoryCopy({ disk: staged });
    return {
      add: (records) => copy.apply(records, 0),
      get: (key) => copy.get(key),
      keys: (range) => copy.keys(range),
      adopt: async (revision, fence) => {
        let lost = false;
        await this.#flush(() => {
          lost = fence !== undefined && fence.term !== this.#disk.term;
          if (!lost) Object.assign(this.#disk, { keys: staged.keys, values: staged.values, revision });
        });
        if (lost) throw new FenceLost(`term ${fence?.term} is over; ${this.#disk.term} leads`);
      },
      discard: () => {},
    };
  }

  async close(): Promise<void> {}

  #write(batch: Batch, revision: Revision): void {
    const { keys, values } = this.#disk;
    for (const { key, value } of batch) {
      if (value === undefined) {
        if (values.delete(key)) keys.delete(key);
      } else {
        if (!values.has(key)) keys.add(key);
        values.set(key, Buffer.from(value));
      }
    }
    this.#disk.revision = revision;
  }
}
