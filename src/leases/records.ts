import type { Session } from '../barrier/session.ts';
import type { View } from '../barrier/view.ts';
import { allNamespacesPrefix, namespacedPrefix, namespaceIdIn, ROOT_ID } from '../namespaces/namespace.ts';
import { isBefore } from '../store/keys.ts';
import type { Page } from '../store/store.ts';
import { isIrrevocable, type Lease } from './lease.ts';
import { readTokenLease, tokenLeaseEntry } from './token-lease.ts';

/**
 * Where leases lie: one record each, by the namespace that its id names; an index by the time something is due, an index
 * by owning token, an index of those whose revocation keeps failing, and one record for each bulk revocation under way.
 * Nothing is held in memory, so start-up does not depend on how many there are. A token's own lease is no record but an
 * entry (token-lease.ts).
 */
const ROOT_BY_ID = namespacedPrefix('leases', ROOT_ID);
const ELSEWHERE_BY_ID = allNamespacesPrefix('leases');
const EVERYWHERE_BY_ID = [ROOT_BY_ID, ELSEWHERE_BY_ID].sort((a, b) => (isBefore(a, b) ? -1 : 1));
const BY_DUE = 'leases/due/';
const BY_TOKEN = 'leases/token/';
const IRREVOCABLE = 'leases/irrevocable/';
const JOBS = 'leases/jobs/';

/** A bulk revocation: recorded before it starts, so that a crash does not forget it. */
export type RevocationJob =
  | {
      readonly id: string;
      readonly of: 'prefix';
      readonly namespaceId?: string;
      readonly prefix: string;
      readonly force: boolean;
    }
  | { readonly id: string; readonly of: 'token'; readonly tokenKey: string };

export function getLease(session: Session, id: string): Lease | undefined {
  const leases = byId(session, namespaceIdIn(id));
  const entry = leases.getIndex(id);
  return entry === undefined ? leases.get<Lease>(id) : readTokenLease(session, id, entry);
}

export function saveLease(session: Session, lease: Lease, before?: Lease): void {
  const leases = byId(session, namespaceIdIn(lease.id));
  if (lease.of.what === 'token' && !lease.attempts) leases.putIndex(lease.id, tokenLeaseEntry(lease.of));
  else leases.put(lease.id, lease);
  if (before && before.dueAtMs !== lease.dueAtMs) session.view(BY_DUE).delete(dueKey(before));
  if (before?.dueAtMs !== lease.dueAtMs) session.view(BY_DUE).putIndex(dueKey(lease));
  if (!before && lease.of.what === 'secret' && lease.of.tokenKey) {
    session.view(`${BY_TOKEN}${lease.of.tokenKey}/`).putIndex(lease.id);
  }
  const irrevocable = isIrrevocable(lease);
  if (irrevocable === (before !== undefined && isIrrevocable(before))) return;
  if (irrevocable) session.view(IRREVOCABLE).putIndex(lease.id);
  else session.view(IRREVOCABLE).delete(lease.id);
}

export function deleteLease(session: Session, lease: Lease): void {
  byId(session, namespaceIdIn(lease.id)).delete(lease.id);
  session.view(BY_DUE).delete(dueKey(lease));
  if (lease.of.what === 'secret' && lease.of.tokenKey)
    session.view(`${BY_TOKEN}${lease.of.tokenKey}/`).delete(lease.id);
  if (isIrrevocable(lease)) session.view(IRREVOCABLE).delete(lease.id);
}

/** Of a lease whose record cannot be read; what else points to it is dropped when it falls due. */
export function deleteUnreadable(session: Session, id: string): void {
  byId(session, namespaceIdIn(id)).delete(id);
  session.view(IRREVOCABLE).delete(id);
}

/** An entry of the index by time, under its key there. */
export interface Due {
  readonly id: string;
  readonly dueAtMs: number;
  readonly key: string;
}

/** What is due at or before `untilMs`, soonest first, read lazily. */
export function* dueLeases(session: Session, untilMs: number, page?: Page): Iterable<Due> {
  for (const key of session.view(BY_DUE).keys('', page)) {
    const dueAtMs = Number.parseInt(key.slice(0, DUE_DIGITS), 16);
    if (dueAtMs > untilMs) return;
    yield { id: key.slice(DUE_DIGITS + 1), dueAtMs, key };
  }
}

