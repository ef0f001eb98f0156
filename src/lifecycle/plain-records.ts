import { CorruptRecord } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Store } from '../store/store.ts';

/**
 * Records that are read while sealed: plain JSON, with nothing secret in it. Each is parsed once as long as the store gives
 * the same bytes for it, since every look at the health asks for some.
 */
export class PlainRecords {
  readonly #parts: { readonly store: Store; readonly log: Logger };
  readonly #parsed = new WeakMap<Uint8Array, unknown>();

  constructor({ store, log }: { store: Store; log: Logger }) {
    this.#parts = { store, log };
  }

  /** Shared: not to be changed. Throws `CorruptRecord`, which is logged once. */
  read<T>(key: string): T | undefined {
    const bytes = this.#parts.store.begin().get(key);
    if (!bytes) return undefined;
    let value = this.#parsed.get(bytes);
    if (value === undefined) {
      value = this.#parse(key, bytes);
      this.#parsed.set(bytes, value);
    }
    if (value instanceof CorruptRecord) throw value;
    return value as T;
  }

  #parse(key: string, bytes: Uint8Array): unknown {
    try {
      return JSON.parse(Buffer.from(bytes).toString());
    } catch (cause) {
      this.#parts.log.error('a stored record is damaged', { key });
      return new CorruptRecord(key, { cause });
    }
  }
}
