import { compareKeys } from './keys.ts';

/** A block is split in two when it grows over this; small enough that inserting into it moves little. */
const BLOCK_LENGTH_MAX = 512;

/** A set of keys in order: blocks of a sorted list, so that adding and removing stay cheap with a million keys. */
export class SortedKeys {
  #blocks: string[][] = [[]];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(key: string): void {
    const at = this.#blockOf(key);
    const block = this.#blocks[at]!;
    const index = lowerBound(block, key);
    if (block[index] === key) return;
    block.splice(index, 0, key);
    this.#size += 1;
    if (block.length > BLOCK_LENGTH_MAX) this.#blocks.splice(at + 1, 0, block.splice(BLOCK_LENGTH_MAX >> 1));
  }

  delete(key: string): void {
    const at = this.#blockOf(key);
    const block = this.#blocks[at]!;
    const index = lowerBound(block, key);
    if (block[index] !== key) return;
    block.splice(index, 1);
    this.#size -= 1;
    if (block.length === 0 && this.#blocks.length > 1) this.#blocks.splice(at, 1);
  }

  clear(): void {
    this.#blocks = [[]];
    this.#size = 0;
  }

  /** At most `limit` keys from `start` (inclusive) to `end` (exclusive), in order. */
  range(start: string, end: string | undefined, limit: number): string[] {
    const found: string[] = [];
    let at = this.#blockOf(start);
    let index = lowerBound(this.#blocks[at]!, start);
    while (at < this.#blocks.length && found.length < limit) {
      const key = this.#blocks[at]![index++];
      if (key === undefined) {
        at += 1;
        index = 0;
      } else if (end !== undefined && compareKeys(key, end) >= 0) break;
      else found.push(key);
    }
    return found;
  }

  /** The block that holds `key` or where it belongs: the last one that begins at or before it. */
  #blockOf(key: string): number {
    let low = 0;
    let high = this.#blocks.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (compareKeys(this.#blocks[middle]![0]!, key) <= 0) low = middle;
      else high = middle;
    }
    return low;
  }
}

function lowerBound(block: readonly string[], key: string): number {
  let low = 0;
  let high = block.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareKeys(block[middle]!, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
