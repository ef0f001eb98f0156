import { bytesOfBase64 } from '../../base/base64.ts';
import { rfc3339 } from '../../base/clock.ts';
import { InvalidRequest } from '../../base/errors.ts';
import { isRecord, type UnknownRecord } from '../../base/json.ts';
import type { Random } from '../../base/random.ts';
import { turn } from '../../base/turn.ts';
import { zero } from '../../crypto/zero.ts';
import { importPrivate, importPublic } from './import-material.ts';
import type { Key } from './key.ts';
import { DEFAULT_KEY_TYPE, type KeyType, keyTypeOf } from './key-types.ts';
import { checkedPeriod, type Material } from './new-key.ts';
import { type KeyRecord, oldestVersion, type VersionRecord } from './records.ts';
import { publicPem } from './shown.ts';

/**
 * The text of a backup: base64 of JSON in the form that the API's documentation shows, with the type of the key by its
 * name and private keys as PKCS#8. Backups of keys of the default type are read in the documented form too, where the type
 * is 0 and versions lie in `archived_keys`.
 */
export function backupText(key: Key, versions: ReadonlyMap<number, VersionRecord>, nowMs: number): string {
  const { record, name } = key;
  const keys: UnknownRecord = {};
  for (const [number, version] of versions) keys[number] = backupVersion(key.type, version);
  const policy = {
    name,
    keys,
    type: record.type,
    parameter_set: record.parameterSet,
    key_size: record.secretBytes,
    derived: record.derived,
    kdf: HKDF,
    convergent_encryption: record.convergent,
    convergent_version: record.convergent ? CONVERGENT_VERSION : 0,
    exportable: record.exportable,
    allow_plaintext_backup: record.allowPlaintextBackup,
    deletion_allowed: record.deletionAllowed,
    soft_deleted: record.softDeleted,
    imported: record.imported,
    allow_imported_key_rotation: record.allowRotation,
    auto_rotate_period: record.autoRotateSeconds,
    min_decryption_version: record.minDecryptionVersion,
    min_encryption_version: record.minEncryptionVersion,
    min_available_version: record.minAvailableVersion,
    latest_version: record.latestVersion,
    backup_info: { time: rfc3339(nowMs), version: record.latestVersion },
    restore_info: null,
  };
  return Buffer.from(JSON.stringify({ policy, archived_keys: null })).toString('base64');
}

const HKDF = 1;
const CONVERGENT_VERSION = 3;
const LATEST_CONVERGENT = -1;

function backupVersion(type: KeyType, version: VersionRecord): UnknownRecord {
  return {
    ...(type.pair ? { private_key: version.key, public_key: publicPem(version) } : { key: version.key }),
    hmac_key: version.hmacKey,
    certificate_chain: version.certificateChain,
    time: rfc3339(version.createdAtMs),
    creation_time: Math.floor(version.createdAtMs / 1000),
  };
}

export interface Backup {
  /** As it was when the backup was taken. */
  readonly name: string;
  readonly record: KeyRecord;
  readonly versions: ReadonlyMap<number, VersionRecord>;
}

/** Throws `InvalidRequest`; what is in a backup is checked as strictly as what is imported. */
export async function parseBackup(text: string, random: Random): Promise<Backup> {
  const backup = parsed(text);
  const policy = new Members(backup.policy);
  const typeName = policy.has('type', 0) ? DEFAULT_KEY_TYPE : policy.text('type');
  const type = keyTypeOf(typeName, policy.text('parameter_set', ''));
  const record = keyRecord(policy, type, random);
  const versions = new Map<number, VersionRecord>();
  const archived = isRecord(backup.archived_keys) ? backup.archived_keys.keys : undefined;
  for (let number = oldestVersion(record); number <= record.latestVersion; number++) {
    const kept = policy.record('keys')?.[number] ?? (Array.isArray(archived) ? archived[number] : undefined);
    versions.set(number, versionRecord(type, new Members(kept)));
    if (number % SLICE === 0) await turn();
  }
  return { name: policy.text('name'), record, versions };
}

/** Versions that are checked at a time: an RSA key takes a millisecond. */
const SLICE = 8;

function parsed(text: string): UnknownRecord {
  const bytes = bytesOfBase64(text.trim());
  try {
    const value: unknown = JSON.parse(bytes?.toString('utf8') ?? '');
    if (isRecord(value)) return value;
  } catch {
    // Said below.
  }
  throw new InvalidRequest('failed to decode the backup');
}

