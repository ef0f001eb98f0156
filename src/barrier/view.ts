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
  /** Names directly under `prefix` ('' or ending in '/'); folders end in '/'. */
  list(prefix: string, page?: Page): string[];
  /** Every key under `prefix`, lazily, in order. */
  keys(prefix: string, page?: Page): Iterable<string>;
  /** A narrower view; `prefix` ends in '/'. */
  under(prefix: string): View;
}

export type { Page };
