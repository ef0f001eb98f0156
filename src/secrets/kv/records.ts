import type { View } from '../../barrier/view.ts';
import { CorruptRecord, InvalidRequest } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import type { WorkContext } from '../../engine/engine.ts';

/**
 * What version 2 stores: one record for the mount, one for each secret, and one for each version of a secret, so that
 * no record grows with use.
 */

/** Key `config`. */
export interface ConfigRecord {
  /** 0 is the default of ten. */
  readonly maxVersions: number;
  readonly casRequired: boolean;
  readonly metadataCasRequired: boolean;
  /** 0 is unset; negative turns it off for every secret. */
  readonly deleteVersionAfterSeconds: number;
}

/** Key `metadata/<path>`. */
export interface SecretRecord {
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** 0 when only metadata was written. */
  readonly currentVersion: number;
  /** 0 until a version was pruned. */
  readonly oldestVersion: number;
  /** Counts writes of the metadata alone. */
  readonly metadataVersion: number;
  readonly customMetadata: Readonly<Record<string, string>> | null;
  readonly maxVersions: number;
  readonly casRequired: boolean;
  readonly metadataCasRequired: boolean;
  readonly deleteVersionAfterSeconds: number;
}

/** Key `versions/<path>/<number>`. */
export interface VersionRecord {
  readonly createdAtMs: number;
  /** May lie in the future; null for never. */
  readonly deletionAtMs: number | null;
  readonly destroyed: boolean;
  /** null once destroyed. */
  readonly data: UnknownRecord | null;
}

/** What is to be brought back from a snapshot. */
export interface RecoveredSecret {
  readonly from: View;
  readonly path: string;
  readonly as: string;
}

export const METADATA = 'metadata/';

const CONFIG_UNSET: ConfigRecord = {
  maxVersions: 0,
  casRequired: false,
  metadataCasRequired: false,
  deleteVersionAfterSeconds: 0,
};

export function readConfig(view: View): ConfigRecord {
  return view.get<ConfigRecord>('config') ?? CONFIG_UNSET;
}
export function writeConfig(view: View, config: ConfigRecord): void {
  view.put('config', config);
}

export function newSecret(nowMs: number): SecretRecord {
  return {
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    currentVersion: 0,
    oldestVersion: 0,
    metadataVersion: 0,
    customMetadata: null,
    maxVersions: 0,
    casRequired: false,
    metadataCasRequired: false,
    deleteVersionAfterSeconds: 0,
  };
}
export function readSecret(view: View, path: string): SecretRecord | undefined {
  return view.get<SecretRecord>(METADATA + path);
}
/** For listings: a damaged record is reported to the operator and left out, it does not hide the others. */
export function unlessDamaged<T>({ log }: WorkContext, path: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CorruptRecord)) throw error;
    log.error('a listing leaves out a damaged secret', { path });
    return undefined;
  }
}
export function writeSecret(view: View, path: string, secret: SecretRecord): void {
  view.put(METADATA + path, secret);
}
/** Removes it with all its versions. */
export function deleteSecret(view: View, path: string, secret: SecretRecord): void {
  for (const version of versionNumbers(secret)) deleteVersion(view, path, version);
  view.delete(METADATA + path);
}

export function readVersion(view: View, path: string, version: number): VersionRecord | undefined {
  return view.get<VersionRecord>(versionKey(path, version));
}
export function writeVersion(view: View, path: string, version: number, record: VersionRecord): void {
  view.put(versionKey(path, version), record);
}
export function deleteVersion(view: View, path: string, version: number): void {
  view.delete(versionKey(path, version));
}
/** Those that are kept, oldest first. */
export function* versionNumbers(secret: SecretRecord): Iterable<number> {
  for (let version = Math.max(secret.oldestVersion, 1); version <= secret.currentVersion; version++) {
    yield version;
  }
}

/** The path of a secret as asked for. Throws `InvalidRequest` for a folder or nothing. */
export function secretPath(path: string): string {
  if (path === '' || path.endsWith('/')) throw new InvalidRequest('missing path');
  return path;
}

function versionKey(path: string, version: number): string {
  return `versions/${path}/${version}`;
}
