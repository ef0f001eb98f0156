import { InvalidRequest, TooLarge } from '../base/errors.ts';
import type { Transaction } from '../store/store.ts';
import { indexEntry, indexTarget } from './index-entry.ts';
import type { Page, View } from './view.ts';

/** Bytes of JSON a value may have. */
export const JSON_BYTES_MAX = 1024 * 1024;

/** What a view needs of the barrier. */
export interface RecordCipher {
  encryptText(key: string, text: string): Uint8Array;
  decryptValue(key: string, envelope: Uint8Array): unknown;
}

export function openRecordView(cipher: RecordCipher, transaction: Transaction, prefix: string): View {
  checkViewPrefix(prefix);
  return new RecordView(cipher, transaction, prefix);
}

class RecordView implements View {
  readonly #cipher: RecordCipher;
  readonly #transaction: Transaction;
  readonly #prefix: string;

  constructor(cipher: RecordCipher, transaction: Transaction, prefix: string) {
    this.#cipher = cipher;
    this.#transaction = transaction;
    this.#prefix = prefix;
  }

  get<T>(key: string): T | undefined {
    const full = this.#prefix + key;
    const envelope = this.#transaction.get(full);
    return envelope === undefined ? undefined : (this.#cipher.decryptValue(full, envelope) as T);
  }

  put(key: string, value: unknown): void {
    if (key === '') throw new InvalidRequest('a storage key must not be empty');
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined)
      throw new TypeError(`what is stored under a key must be JSON, not ${typeof value}`);
    if (text.length > JSON_BYTES_MAX || Buffer.byteLength(text) > JSON_BYTES_MAX) {
      throw new TooLarge(`a stored value must not be longer than ${JSON_BYTES_MAX} bytes of JSON`);
    }
    const full = this.#prefix + key;
    this.#transaction.put(full, this.#cipher.encryptText(full, text));
  }

  delete(key: string): void {
    this.#transaction.delete(this.#prefix + key);
  }

  putIndex(key: string, target = ''): void {
    if (key === '') throw new InvalidRequest('a storage key must not be empty');
    this.#transaction.put(this.#prefix + key, indexEntry(target));
  }

  getIndex(key: string): string | undefined {
    const stored = this.#transaction.get(this.#prefix + key);
    return stored && indexTarget(stored);
  }

  list(prefix: string, page?: Page): string[] {
    return this.#transaction.list(this.#prefix + prefix, page);
  }

  *keys(prefix: string, page: Page = {}): Generator<string, void, undefined> {
    const after = page.after === undefined ? undefined : this.#prefix + page.after;
    for (const key of this.#transaction.keys(this.#prefix + prefix, { ...page, after })) {
      yield key.slice(this.#prefix.length);
    }
  }

  under(prefix: string): View {
    checkViewPrefix(prefix);
    return new RecordView(this.#cipher, this.#transaction, this.#prefix + prefix);
  }
}

function checkViewPrefix(prefix: string): void {
  if (prefix !== '' && !prefix.endsWith('/')) throw new RangeError('the prefix of a view ends in "/"');
}