const VERSIONS_MAX = 1_000_000;

function keyRecord(policy: Members, type: KeyType, random: Random): KeyRecord {
  const latestVersion = policy.integer('latest_version', { min: 1, max: VERSIONS_MAX });
  const version = (name: string, min: number) =>
    policy.integer(name, { min, max: latestVersion, instead: min });
  const record: KeyRecord = {
    uid: random.base62(20),
    type: type.name,
    parameterSet: policy.text('parameter_set', ''),
    secretBytes: policy.integer('key_size', { min: 0, max: type.secretBytesRange?.[1] ?? 0, instead: 0 }),
    derived: policy.flag('derived'),
    convergent: policy.flag('convergent_encryption'),
    exportable: policy.flag('exportable'),
    allowPlaintextBackup: policy.flag('allow_plaintext_backup'),
    deletionAllowed: policy.flag('deletion_allowed'),
    softDeleted: policy.flag('soft_deleted'),
    imported: policy.flag('imported'),
    allowRotation: policy.flag('allow_imported_key_rotation'),
    latestVersion,
    minDecryptionVersion: version('min_decryption_version', 1),
    minEncryptionVersion: version('min_encryption_version', 0),
    minAvailableVersion: version('min_available_version', 0),
    autoRotateSeconds: checkedPeriod(
      policy.integer('auto_rotate_period', { min: 0, max: Number.MAX_SAFE_INTEGER, instead: 0 }),
    ),
    rotatedAtMs: 0,
  };
  checkDerivation(record, type, policy);
  return record;
}

function checkDerivation({ derived, convergent }: KeyRecord, type: KeyType, policy: Members): void {
  if (derived && (!type.derives || !policy.has('kdf', HKDF)))
    throw new InvalidRequest('the backup is of a key whose way of derivation is not supported');
  if (!convergent) return;
  const isKnown =
    policy.has('convergent_version', CONVERGENT_VERSION) ||
    policy.has('convergent_version', LATEST_CONVERGENT);
  if (!derived || !type.aead || !isKnown)
    throw new InvalidRequest(
      'the backup is of a key whose version of convergent encryption is not supported',
    );
}

function versionRecord(type: KeyType, version: Members): VersionRecord {
  const hmacKey = bytesOfBase64(version.text('hmac_key'));
  if (!hmacKey || hmacKey.length === 0) throw new InvalidRequest('invalid backup: hmac_key');
  const seconds = version.integer('creation_time', { min: 0, max: 99_999_999_999 });
  return {
    ...materialOf(type, version),
    hmacKey: hmacKey.toString('base64'),
    certificateChain: version.text('certificate_chain', ''),
    createdAtMs: seconds * 1000,
  };
}

function materialOf(type: KeyType, version: Members): Material {
  const text = version.text(type.pair ? 'private_key' : 'key');
  if (type.pair && text === '') return importPublic(type, version.text('public_key'));
  const bytes = bytesOfBase64(text);
  if (!bytes) throw new InvalidRequest('invalid backup: a key is no base64');
  try {
    return importPrivate(type, bytes);
  } finally {
    zero(bytes);
  }
}

/** Members of an object that nobody has checked. Throws `InvalidRequest`. */
class Members {
  readonly #members: UnknownRecord;

  constructor(members: unknown) {
    if (!isRecord(members)) throw new InvalidRequest('invalid backup: a part is missing');
    this.#members = members;
  }

  has(name: string, value: unknown): boolean {
    return this.#members[name] === value;
  }

  text(name: string, instead?: string): string {
    const value = this.#members[name] ?? instead;
    if (typeof value !== 'string') throw new InvalidRequest(`invalid backup: ${name}`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#members[name] ?? false;
    if (typeof value !== 'boolean') throw new InvalidRequest(`invalid backup: ${name}`);
    return value;
  }

  integer(name: string, { min, max, instead }: { min: number; max: number; instead?: number }): number {
    const value = this.#members[name] ?? instead;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
      throw new InvalidRequest(`invalid backup: ${name}`);
    return value;
  }

  record(name: string): UnknownRecord | undefined {
    const value = this.#members[name];
    return isRecord(value) ? value : undefined;
  }
}
