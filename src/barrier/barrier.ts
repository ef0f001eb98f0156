/**
 * Encryption of everything stored. Owns the keyring, the envelope around each record, and the views through which
 * everybody else reads and writes. It does not own the root key's protection (seal/) nor where bytes lie (store/).
 */
import type { Clock } from '../base/clock.ts';
import { CorruptRecord, InvalidRequest, NotInitialized, Sealed } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { equalSecrets } from '../crypto/compare.ts';
import { zero } from '../crypto/zero.ts';
import type { Revision } from '../log/log.ts';
import type { Store, Transaction } from '../store/store.ts';
import { envelopeTerm, KEY_BYTES } from './envelope.ts';
import { KEYRING_KEY, Keyring, type KeyStatus } from './keyring.ts';
import { PlaintextCache } from './plaintext-cache.ts';
import { QUARANTINE_PREFIX, Quarantine, type QuarantinedRecord } from './quarantine.ts';
import { openRecordView } from './record-view.ts';
import type { View } from './view.ts';

export interface BarrierOptions {
  clock: Clock;
  random: Random;
  logger?: Logger;
  /** Takes the bytes of a damaged record, once for each; see `preserveIn`. */
  preserve?: (key: string, raw: Uint8Array) => void;
  /** Memory for decrypted records, in bytes; 0 keeps none. */
  cacheBytesMax?: number;
  timings?: BarrierTimings;
}

/** What reading (where it was not remembered) and writing a record take, in milliseconds. */
export interface BarrierTimings {
  readonly get: { note(ms: number): void };
  readonly put: { note(ms: number): void };
}

const CACHE_BYTES_MAX_DEFAULT = 32 * 1024 * 1024;

/** Sealed, and without keys, until `unseal`. What needs keys throws `Sealed` until then. */
export class Barrier {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #cache: PlaintextCache;
  readonly #quarantine: Quarantine;
  readonly #timings: BarrierTimings | undefined;
  #remembered = 0;
  #read = 0;
  #rootKey: Buffer | undefined;
  #keyring: Keyring | undefined;

  constructor(options: BarrierOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#timings = options.timings;
    this.#cache = new PlaintextCache(options.cacheBytesMax ?? CACHE_BYTES_MAX_DEFAULT);
    const logger = options.logger ?? silentLogger;
    this.#quarantine = new Quarantine(options.clock, logger, options.preserve ?? (() => {}));
  }

  get sealed(): boolean {
    return this.#keyring === undefined;
  }

  /** Whether a keyring is stored. */
  isInitialized(transaction: Transaction): boolean {
    return transaction.get(KEYRING_KEY) !== undefined;
  }

