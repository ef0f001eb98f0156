import { rfc3339 } from '../../base/clock.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { turn } from '../../base/turn.ts';
import { pemOfDer } from '../../crypto/der.ts';
import type { Reply } from '../../engine/reply.ts';
import { derivedPair, ED25519_BYTES, rawPublicKey } from './ed25519.ts';
import type { Key } from './key.ts';
import { canEncrypt, canSign } from './key-types.ts';
import type { KeyVersion } from './key-version.ts';
import { oldestVersion } from './records.ts';

/** Versions that are shown at a time; others may want to be served in between. */
const SLICE = 500;

/** A key as it is shown: its settings and the versions that decrypt, without anything secret. */
export function keyReply(key: Key, context?: Buffer): Reply | Promise<Reply> {
  const { record } = key;
  const oldest = Math.max(record.minDecryptionVersion, oldestVersion(record));
  if (record.latestVersion - oldest < SLICE)
    return { data: { ...shownSettings(key), keys: shownVersions(key, oldest, context) } };
  return slowReply(key, oldest, context);
}

async function slowReply(key: Key, oldest: number, context: Buffer | undefined): Promise<Reply> {
  const keys: UnknownRecord = {};
  for (let from = oldest; from <= key.record.latestVersion; from += SLICE) {
    Object.assign(keys, shownVersions(key, from, context));
    await turn();
  }
  return { data: { ...shownSettings(key), keys } };
}

function shownSettings({ record, type, name }: Key): UnknownRecord {
  const encrypts = canEncrypt(type);
  return {
    name,
    type: record.type,
    ...(record.parameterSet ? { parameter_set: record.parameterSet } : {}),
    derived: record.derived,
    ...(record.derived ? { kdf: 'hkdf_sha256', convergent_encryption: record.convergent } : {}),
    ...(record.convergent ? { convergent_encryption_version: 3 } : {}),
    exportable: record.exportable,
    allow_plaintext_backup: record.allowPlaintextBackup,
    deletion_allowed: record.deletionAllowed,
    soft_deleted: record.softDeleted,
    imported: record.imported,
    imported_key: record.imported,
    ...(record.imported ? { imported_key_allow_rotation: record.allowRotation } : {}),
    auto_rotate_period: record.autoRotateSeconds,
    latest_version: record.latestVersion,
    min_available_version: record.minAvailableVersion,
    min_decryption_version: record.minDecryptionVersion,
    min_encryption_version: record.minEncryptionVersion,
    supports_encryption: encrypts,
    supports_decryption: encrypts,
    supports_signing: canSign(type),
    supports_derivation: type.derives ?? false,
  };
}

/** At most `SLICE` of them. */
function shownVersions(key: Key, from: number, context: Buffer | undefined): UnknownRecord {
  const shown: UnknownRecord = {};
  const end = Math.min(from + SLICE - 1, key.record.latestVersion);
  for (let number = from; number <= end; number++) {
    const version = key.version(number);
    shown[number] = key.type.pair
      ? shownPair(key, version, context)
      : Math.floor(version.record.createdAtMs / 1000);
  }
  return shown;
}

function shownPair(key: Key, version: KeyVersion, context: Buffer | undefined): UnknownRecord {
  const { createdAtMs, certificateChain } = version.record;
  return {
    name: key.type.pair?.shownName,
    public_key: shownPublicKey(key, version, context),
    creation_time: rfc3339(createdAtMs),
    ...(certificateChain ? { certificate_chain: certificateChain } : {}),
  };
}

/** PEM; for Ed25519 its bytes in base64, of a derived key only where the context is given. */
function shownPublicKey(key: Key, version: KeyVersion, context: Buffer | undefined): string {
  if (key.type.pair?.signature !== 'ed25519') return publicPem(version.record);
  if (!key.record.derived) return rawPublicKey(version.record).toString('base64');
  if (!context || !version.hasPrivateKey) return '';
  const spki = derivedPair(version, context).publicKey.export({ format: 'der', type: 'spki' });
  return spki.subarray(-ED25519_BYTES).toString('base64');
}

export function publicPem({ publicKey }: { readonly publicKey: string }): string {
  return pemOfDer(Buffer.from(publicKey, 'base64'), 'PUBLIC KEY');
}
