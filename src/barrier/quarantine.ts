import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { KEY_BYTES_MAX, type Store } from '../store/store.ts';

/** Where the bytes of damaged records are kept for an operator, under their own names. */
export const QUARANTINE_PREFIX = 'quarantine/';

/** So many damaged records are remembered; one more only raises the count. */
const REMEMBERED_MAX = 1000;

export interface QuarantinedRecord {
  readonly key: string;
  /** When it was first found, in milliseconds since the Unix epoch. */
  readonly atMs: number;
}

/** The damaged records that were met: each is logged and handed on once; everything else goes on being served. */
export class Quarantine {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #preserve: (key: string, raw: Uint8Array) => void;
  readonly #records = new Map<string, QuarantinedRecord>();
  #met = 0;

  constructor(clock: Clock, logger: Logger, preserve: (key: string, raw: Uint8Array) => void) {
    this.#clock = clock;
    this.#logger = logger;
    this.#preserve = preserve;
  }

  /** How often a damaged record was met. */
  get met(): number {
    return this.#met;
  }

  records(): QuarantinedRecord[] {
    return [...this.#records.values()];
  }

  add(key: string, raw: Uint8Array): void {
    this.#met += 1;
    if (this.#records.has(key) || this.#records.size >= REMEMBERED_MAX) return;
    this.#records.set(key, { key, atMs: this.#clock.now() });
    this.#logger.error('a stored record is damaged and was put into quarantine', { key, bytes: raw.length });
    try {
      this.#preserve(key, raw);
    } catch (error) {
      this.#logger.warn('the bytes of a damaged record could not be kept', { key, error });
    }
  }
}

/** Keeps the bytes of damaged records in `store`, in a transaction of their own. */
export function preserveIn(store: Store): (key: string, raw: Uint8Array) => void {
  return (key, raw) => {
    if (key.startsWith(QUARANTINE_PREFIX)) return;
    const target = QUARANTINE_PREFIX + key;
    const transaction = store.begin();
    if (Buffer.byteLength(target) > KEY_BYTES_MAX || transaction.get(target) !== undefined) return;
    transaction.put(target, raw);
    transaction.apply();
  };
}
