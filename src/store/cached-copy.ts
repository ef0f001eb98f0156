import type { CopySnapshot, DurableCopy, KeyRange, StagedRecords } from '../log/copy.ts';
import type { Batch, Fence, Revision } from '../log/log.ts';

const BYTES_MAX_DEFAULT = 32 * 1024 * 1024;
/** What an entry costs beside its key and value. */
const ENTRY_BYTES = 150;

/**
 * A copy that remembers the stored bytes of what was read lately: a hit costs a look-up where LMDB costs
 * microseconds, and gives the very same object again, by which the barrier knows what it has decrypted.
 *
 * A changed key is forgotten once its batch is applied. Until then it is pending, and the store looks there first: so
 * nothing old is read again between the two.
 */
export function cachedCopy(copy: DurableCopy, bytesMax = BYTES_MAX_DEFAULT): DurableCopy {
  return new CachedCopy(copy, bytesMax);
}

class CachedCopy implements DurableCopy {
  readonly #copy: DurableCopy;
  readonly #generationBytes: number;
  /** Two generations stand in for an order of use: the older is dropped when the younger is full. */
  #young = new Map<string, Uint8Array>();
  #old = new Map<string, Uint8Array>();
  #youngBytes = 0;

  constructor(copy: DurableCopy, bytesMax: number) {
    this.#copy = copy;
    this.#generationBytes = bytesMax / 2;
  }

  get revision(): Revision {
    return this.#copy.revision;
  }
  get size(): number {
    return this.#copy.size;
  }
  get term(): number {
    return this.#copy.term;
  }
  lead(): Promise<Fence> {
    return this.#copy.lead();
  }

  async apply(batch: Batch, revision: Revision, fence?: Fence): Promise<void> {
    try {
      await this.#copy.apply(batch, revision, fence);
    } finally {
      for (const { key } of batch) {
        this.#young.delete(key);
        this.#old.delete(key);
      }
    }
  }

  /** Shared with later callers: not to be changed. */
  get(key: string): Uint8Array | undefined {
    const young = this.#young.get(key);
    if (young) return young;
    const value = this.#old.get(key) ?? this.#copy.get(key);
    if (value) this.#remember(key, value);
    return value;
  }

  keys(range: KeyRange): string[] {
    return this.#copy.keys(range);
  }
  snapshot(): CopySnapshot {
    return this.#copy.snapshot();
  }
  async stage(): Promise<StagedRecords> {
    const staged = await this.#copy.stage();
    return {
      add: (records) => staged.add(records),
      get: (key) => staged.get(key),
      keys: (range) => staged.keys(range),
      adopt: async (revision, fence) => {
        await staged.adopt(revision, fence);
        this.#forget();
      },
      discard: () => staged.discard(),
    };
  }
  close(): Promise<void> {
    this.#forget();
    return this.#copy.close();
  }

  #forget(): void {
    this.#young.clear();
    this.#old.clear();
    this.#youngBytes = 0;
  }

  #remember(key: string, value: Uint8Array): void {
    this.#young.set(key, value);
    this.#youngBytes += ENTRY_BYTES + key.length * 2 + value.length;
    if (this.#youngBytes <= this.#generationBytes) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
  }
}