  /** Puts a new keyring into the transaction, encrypted by `rootKey` (32 bytes; stays the caller's). Stays sealed. */
  initialize(transaction: Transaction, rootKey: Uint8Array): void {
    checkRootKey(rootKey);
    if (this.isInitialized(transaction)) throw new InvalidRequest('Vault is already initialized');
    const keyring = Keyring.create(this.#random, this.#clock.now());
    transaction.put(KEYRING_KEY, keyring.seal(rootKey, this.#random));
    keyring.zero();
  }

  /**
   * Loads the keyring. Keeps a copy of `rootKey`; the caller zeroes its own.
   * Throws `NotInitialized`, or `CorruptRecord` when this root key does not open the keyring.
   */
  unseal(transaction: Transaction, rootKey: Uint8Array): void {
    checkRootKey(rootKey);
    const stored = transaction.get(KEYRING_KEY);
    if (!stored) throw new NotInitialized();
    const keyring = Keyring.open(rootKey, stored);
    if (!keyring) throw new CorruptRecord(KEYRING_KEY);
    this.seal();
    this.#rootKey = Buffer.from(rootKey);
    this.#keyring = keyring;
  }

  /** Overwrites all keys and forgets everything that was decrypted. */
  seal(): void {
    this.#keyring?.zero();
    this.#rootKey?.fill(0);
    this.#keyring = undefined;
    this.#rootKey = undefined;
    this.#cache.clear();
  }

  /** After other records took the place of all: loads their keyring by the root key at hand. Where it does not open it, seals and says false. */
  reload(transaction: Transaction): boolean {
    const stored = transaction.get(KEYRING_KEY);
    const keyring = stored && Keyring.open(this.#root(), stored);
    if (!keyring) {
      this.seal();
      return false;
    }
    this.#keys().zero();
    this.#cache.clear();
    this.#keyring = keyring;
    return true;
  }

  /**
   * A code over `message` by the newest key of a keyring as it is stored, and that key's term; undefined where the root
   * key at hand does not open it.
   */
  codeBy(keyring: Uint8Array, purpose: string, message: string): { term: number; code: Buffer } | undefined {
    const opened = Keyring.open(this.#root(), keyring);
    if (!opened) return undefined;
    const made = { term: opened.status.term, code: opened.code(purpose, message) };
    opened.zero();
    return made;
  }

  /** Another barrier by the same root key, over other records, which the caller seals. Throws `CorruptRecord` where it does not open them. */
  beside(transaction: Transaction): Barrier {
    const other = new Barrier({ clock: this.#clock, random: this.#random, cacheBytesMax: 0 });
    other.unseal(transaction, this.#root());
    return other;
  }

  /** The key that encrypts now. */
  get keyStatus(): KeyStatus {
    return this.#keys().status;
  }

  /** Every key there is, oldest first. */
  get keyStatuses(): KeyStatus[] {
    return this.#keys().statuses;
  }

  /** Of the key that encrypts now; 0 while sealed. */
  get term(): number {
    return this.#keyring?.term ?? 0;
  }

  /**
   * Makes a new key that encrypts from now on, and applies the transaction: a keyring that was replaced in memory
   * but not stored would lose records, so the two are one step. Returns the revision to wait for.
   */
  rotate(transaction: Transaction): Revision {
    const rotated = this.#keys().rotated(this.#random, this.#clock.now());
    return this.#replace(transaction, rotated, this.#root());
  }

  /** Encrypts the keyring by another root key (copied) and applies the transaction, with all the caller put into it. */
  rekey(transaction: Transaction, rootKey: Uint8Array): Revision {
    checkRootKey(rootKey);
    return this.#replace(transaction, this.#keys(), Buffer.from(rootKey));
  }

  /** Removes older keys: what they encrypted cannot be read any more. Resolves when that is durable. */
  async retire(store: Store, terms: ReadonlySet<number>): Promise<void> {
    const { keyring, removed } = this.#keys().without(terms);
    await store.durable(this.#replace(store.begin(), keyring, this.#root()));
    zero(...removed);
  }

  /** The record under the key that encrypts now; undefined where it is already, or is not encrypted here. Throws as `decrypt`. */
  reencrypt(key: string, envelope: Uint8Array): Buffer | undefined {
    const term = envelopeTerm(envelope);
    if (!term || term === this.term || key.startsWith(QUARANTINE_PREFIX)) return undefined;
    const plaintext = this.decrypt(key, envelope);
    const renewed = this.encrypt(key, plaintext);
    plaintext.fill(0);
    return renewed;
  }

  /** Brings what a transaction is about to write under the key that encrypts now. */
  renewWrites(transaction: Transaction): void {
    for (const [key, value] of transaction.writes) {
      const renewed = value && this.reencrypt(key, value);
      if (renewed) transaction.put(key, renewed);
    }
  }

  /** Hands `work` a copy of the root key, which is overwritten after. Throws `Sealed`. */
  async withRootKey<T>(work: (rootKey: Buffer) => Promise<T>): Promise<T> {
    const copy = Buffer.from(this.#root());
    try {
      return await work(copy);
    } finally {
      copy.fill(0);
    }
  }

  /** Whether this is the root key now. */
  isRootKey(rootKey: Uint8Array): boolean {
    return this.#rootKey !== undefined && equalSecrets(this.#rootKey, rootKey);
  }

  /** Stores the keyring as it is, for the sake of its count of encryptions, and applies the transaction. */
  saveKeyring(transaction: Transaction): Revision {
    return this.#replace(transaction, this.#keys(), this.#root());
  }

  /** The values under `prefix` ('' or ending in '/') as one transaction sees them. */
  view(transaction: Transaction, prefix: string): View {
    return openRecordView(this, transaction, prefix);
  }

  encrypt(key: string, plaintext: Uint8Array): Buffer {
    return this.#keys().encrypt(key, plaintext, this.#random);
  }

  /** The plaintext, which the caller owns. Throws `CorruptRecord` and remembers the record as quarantined. */
  decrypt(key: string, envelope: Uint8Array): Buffer {
    return this.#keys().decrypt(key, envelope) ?? this.#corrupt(key, envelope);
  }

  /** JSON text as a record to store under `key`. */
  encryptText(key: string, text: string): Buffer {
    const fromMs = this.#clock.monotonic();
    const plaintext = Buffer.from(text, 'utf8');
    const envelope = this.encrypt(key, plaintext);
    plaintext.fill(0);
    this.#cache.addText(key, envelope, text);
    this.#timings?.put.note(this.#clock.monotonic() - fromMs);
    return envelope;
  }

  /** The parsed value of a record that was just read under `key`; frozen. Throws as `decrypt`. */
  decryptValue(key: string, envelope: Uint8Array): unknown {
    const keyring = this.#keys();
    const known = this.#cache.get(key, envelope);
    if (known) {
      this.#remembered++;
      return known.value;
    }
    this.#read++;
    const fromMs = this.#clock.monotonic();
    const plaintext = keyring.decrypt(key, envelope) ?? this.#corrupt(key, envelope);
    const text = plaintext.toString('utf8');
    plaintext.fill(0);
    try {
      const value = this.#cache.addParsed(key, envelope, text);
      this.#timings?.get.note(this.#clock.monotonic() - fromMs);
      return value;
    } catch {
      return this.#corrupt(key, envelope);
    }
  }

  /** Bytes for somebody outside to keep and bring back: readable and makeable only here, and only for `purpose`. */
  sealOpaque(purpose: string, bytes: Uint8Array): Buffer {
    return this.encrypt(opaqueName(purpose), bytes);
  }

  /** What `sealOpaque` took; undefined for anything else. */
  openOpaque(purpose: string, sealed: Uint8Array): Buffer | undefined {
    return this.#keys().decrypt(opaqueName(purpose), sealed);
  }

  /** Damaged records met since the start, oldest first; a bounded list. */
  quarantined(): QuarantinedRecord[] {
    return this.#quarantine.records();
  }

  /** How often a damaged record was met since the start. */
  get corruptReads(): number {
    return this.#quarantine.met;
  }

  /** How many records were wanted that were decrypted already, and how many that were not, since the start. */
  get cacheUse(): { readonly hits: number; readonly misses: number } {
    return { hits: this.#remembered, misses: this.#read };
  }

  #keys(): Keyring {
    if (!this.#keyring) throw new Sealed();
    return this.#keyring;
  }

  #root(): Buffer {
    if (!this.#rootKey) throw new Sealed();
    return this.#rootKey;
  }

  #replace(transaction: Transaction, keyring: Keyring, rootKey: Buffer): Revision {
    transaction.put(KEYRING_KEY, keyring.seal(rootKey, this.#random));
    const revision = transaction.apply();
    if (rootKey !== this.#rootKey) this.#rootKey?.fill(0);
    this.#rootKey = rootKey;
    this.#keyring = keyring;
    return revision;
  }

  #corrupt(key: string, envelope: Uint8Array): never {
    this.#quarantine.add(key, envelope);
    throw new CorruptRecord(key);
  }
}

/** Record names hold no NUL, so that no record can pass for something opaque, nor the other way. */
function opaqueName(purpose: string): string {
  return `\0opaque/${purpose}`;
}

function checkRootKey(rootKey: Uint8Array): void {
  if (rootKey.length !== KEY_BYTES)
    throw new RangeError(`a root key has ${KEY_BYTES} bytes, not ${rootKey.length}`);
}
