import type { DurableCopy } from '../log/copy.ts';
import type { Revision } from '../log/log.ts';
import { following, isBefore } from './keys.ts';
import type { PendingChanges } from './pending.ts';
import type { SortedKeys } from './sorted-keys.ts';

/** A transaction's own writes, as far as a cursor needs them. */
export interface OwnWrites {
  get(key: string): { value: Uint8Array | undefined } | undefined;
  keys(): SortedKeys;
}

export interface Layers {
  own: OwnWrites;
  pending: PendingChanges;
  copy: DurableCopy;
  /** Told of every pending change that decided what the cursor gave. */
  depend: (revision: Revision) => void;
}

const PAGE_LENGTH_MIN = 16;
const PAGE_LENGTH_MAX = 512;

interface Candidate {
  key: string;
  /** Whether copy and pending changes held it when the page was read, and the pending change that said so. */
  live: boolean;
  revision: Revision | undefined;
}

/**
 * Walks the keys of one range in order as a transaction sees them: its own writes over pending changes over the
 * copy. Reads a page ahead, holds no resource, and may be left alone for as long as one likes: records that come or
 * go meanwhile are seen or not, all others exactly once.
 */
export class Cursor {
  readonly #layers: Layers;
  readonly #end: string | undefined;
  /** Where the next page begins; undefined when nothing is left to read. */
  #next: string | undefined;
  #page: Candidate[] = [];
  #index = 0;
  #pageLength = PAGE_LENGTH_MIN;

  constructor(layers: Layers, start: string, end: string | undefined) {
    this.#layers = layers;
    this.#next = start;
    this.#end = end;
  }

  /** The next key, or undefined at the end. */
  next(): string | undefined {
    for (;;) {
      const candidate = this.#page[this.#index];
      if (candidate) {
        this.#index += 1;
        if (this.#isLive(candidate)) return candidate.key;
      } else if (this.#next === undefined) return undefined;
      else this.#readPage(this.#next);
    }
  }

  /** Goes forward to the first key at or after `start`. */
  seek(start: string): void {
    while (this.#index < this.#page.length && isBefore(this.#page[this.#index]!.key, start)) this.#index += 1;
    if (this.#index < this.#page.length) return;
    if (this.#next === undefined || !isBefore(this.#next, start)) return;
    this.#next = start;
    this.#pageLength = PAGE_LENGTH_MIN;
  }

  /** Looks at the transaction's and the pending changes again: both may have changed since the page was read. */
  #isLive({ key, live, revision }: Candidate): boolean {
    const own = this.#layers.own.get(key);
    if (own) return own.value !== undefined;
    const pending = this.#layers.pending.get(key);
    const decisive = pending?.revision ?? revision;
    if (decisive !== undefined) this.#layers.depend(decisive);
    return pending ? pending.value !== undefined : live;
  }

  #readPage(start: string): void {
    const { own, pending, copy } = this.#layers;
    const length = this.#pageLength;
    const sources = [
      copy.keys({ start, end: this.#end, limit: length }),
      pending.keys(start, this.#end, length),
      own.keys().range(start, this.#end, length),
    ];
    // A source that filled its share may have more: the page is complete only up to the first such source's last key.
    let horizon: string | undefined;
    for (const keys of sources) {
      const last = keys.length === length ? keys[length - 1]! : undefined;
      if (last !== undefined && (horizon === undefined || isBefore(last, horizon))) horizon = last;
    }
    const stored = new Set(sources[0]);
    this.#page = merge(sources, horizon).map((key) => this.#candidate(key, stored.has(key)));
    this.#index = 0;
    this.#next = horizon === undefined ? undefined : following(horizon);
    this.#pageLength = Math.min(length * 2, PAGE_LENGTH_MAX);
  }

  #candidate(key: string, stored: boolean): Candidate {
    const pending = this.#layers.pending.get(key);
    return { key, live: pending ? pending.value !== undefined : stored, revision: pending?.revision };
  }
}

/** Sorted lists into one without repetitions, up to `horizon` inclusive. */
function merge(sources: string[][], horizon: string | undefined): string[] {
  const rest = sources.filter((keys) => keys.length > 0);
  if (rest.length === 1 && horizon === undefined) return rest[0]!;
  const merged: string[] = [];
  const positions = rest.map(() => 0);
  for (;;) {
    let smallest: string | undefined;
    rest.forEach((keys, source) => {
      const key = keys[positions[source]!];
      if (key !== undefined && (smallest === undefined || isBefore(key, smallest))) smallest = key;
    });
    if (smallest === undefined || (horizon !== undefined && isBefore(horizon, smallest))) return merged;
    merged.push(smallest);
    rest.forEach((keys, source) => {
      if (keys[positions[source]!] === smallest) positions[source]! += 1;
    });
  }
}