export function dropDue(session: Session, key: string): void {
  session.view(BY_DUE).delete(key);
}

export function postpone(session: Session, { id, key }: Pick<Due, 'id' | 'key'>, dueAtMs: number): void {
  dropDue(session, key);
  session.view(BY_DUE).putIndex(dueKey({ id, dueAtMs }));
}

export function nextDueMs(session: Session): number | undefined {
  for (const key of session.view(BY_DUE).keys('', { limit: 1 }))
    return Number.parseInt(key.slice(0, DUE_DIGITS), 16);
  return undefined;
}

/** The lease whose record or entry a key of the store is of. */
export function leaseIdOfKey(key: string): string | undefined {
  if (key.startsWith(ROOT_BY_ID)) return key.slice(ROOT_BY_ID.length);
  if (!key.startsWith(ELSEWHERE_BY_ID)) return undefined;
  return key.slice(key.indexOf('/', ELSEWHERE_BY_ID.length) + 1);
}

/** The store's keys of the leases of all namespaces, in order; `after` is one of them. */
export function* leaseKeys(session: Session, after: string | undefined, limit: number): Iterable<string> {
  let left = limit;
  for (const prefix of EVERYWHERE_BY_ID) {
    const within = after?.startsWith(prefix);
    if (after !== undefined && !within && isBefore(prefix, after)) continue;
    const page = { limit: left, after: within ? after?.slice(prefix.length) : undefined };
    for (const key of session.view(prefix).keys('', page)) {
      left--;
      yield prefix + key;
    }
    if (left === 0) return;
  }
}

export function leaseIds(
  session: Session,
  namespaceId: string,
  prefix: string,
  page?: Page,
): Iterable<string> {
  return idsUnder(byId(session, namespaceId), prefix, page);
}
export function listLeases(session: Session, namespaceId: string, prefix: string, page?: Page): string[] {
  return byId(session, namespaceId).list(prefix, page);
}
/** In all namespaces. */
export function allIrrevocableIds(session: Session): Iterable<string> {
  return session.view(IRREVOCABLE).keys('');
}
export function* irrevocableIds(session: Session, namespaceId: string): Iterable<string> {
  for (const id of session.view(IRREVOCABLE).keys('')) if (namespaceIdIn(id) === namespaceId) yield id;
}
export function tokenLeaseIds(session: Session, tokenKey: string, page?: Page): Iterable<string> {
  return session.view(`${BY_TOKEN}${tokenKey}/`).keys('', page);
}

export function saveJob(session: Session, job: RevocationJob): void {
  session.view(JOBS).put(job.id, job);
}
export function deleteJob(session: Session, job: RevocationJob): void {
  session.view(JOBS).delete(job.id);
}
export function jobIds(session: Session): Iterable<string> {
  return session.view(JOBS).keys('');
}
export function getJob(session: Session, id: string): RevocationJob | undefined {
  return session.view(JOBS).get<RevocationJob>(id);
}

function byId(session: Session, namespaceId: string): View {
  return session.view(namespaceId === ROOT_ID ? ROOT_BY_ID : namespacedPrefix('leases', namespaceId));
}

const DUE_DIGITS = 12;

/** Fixed-width hexadecimal sorts as numbers do. */
function dueKey(lease: Pick<Lease, 'id' | 'dueAtMs'>): string {
  return `${lease.dueAtMs.toString(16).padStart(DUE_DIGITS, '0')}/${lease.id}`;
}

/** A prefix that does not end in '/' names one lease, or everything in the folder of its name. */
function* idsUnder(view: View, prefix: string, page?: Page): Iterable<string> {
  if (prefix === '' || prefix.endsWith('/')) yield* view.keys(prefix, page);
  else {
    if (!page?.after && (view.getIndex(prefix) !== undefined || view.get(prefix))) yield prefix;
    yield* view.keys(`${prefix}/`, page);
  }
}
