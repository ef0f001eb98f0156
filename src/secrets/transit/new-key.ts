import type { View } from '../../barrier/view.ts';
import { InvalidRequest } from '../../base/errors.ts';
import { isPromise } from '../../base/promise.ts';
import type { Random } from '../../base/random.ts';
import type { RequestContext } from '../../engine/engine.ts';
import type { Reply } from '../../engine/reply.ts';
import { generatePair, type KeyPair, type KeyType, keyTypeOf } from './key-types.ts';
import { type KeyRecord, type VersionRecord, writeKey, writeVersion } from './records.ts';

const HMAC_KEY_BYTES = 32;

/** What is asked of a new key. */
export interface NewKey {
  readonly type: string;
  readonly parameterSet?: string | undefined;
  readonly derived?: boolean | undefined;
  readonly convergent?: boolean | undefined;
  readonly exportable?: boolean | undefined;
  readonly allowPlaintextBackup?: boolean | undefined;
  readonly autoRotateSeconds?: number | undefined;
  /** 0 or undefined: what the type has. */
  readonly secretBytes?: number | undefined;
}

/** The record of a key that has no version yet. Throws `InvalidRequest`. */
export function newKeyRecord(asked: NewKey, random: Random): KeyRecord {
  const type = keyTypeOf(asked.type, asked.parameterSet);
  checkDerivation(type, asked);
  return {
    uid: random.base62(20),
    type: type.name,
    parameterSet: asked.parameterSet ?? '',
    secretBytes: checkedSize(type, asked.secretBytes || 0),
    derived: asked.derived ?? false,
    convergent: asked.convergent ?? false,
    exportable: asked.exportable ?? false,
    allowPlaintextBackup: asked.allowPlaintextBackup ?? false,
    deletionAllowed: false,
    softDeleted: false,
    imported: false,
    allowRotation: false,
    latestVersion: 0,
    minDecryptionVersion: 1,
    minEncryptionVersion: 0,
    minAvailableVersion: 0,
    autoRotateSeconds: checkedPeriod(asked.autoRotateSeconds ?? 0),
    rotatedAtMs: 0,
  };
}

function checkDerivation(type: KeyType, { derived, convergent }: NewKey): void {
  if (derived && !type.derives)
    throw new InvalidRequest(
      `key derivation and convergent encryption not supported for keys of type ${type.name}`,
    );
  if (!convergent) return;
  if (!derived) throw new InvalidRequest('convergent encryption requires derivation to be enabled');
  if (!type.aead)
    throw new InvalidRequest(`convergent encryption not supported for keys of type ${type.name}`);
}

function checkedSize({ name, secretBytesRange }: KeyType, asked: number): number {
  if (asked === 0) return 0;
  if (!secretBytesRange) throw new InvalidRequest(`key_size cannot be chosen for keys of type ${name}`);
  const [min, max] = secretBytesRange;
  if (asked < min || asked > max)
    throw new InvalidRequest(`key_size must be between ${min} and ${max} bytes`);
  return asked;
}

const PERIOD_SECONDS_MIN = 3600;

/** Seconds. Throws `InvalidRequest` for less than an hour that is not 0. */
export function checkedPeriod(seconds: number): number {
  if (seconds !== 0 && seconds < PERIOD_SECONDS_MIN)
    throw new InvalidRequest('auto rotate period must be 0 to disable or at least an hour');
  return seconds;
}

/** Material for one more version; asynchronous for key pairs. */
export function newMaterial(record: KeyRecord, random: Random): Material | Promise<Material> {
  const type = keyTypeOf(record.type, record.parameterSet);
  if (type.pair) return generatePair(type.pair).then(materialOfPair);
  return { key: random.bytes(record.secretBytes || type.secretBytes!).toString('base64'), publicKey: '' };
}

/**
 * Generates material for one more version and writes with it. A key pair takes long, and others are served meanwhile: so
 * `write` looks at what is there again, and what it wrote is made visible in the same turn.
 */
export function withMaterial(
  context: RequestContext,
  record: KeyRecord,
  write: (material: Material) => Reply | Promise<Reply>,
): Reply | Promise<Reply> {
  const material = newMaterial(record, context.random);
  if (!isPromise(material)) return write(material);
  return material.then(async (late) => {
    const reply = write(late);
    await context.persist();
    return reply;
  });
}

/** As a version's record has it. */
export type Material = Pick<VersionRecord, 'key' | 'publicKey'>;

export function materialOfPair({ privateKey, publicKey }: KeyPair): Material {
  return {
    key: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
  };
}

/** Adds the version and makes it the latest. Returns the record as it is now. */
export function addVersion(
  { view, random, clock }: { view: View; random: Random; clock: { now(): number } },
  name: string,
  record: KeyRecord,
  material: Material,
): KeyRecord {
  const nowMs = clock.now();
  const version = record.latestVersion + 1;
  // A key of type hmac is its own HMAC key.
  const hmacKey = record.type === 'hmac' ? material.key : random.bytes(HMAC_KEY_BYTES).toString('base64');
  writeVersion(view, record.uid, version, { createdAtMs: nowMs, certificateChain: '', hmacKey, ...material });
  const changed = { ...record, latestVersion: version, rotatedAtMs: nowMs };
  writeKey(view, name, changed);
  return changed;
}
