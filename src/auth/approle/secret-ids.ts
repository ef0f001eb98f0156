import type { Page, View } from '../../barrier/view.ts';
import { rfc3339 } from '../../base/clock.ts';
import { CorruptRecord, InvalidRequest } from '../../base/errors.ts';

/**
 * Secret-ids in the store. There may be millions, so each is one record, found by fingerprint, with two indexes of
 * empty records: by accessor (also the list of a role's) and by expiry. All hang on the role's uid.
 *
 *     secret/<role uid>/<fingerprint>                             the record
 *     accessor/<role uid>/<accessor>                              -> fingerprint
 *     expiry/<ms, 15 digits>/<role uid>/<fingerprint>/<accessor>
 *     abandoned/<role uid>                                        the role is gone, its secret-ids are to go
 */
export interface SecretId {
  readonly accessor: string;
  readonly createdMs: number;
  readonly updatedMs: number;
  /** 0: for ever. */
  readonly ttlSeconds: number;
  readonly expiresMs: number | undefined;
  /** Logins left; 0 is unlimited. */
  readonly usesLeft: number;
  readonly cidrs: readonly string[];
  readonly tokenCidrs: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** A secret-id with where it lies. */
export interface FoundSecretId {
  readonly roleUid: string;
  readonly fingerprint: string;
  readonly secretId: SecretId;
}

/** Throws `InvalidRequest` when the secret-id is there already. */
export function putNewSecretId(view: View, found: FoundSecretId, nowMs: number): void {
  const { roleUid, fingerprint, secretId } = found;
  const earlier = view.get<SecretId>(`secret/${roleUid}/${fingerprint}`);
  if (earlier) {
    if (!isExpired(earlier, nowMs)) throw new InvalidRequest('SecretID is already registered');
    removeSecretId(view, { roleUid, fingerprint, secretId: earlier });
  }
  putSecretId(view, found);
  view.put(`accessor/${roleUid}/${secretId.accessor}`, { fingerprint });
  if (secretId.expiresMs !== undefined) view.put(expiryKey(found, secretId.expiresMs), {});
}

/** Undefined also when it has expired: clean-up may come later, but expiry counts at once. */
export function findSecretId(
  view: View,
  where: { roleUid: string; fingerprint: string },
  nowMs: number,
): FoundSecretId | undefined {
  const secretId = view.get<SecretId>(`secret/${where.roleUid}/${where.fingerprint}`);
  return secretId && !isExpired(secretId, nowMs) ? { ...where, secretId } : undefined;
}

/** Only among the secret-ids of this role. */
export function findByAccessor(
  view: View,
  where: { roleUid: string; accessor: string },
  nowMs: number,
): FoundSecretId | undefined {
  // An accessor names one key; a slash in it would name another.
  if (where.accessor === '' || where.accessor.includes('/')) return undefined;
  const index = view.get<{ fingerprint: string }>(`accessor/${where.roleUid}/${where.accessor}`);
  return index && findSecretId(view, { roleUid: where.roleUid, fingerprint: index.fingerprint }, nowMs);
}

export function listAccessors(view: View, roleUid: string, page: Page): string[] {
  return view.list(`accessor/${roleUid}/`, page);
}

/** Counts one login; the last one ends the secret-id. */
export function useSecretId(view: View, found: FoundSecretId, nowMs: number): void {
  const { secretId } = found;
  if (secretId.usesLeft === 0) return;
  if (secretId.usesLeft === 1) removeSecretId(view, found);
  else {
    const used = { ...secretId, usesLeft: secretId.usesLeft - 1, updatedMs: nowMs };
    putSecretId(view, { ...found, secretId: used });
  }
}

export function removeSecretId(view: View, found: FoundSecretId): void {
  const { roleUid, fingerprint, secretId } = found;
  view.delete(`secret/${roleUid}/${fingerprint}`);
  view.delete(`accessor/${roleUid}/${secretId.accessor}`);
  if (secretId.expiresMs !== undefined) view.delete(expiryKey(found, secretId.expiresMs));
}

/** Marks a deleted role's secret-ids, which nothing can reach any more, for `sweepSecretIds`, and starts with the first. */
export function abandonSecretIds(view: View, roleUid: string): void {
  if (sweepRole(view, roleUid, SWEEP_FIRST) === SWEEP_FIRST) view.put(`abandoned/${roleUid}`, {});
}
/** So many go with their role at once; a role may have a million. */
const SWEEP_FIRST = 200;

/** Removes up to `max` secret-ids that have expired or whose role is gone; returns how many. */
export function sweepSecretIds(view: View, nowMs: number, max: number): number {
  let swept = sweepExpired(view, nowMs, max);
  for (const roleUid of view.list('abandoned/', { limit: max })) {
    if (swept >= max) break;
    const removed = sweepRole(view, roleUid, max - swept);
    swept += removed;
    if (swept < max) view.delete(`abandoned/${roleUid}`);
  }
  return swept;
}

/** For a lookup's reply. */
export function shownSecretId(secretId: SecretId): Record<string, unknown> {
  return {
    cidr_list: secretId.cidrs,
    creation_time: rfc3339(secretId.createdMs),
    // Go's zero time, which clients take for "never".
    expiration_time: secretId.expiresMs === undefined ? '0001-01-01T00:00:00Z' : rfc3339(secretId.expiresMs),
    last_updated_time: rfc3339(secretId.updatedMs),
    metadata: secretId.metadata,
    secret_id_accessor: secretId.accessor,
    secret_id_num_uses: secretId.usesLeft,
    secret_id_ttl: secretId.ttlSeconds,
    token_bound_cidrs: secretId.tokenCidrs,
  };
}

function putSecretId(view: View, { roleUid, fingerprint, secretId }: FoundSecretId): void {
  view.put(`secret/${roleUid}/${fingerprint}`, secretId);
}

function isExpired(secretId: SecretId, nowMs: number): boolean {
  return secretId.expiresMs !== undefined && secretId.expiresMs <= nowMs;
}

function expiryKey({ roleUid, fingerprint, secretId }: FoundSecretId, expiresMs: number): string {
  return `expiry/${String(expiresMs).padStart(15, '0')}/${roleUid}/${fingerprint}/${secretId.accessor}`;
}

function sweepExpired(view: View, nowMs: number, max: number): number {
  const keys: string[] = [];
  for (const key of view.keys('expiry/', { limit: max })) {
    if (Number(key.split('/')[1]) > nowMs) break;
    keys.push(key);
  }
  for (const key of keys) {
    const [, , roleUid, fingerprint, accessor] = key.split('/');
    view.delete(`secret/${roleUid}/${fingerprint}`);
    view.delete(`accessor/${roleUid}/${accessor}`);
    view.delete(key);
  }
  return keys.length;
}

function sweepRole(view: View, roleUid: string, max: number): number {
  const fingerprints = view.list(`secret/${roleUid}/`, { limit: max });
  for (const fingerprint of fingerprints) {
    try {
      const secretId = view.get<SecretId>(`secret/${roleUid}/${fingerprint}`);
      if (secretId) removeSecretId(view, { roleUid, fingerprint, secretId });
    } catch (error) {
      if (!(error instanceof CorruptRecord)) throw error;
      view.delete(`secret/${roleUid}/${fingerprint}`);
    }
  }
  return fingerprints.length;
}
