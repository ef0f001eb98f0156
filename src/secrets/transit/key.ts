import type { View } from '../../barrier/view.ts';
import { CorruptRecord, InvalidRequest } from '../../base/errors.ts';
import { type KeyType, keyTypeOf } from './key-types.ts';
import { KeyVersion } from './key-version.ts';
import {
  type KeyRecord,
  oldestVersion,
  readConfig,
  readKey,
  readVersion,
  type VersionRecord,
} from './records.ts';

const CACHED_DEFAULT = 10_000;

/** A named key as one request sees it. */
export interface Key {
  readonly name: string;
  readonly record: KeyRecord;
  readonly type: KeyType;
  /** One that is kept. Throws `InvalidRequest`. */
  version(number: number): KeyVersion;
  /** What to encrypt, sign and make HMACs with: the version asked for, the latest for 0. Throws `InvalidRequest`. */
  versionToUse(asked: number | undefined): KeyVersion;
  /** What decrypts and verifies what `number` made. Throws `InvalidRequest`. */
  versionToOpen(number: number): KeyVersion;
}

/**
 * The keys of a mount, with parsed versions kept ready. A kept version counts only for the very record it was made of,
 * which has just been read: so nothing ever needs to be invalidated, whoever wrote, and whether or not it was kept.
 */
export class Keys {
  #versions = new Map<VersionRecord, KeyVersion>();
  #older = new Map<VersionRecord, KeyVersion>();
  #cachedMax = 0;

  get(view: View, name: string): Key | undefined {
    const record = readKey(view, name);
    return record && this.of(view, name, record);
  }

  of(view: View, name: string, record: KeyRecord): Key {
    const type = keyTypeOf(record.type, record.parameterSet);
    const version = (number: number) => this.#version(view, type, record, number);
    return {
      name,
      record,
      type,
      version,
      versionToUse: (asked) => version(numberToUse(record, asked)),
      versionToOpen(number) {
        if (number > record.latestVersion) throw new InvalidRequest('invalid ciphertext: version is too new');
        if (number < record.minDecryptionVersion)
          throw new InvalidRequest('ciphertext or signature version is disallowed by policy (too old)');
        return version(number);
      },
    };
  }

  /** Drops everything that was made ready. */
  clear(): void {
    this.#versions = new Map();
    this.#older = new Map();
    this.#cachedMax = 0;
  }

  #version(view: View, type: KeyType, record: KeyRecord, number: number): KeyVersion {
    if (number < oldestVersion(record) || number > record.latestVersion)
      throw new InvalidRequest(`version ${number} of the key does not exist`);
    const stored = readVersion(view, record.uid, number);
    if (!stored) throw new CorruptRecord(`versions/${record.uid}/${number}`);
    const ready = this.#versions.get(stored);
    if (ready) return ready;
    const made = this.#older.get(stored) ?? new KeyVersion(number, type, stored);
    this.#keep(view, made);
    return made;
  }

  /** Two generations: the older is dropped when the newer is full, and what is used meanwhile moves over. */
  #keep(view: View, version: KeyVersion): void {
    this.#cachedMax ||= readConfig(view).cacheSize || CACHED_DEFAULT;
    this.#versions.set(version.record, version);
    if (this.#versions.size * 2 <= this.#cachedMax) return;
    this.#older = this.#versions;
    this.#versions = new Map();
  }
}

function numberToUse(record: KeyRecord, asked: number | undefined): number {
  if (!asked) return record.latestVersion;
  if (asked < 0) throw new InvalidRequest('requested version for encryption is negative');
  if (asked > record.latestVersion)
    throw new InvalidRequest('requested version for encryption is higher than the latest key version');
  if (asked < record.minEncryptionVersion)
    throw new InvalidRequest(
      'requested version for encryption is less than the minimum encryption key version',
    );
  return asked;
}
