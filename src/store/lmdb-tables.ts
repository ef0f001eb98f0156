import type { Database, RootDatabase } from 'lmdb';
import { Unavailable } from '../base/errors.ts';
import { turn } from '../base/turn.ts';
import { KEY_FIRST } from './keys.ts';

/** What lmdb's declarations leave out: the length of what `getBinaryFast` found in its shared buffer. */
interface LastSize {
  readonly lastSize: number;
}
export type LmdbDatabase = Database<Uint8Array, string> & LastSize;
export type LmdbRoot = RootDatabase<Uint8Array, string> & LastSize;

export interface KeyEncoder {
  writeKey(key: string, target: Buffer, start: number): number;
  readKey(source: Buffer, start: number, end: number): string;
}

/** Served, staged, loaded, being cleared: more at once make no sense. */
export const TABLES_MAX = 8;

/** The names of tables are keys of the root's own table, where no record can begin so. */
const NAME_FIRST = '\u0001';
const nameOf = (number: number): string => `${NAME_FIRST}records/${number}`;

/** Removed in one commit: some milliseconds of the writing thread. */
const CLEAR_SLICE = 500;

/**
 * The tables of one LMDB file that may hold records: the root's own, number 0, and named ones beside it, of which one is
 * served. Tables that nobody uses any more are emptied in the background, in slices, and used again.
 */
export class LmdbTables {
  readonly #root: LmdbRoot;
  readonly #keyEncoder: KeyEncoder;
  readonly #open = new Map<number, LmdbDatabase>();
  /** Staged or loaded. */
  readonly #taken = new Set<number>();
  readonly #clearing = new Map<number, Promise<void>>();
  #current: number;
  #closed = false;

  constructor(root: LmdbRoot, keyEncoder: KeyEncoder, current: number) {
    this.#root = root;
    this.#keyEncoder = keyEncoder;
    this.#open.set(0, root);
    this.#current = current;
    for (const name of root.getKeys({ start: NAME_FIRST, end: KEY_FIRST })) {
      const number = Number(name.replace(/^.*\//, '').replace(/\0$/, ''));
      if (number > 0 && number < TABLES_MAX) this.#table(number);
    }
    for (const number of this.#open.keys()) if (number !== current) this.#clear(number);
  }

  get current(): LmdbDatabase {
    return this.#table(this.#current);
  }

  /** An empty table that is nobody else's until `use` or `giveBack`. Throws `Unavailable` when there is none. */
  take(): { readonly table: LmdbDatabase; readonly number: number } {
    for (let number = 1; number < TABLES_MAX; number++) {
      if (number === this.#current || this.#taken.has(number) || this.#clearing.has(number)) continue;
      this.#taken.add(number);
      return { table: this.#table(number), number };
    }
    throw new Unavailable('too many snapshots at once, or earlier ones are still being cleared away');
  }

  giveBack(number: number): void {
    if (this.#taken.delete(number)) this.#clear(number);
  }

  /** Serves this table from now on; the one before is cleared. */
  use(number: number): LmdbDatabase {
    const before = this.#current;
    this.#current = number;
    this.#taken.delete(number);
    if (before !== number) this.#clear(before);
    return this.#table(number);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#clearing.values());
  }

  #table(number: number): LmdbDatabase {
    let table = this.#open.get(number);
    if (!table) {
      const options = { name: nameOf(number), encoding: 'binary' as const, keyEncoder: this.#keyEncoder };
      table = this.#root.openDB<Uint8Array, string>(options) as LmdbDatabase;
      this.#open.set(number, table);
    }
    return table;
  }

  #clear(number: number): void {
    if (this.#closed || this.#clearing.has(number)) return;
    const clearing = this.#clearInSlices(this.#table(number)).then(
      () => void this.#clearing.delete(number),
      // The disk may be full. The table stays as it is until the next start.
      () => {},
    );
    this.#clearing.set(number, clearing);
  }

  async #clearInSlices(table: LmdbDatabase): Promise<void> {
    while (!this.#closed) {
      const keys = [...table.getKeys({ start: KEY_FIRST, limit: CLEAR_SLICE })];
      if (keys.length === 0) return;
      await this.#root.batch(() => {
        for (const key of keys) table.remove(key);
      });
      await turn();
    }
  }
}
