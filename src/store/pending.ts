import type { Batch, Revision } from '../log/log.ts';
import { SortedKeys } from './sorted-keys.ts';

/** What lies over the copy for one key; `value` undefined hides the record. */
export interface PendingChange {
  readonly value: Uint8Array | undefined;
  readonly revision: Revision;
}

/** Writes that are visible but not yet durable: for each key the newest, with the revision that will hold it. */
export class PendingChanges {
  readonly #changes = new Map<string, PendingChange>();
  readonly #sorted = new SortedKeys();

  get size(): number {
    return this.#changes.size;
  }

  get(key: string): PendingChange | undefined {
    return this.#changes.size === 0 ? undefined : this.#changes.get(key);
  }

  keys(start: string, end: string | undefined, limit: number): string[] {
    return this.#changes.size === 0 ? [] : this.#sorted.range(start, end, limit);
  }

  add(changes: ReadonlyMap<string, Uint8Array | undefined>, revision: Revision): void {
    for (const [key, value] of changes) {
      if (!this.#changes.has(key)) this.#sorted.add(key);
      this.#changes.set(key, { value, revision });
    }
  }

  /** The copy holds `batch` now; keys that were written again since stay pending. */
  settle(batch: Batch, revision: Revision): void {
    for (const { key } of batch) {
      if (this.#changes.get(key)?.revision !== revision) continue;
      this.#changes.delete(key);
      this.#sorted.delete(key);
    }
  }

  clear(): void {
    this.#changes.clear();
    this.#sorted.clear();
  }
}
