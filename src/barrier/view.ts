import type { Page } from '../store/store.ts';

/**
 * A mount's window on the store: JSON values under one prefix, encrypted on their way. There is no way out of the
 * prefix. Reads see the writes of the same request; all of a request's writes commit together.
 */
export interface View {
  /** The value, or undefined. Treat it as read-only: it may be shared. Throws `CorruptRecord`. */
  get<T>(key: string): T | undefined;
  /** Stores `value` as JSON. Throws `TooLarge` when the key or the value is over its limit. */
  put(key: string, value: unknown): void;
  delete(key: string): void;
  /**
   * Stores an entry of an index: `target` in clear, '' where the key says all. Costs no encryption, and tells who can
   * read the disk no more than names of records do. Who can write it can forge one, so what it leads to is to be checked.
   */
  putIndex(key: string, target?: string): void;
  /** The target of an index entry; undefined when there is none, or a value. `get` takes an entry for a damaged value. */
  getIndex(key: string): string | undefined;
  /** Names directly under `prefix` ('' or ending in '/'); folders end in '/'. */
  list(prefix: string, page?: Page): string[];
  /** Every key under `prefix`, lazily, in order. */
  keys(prefix: string, page?: Page): Iterable<string>;
  /** A narrower view; `prefix` ends in '/'. */
  under(prefix: string): View;
}

export type { Page };
