import type { DurableCopy } from '../log/copy.ts';
import type { Revision } from '../log/log.ts';
import { following, isBefore } from './keys.ts';
import type { PendingChanges } from './pending.ts';

/** A transaction's own writes, as far as a cursor needs them. */
export interface OwnWrites {
  get(key: string): { value: Uint8Array | undefined } | undefined;
  keys(start: string, end: string | undefined, limit: number): string[];
}

export interface Layers {
  own: OwnWrites;
  pending: PendingChanges;
  copy: Pick<DurableCopy, 'keys'>;
  /** Told of every pending change that decided what the cursor gave. */
  depend: (revision: Revision) => void;
}

/** Lists of many small folders read each anew, so the first page is short; walks soon read long ones. */
const PAGE_LENGTH_MIN = 8;
const PAGE_LENGTH_MAX = 512;

/** What was known of a key when its page was read, unless it was simply in the copy. */
interface Finding {
  live: boolean;
  /** Of the pending change that said so. */
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
  #page: readonly string[] = [];
  #findings = new Map<string, Finding>();
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
      const key = this.#page[this.#index];
      if (key !== undefined) {
        this.#index += 1;
        if (this.#isLive(key)) return key;
      } else if (this.#next === undefined) return undefined;
      else this.#readPage(this.#next);
    }
  }

  /** Goes forward to the first key at or after `start`. */
  seek(start: string): void {
    while (this.#index < this.#page.length && isBefore(this.#page[this.#index]!, start)) this.#index += 1;
    if (this.#index < this.#page.length) return;
    if (this.#next === undefined || !isBefore(this.#next, start)) return;
    this.#next = start;
    this.#pageLength = PAGE_LENGTH_MIN;
  }

  /** Looks at the transaction's and the pending changes again: both may have changed since the page was read. */
  #isLive(key: string): boolean {
    const own = this.#layers.own.get(key);
    if (own) return own.value !== undefined;
    const pending = this.#layers.pending.get(key);
    const finding = this.#findings.size === 0 ? undefined : this.#findings.get(key);
    const decisive = pending?.revision ?? finding?.revision;
    if (decisive !== undefined) this.#layers.depend(decisive);
    if (pending) return pending.value !== undefined;
    return finding ? finding.live : true;
  }

  #readPage(start: string): void {
    const { own, pending, copy } = this.#layers;
    const length = this.#pageLength;
    const stored = copy.keys({ start, end: this.#end, limit: length });
    const changed = pending.keys(start, this.#end, length);
    const written = own.keys(start, this.#end, length);
    const horizon = horizonOf([stored, changed, written], length);
    this.#page = merge([stored, changed, written], horizon);
    this.#findings = new Map();
    for (const key of written) this.#findings.set(key, { live: false, revision: undefined });
    if (written.length > 0) for (const key of stored) this.#findings.delete(key);
    for (const key of changed) {
      const change = pending.get(key);
      this.#findings.set(key, { live: change?.value !== undefined, revision: change?.revision });
    }
    this.#index = 0;
    this.#next = horizon === undefined ? undefined : following(horizon);
    this.#pageLength = Math.min(length * 2, PAGE_LENGTH_MAX);
  }
}

/** How far the sources, read up to `length` keys each, are complete: a full one may have more. Undefined: to the end. */
function horizonOf(sources: readonly string[][], length: number): string | undefined {
  let horizon: string | undefined;
  for (const keys of sources) {
    const last = keys.length === length ? keys[length - 1]! : undefined;
    if (last !== undefined && (horizon === undefined || isBefore(last, horizon))) horizon = last;
  }
  return horizon;
}

/** Sorted lists into one without repetitions, up to `horizon` inclusive. */
function merge(sources: readonly string[][], horizon: string | undefined): string[] {
  const rest = sources.filter((keys) => keys.length > 0);
  // A single source is complete up to its own last key.
  if (rest.length <= 1) return rest[0] ?? [];
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
