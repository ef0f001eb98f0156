import type { View } from '../../barrier/view.ts';

/**
 * What is stored: one record for each key and one for each of its versions, so that no record grows with rotation. A key
 * made anew under an old name has another `uid`, and so nothing to do with the old one's versions.
 */

/** Key `keys/<name>`. */
export interface KeyRecord {
  readonly uid: string;
  readonly type: string;
  /** For types that need one; ''. */
  readonly parameterSet: string;
  /** Of new versions of types that have several sizes; 0 takes the type's own. */
  readonly secretBytes: number;
  readonly derived: boolean;
  readonly convergent: boolean;
  readonly exportable: boolean;
  readonly allowPlaintextBackup: boolean;
  readonly deletionAllowed: boolean;
  readonly softDeleted: boolean;
  readonly imported: boolean;
  readonly allowRotation: boolean;
  readonly latestVersion: number;
  readonly minDecryptionVersion: number;
  /** 0: the latest. */
  readonly minEncryptionVersion: number;
  /** Versions below it are gone; 0: none is. */
  readonly minAvailableVersion: number;
  /** 0: never by itself. */
  readonly autoRotateSeconds: number;
  /** When the latest version was made. */
  readonly rotatedAtMs: number;
}

/** Key `versions/<uid>/<number>`. */
export interface VersionRecord {
  readonly createdAtMs: number;
  /** In base64: the bytes of a symmetric key, PKCS#8 of a private one; '' where only the public key is known. */
  readonly key: string;
  /** SubjectPublicKeyInfo in base64; '' for symmetric keys. */
  readonly publicKey: string;
  /** Base64: every version of every type can also make HMACs. */
  readonly hmacKey: string;
  /** PEM, from the key's own certificate on; ''. */
  readonly certificateChain: string;
}

export const KEYS = 'keys/';

export function readKey(view: View, name: string): KeyRecord | undefined {
  return view.get<KeyRecord>(KEYS + name);
}
/** With its place in the index of what is to rotate by itself. */
export function writeKey(view: View, name: string, record: KeyRecord): void {
  const before = readKey(view, name);
  const key = before && dueKey(name, before);
  const due = dueKey(name, record);
  if (key !== undefined && key !== due) view.delete(key);
  if (due !== undefined && key !== due) view.put(due, true);
  view.put(KEYS + name, record);
}
export function removeKey(view: View, name: string, record: KeyRecord): void {
  const due = dueKey(name, record);
  if (due !== undefined) view.delete(due);
  view.delete(KEYS + name);
}

/** Key `due/<milliseconds>/<name>`, so that they lie in the order of time. */
const DUE = 'due/';
const DUE_DIGITS = 14;

function dueKey(name: string, record: KeyRecord): string | undefined {
  if (record.autoRotateSeconds === 0 || record.softDeleted) return undefined;
  const dueMs = record.rotatedAtMs + record.autoRotateSeconds * 1000;
  return `${DUE}${String(dueMs).padStart(DUE_DIGITS, '0')}/${name}`;
}

/** How many are looked up at a time. */
const DUE_KEYS_MAX = 500;

/** Names of keys whose time to rotate has come, the longest due first. */
export function* dueKeys(view: View, nowMs: number): Generator<string> {
  for (const key of view.keys(DUE, { limit: DUE_KEYS_MAX })) {
    const [dueMs, name = ''] = key.slice(DUE.length).split('/');
    if (Number(dueMs) > nowMs) return;
    yield name;
  }
}
export function readVersion(view: View, uid: string, version: number): VersionRecord | undefined {
  return view.get<VersionRecord>(versionKey(uid, version));
}
export function writeVersion(view: View, uid: string, version: number, record: VersionRecord): void {
  view.put(versionKey(uid, version), record);
}
export function deleteVersion(view: View, uid: string, version: number): void {
  view.delete(versionKey(uid, version));
}

/** The oldest that is kept. */
export function oldestVersion({ minAvailableVersion }: KeyRecord): number {
  return Math.max(minAvailableVersion, 1);
}

/** Key `config`. */
export interface ConfigRecord {
  readonly disableUpsert: boolean;
  /** How many parsed keys are kept ready; 0 leaves it to the engine. */
  readonly cacheSize: number;
}

const CONFIG_UNSET: ConfigRecord = { disableUpsert: false, cacheSize: 0 };

export function readConfig(view: View): ConfigRecord {
  return view.get<ConfigRecord>('config') ?? CONFIG_UNSET;
}
export function writeConfig(view: View, config: ConfigRecord): void {
  view.put('config', config);
}

function versionKey(uid: string, version: number): string {
  return `versions/${uid}/${version}`;
}
