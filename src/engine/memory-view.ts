import type { Page, View } from '../barrier/view.ts';
import { TooLarge } from '../base/errors.ts';

/** Bytes of UTF-8 in a key, the mount's prefix not counted, and bytes of JSON in a value: what the store is sure to take. */
export const VIEW_KEY_BYTES_MAX = 1800;
export const VIEW_VALUE_BYTES_MAX = 1024 * 1024;

/** Before the target of an index entry; no JSON begins so. */
const INDEX_ENTRY = '\0';

/** Records in memory, for tests of engines; values are kept as JSON and given out frozen, since real ones are shared. */
export class MemoryRecords {
  readonly #values = new Map<string, string>();
  /** What the keys written since `begin` held before. */
  #before = new Map<string, string | undefined>();
  #sorted: readonly string[] | undefined;

  /** Everything in it as a view. */
  view(): View {
    return view(this, '');
  }
  /** What was written so far stays. */
  apply(): void {
    this.#before = new Map();
  }
  /** Takes back what was written since the last `apply`. */
  discard(): void {
    const before = this.#before;
    this.#before = new Map();
    for (const [key, value] of before) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    this.#sorted = undefined;
  }
  get(key: string): string | undefined {
    return this.#values.get(key);
  }
  set(key: string, value: string | undefined): void {
    const old = this.#values.get(key);
    if (!this.#before.has(key)) this.#before.set(key, old);
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, value);
    if ((old === undefined) !== (value === undefined)) this.#sorted = undefined;
  }
  /** Every key, in the order of its bytes. */
  sorted(): readonly string[] {
    this.#sorted ??= [...this.#values.keys()].sort(byBytes);
    return this.#sorted;
  }
  /** Keys with their JSON, to look for what must or must not be there. */
  entries(): Iterable<readonly [string, string]> {
    return this.#values.entries();
  }
}

function view(records: MemoryRecords, base: string): View {
  return {
    get<T>(key: string): T | undefined {
      const stored = records.get(base + key);
      return stored === undefined ? undefined : (frozen(JSON.parse(stored)) as T);
    },
    put(key, value) {
      const stored = JSON.stringify(value);
      if (stored === undefined) throw new TypeError('a stored value must be JSON');
      if (Buffer.byteLength(base + key) > VIEW_KEY_BYTES_MAX) throw new TooLarge('the path is too long');
      if (Buffer.byteLength(stored) > VIEW_VALUE_BYTES_MAX) throw new TooLarge('the value is too large');
      records.set(base + key, stored);
    },
    putIndex(key, target = '') {
      if (Buffer.byteLength(base + key) > VIEW_KEY_BYTES_MAX) throw new TooLarge('the path is too long');
      records.set(base + key, INDEX_ENTRY + target);
    },
    getIndex(key) {
      const stored = records.get(base + key);
      return stored?.startsWith(INDEX_ENTRY) ? stored.slice(INDEX_ENTRY.length) : undefined;
    },
    delete: (key) => records.set(base + key, undefined),
    list: (prefix, page = {}) => listed(records, base + prefix, page),
    *keys(prefix, page = {}) {
      const after = page.after === undefined ? undefined : base + page.after;
      for (const key of under(records, base + prefix, after, page.limit)) yield key.slice(base.length);
    },
    under: (prefix) => view(records, base + prefix),
  };
}

function* under(
  records: MemoryRecords,
  prefix: string,
  after: string | undefined,
  limit = Number.POSITIVE_INFINITY,
): Iterable<string> {
  let count = 0;
  for (const key of records.sorted()) {
    if (!key.startsWith(prefix) || (after !== undefined && byBytes(key, after) <= 0)) continue;
    if (count++ >= limit) return;
    yield key;
  }
}

function listed(records: MemoryRecords, prefix: string, { after, limit }: Page): string[] {
  const names = new Set<string>();
  for (const key of under(records, prefix, undefined)) {
    const rest = key.slice(prefix.length);
    const end = rest.indexOf('/');
    names.add(end < 0 ? rest : rest.slice(0, end + 1));
  }
  return [...names]
    .filter((name) => name !== '' && (after === undefined || byBytes(name, after) > 0))
    .sort(byBytes)
    .slice(0, limit);
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function frozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const item of Object.values(value)) frozen(item);
  return Object.freeze(value);
}
