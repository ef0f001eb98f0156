import { TooLarge } from '../base/errors.ts';
import type { DurableCopy } from '../log/copy.ts';
import type { Revision } from '../log/log.ts';
import { Cursor, type Layers, type OwnWrites } from './cursor.ts';
import { checkKey, checkPrefix, following, isBefore, KEY_FIRST, prefixEnd } from './keys.ts';
import type { PendingChanges } from './pending.ts';
import { SortedKeys } from './sorted-keys.ts';
import { type Page, type Transaction, VALUE_BYTES_MAX } from './store.ts';

export type Writes = ReadonlyMap<string, Uint8Array | undefined>;

/** What a transaction needs of its store. */
export interface TransactionHost {
  /** Read anew each time: a replaced store has another. */
  readonly copy: Pick<DurableCopy, 'get' | 'keys'>;
  readonly pending: PendingChanges;
  /** Takes the writes over and makes them visible; returns the revision that will hold them. */
  apply(writes: Writes): Revision;
}

export function beginTransaction(host: TransactionHost): Transaction {
  return new StoreTransaction(host);
}

class StoreTransaction implements Transaction {
  readonly #host: TransactionHost;
  readonly #own = new OwnChanges();
  #dependsOn: Revision = 0;

  constructor(host: TransactionHost) {
    this.#host = host;
  }

  get dependsOn(): Revision {
    return this.#dependsOn;
  }

  get dirty(): boolean {
    return this.#own.size > 0;
  }

  get writes(): Writes {
    return this.#own.all;
  }

  get(key: string): Uint8Array | undefined {
    const own = this.#own.get(key);
    if (own) return own.value;
    const pending = this.#host.pending.get(key);
    if (pending === undefined) return this.#host.copy.get(key);
    this.#depend(pending.revision);
    return pending.value;
  }

  put(key: string, value: Uint8Array): void {
    checkKey(key);
    if (value.length > VALUE_BYTES_MAX) {
      throw new TooLarge(
        `a stored value must not be longer than ${VALUE_BYTES_MAX} bytes, this has ${value.length}`,
      );
    }
    this.#own.set(key, value);
  }

  delete(key: string): void {
    checkKey(key);
    this.#own.set(key, undefined);
  }

  list(prefix: string, page: Page = {}): string[] {
    const names: string[] = [];
    const limit = page.limit ?? Number.POSITIVE_INFINITY;
    const cursor = this.#cursor(
      prefix,
      page.after === undefined ? undefined : nameEnd(prefix + page.after, prefix),
    );
    while (names.length < limit) {
      const key = cursor.next();
      if (key === undefined) break;
      const slash = key.indexOf('/', prefix.length);
      if (slash < 0) names.push(key.slice(prefix.length));
      else {
        names.push(key.slice(prefix.length, slash + 1));
        cursor.seek(nameEnd(key, prefix));
      }
    }
    return names;
  }

  *keys(prefix: string, page: Page = {}): Generator<string, void, undefined> {
    const cursor = this.#cursor(prefix, page.after === undefined ? undefined : following(page.after));
    for (let left = page.limit ?? Number.POSITIVE_INFINITY; left > 0; left--) {
      const key = cursor.next();
      if (key === undefined) return;
      yield key;
    }
  }

  apply(): Revision {
    if (this.#own.size > 0) this.#depend(this.#host.apply(this.#own.take()));
    return this.#dependsOn;
  }

  discard(): void {
    this.#own.take();
  }

  #depend(revision: Revision): void {
    if (revision > this.#dependsOn) this.#dependsOn = revision;
  }

  #cursor(prefix: string, from: string | undefined): Cursor {
    checkPrefix(prefix);
    const first = prefix === '' ? KEY_FIRST : prefix;
    const layers: Layers = {
      own: this.#own,
      pending: this.#host.pending,
      copy: { keys: (range) => this.#host.copy.keys(range) },
      depend: (revision) => this.#depend(revision),
    };
    return new Cursor(layers, from !== undefined && isBefore(first, from) ? from : first, prefixEnd(prefix));
  }
}

/** The first key after everything that `key` stands for in a list under `prefix`: a record, or a whole folder. */
function nameEnd(key: string, prefix: string): string {
  const slash = key.indexOf('/', prefix.length);
  return slash < 0 ? following(key) : `${key.slice(0, slash)}0`;
}

/** The writes of one transaction; their order is kept only once somebody lists. */
class OwnChanges implements OwnWrites {
  #changes = new Map<string, Uint8Array | undefined>();
  #sorted: SortedKeys | undefined;

  get size(): number {
    return this.#changes.size;
  }

  get all(): Writes {
    return this.#changes;
  }

  get(key: string): { value: Uint8Array | undefined } | undefined {
    if (this.#changes.size === 0) return undefined;
    const value = this.#changes.get(key);
    return value !== undefined || this.#changes.has(key) ? { value } : undefined;
  }

  set(key: string, value: Uint8Array | undefined): void {
    if (this.#sorted && !this.#changes.has(key)) this.#sorted.add(key);
    this.#changes.set(key, value);
  }

  keys(start: string, end: string | undefined, limit: number): string[] {
    if (this.#changes.size === 0) return [];
    if (!this.#sorted) {
      this.#sorted = new SortedKeys();
      for (const key of this.#changes.keys()) this.#sorted.add(key);
    }
    return this.#sorted.range(start, end, limit);
  }

  /** Hands the writes over and starts empty. */
  take(): Writes {
    const taken = this.#changes;
    this.#changes = new Map();
    this.#sorted = undefined;
    return taken;
  }
}
