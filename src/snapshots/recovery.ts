import { persist, type Session } from '../barrier/session.ts';
import type { View } from '../barrier/view.ts';
import { CorruptRecord, InvalidRequest, NotFound } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { turn } from '../base/turn.ts';
import { leaseIds } from '../leases/records.ts';
import { type MountEntry, routePath } from '../mounts/entry.ts';
import { dataPrefix, type Mounts } from '../mounts/mounts.ts';
import type { OpenMount } from '../mounts/open-mount.ts';
import { mountRecords, saveMount } from '../mounts/records.ts';
import { type WorkParts, workContext } from '../mounts/work.ts';
import { ROOT_ID } from '../namespaces/namespace.ts';
import type { Namespaces } from '../namespaces/namespaces.ts';
import type { LoadedSnapshot } from './loaded.ts';

export interface RecoveryParts {
  mounts: Mounts;
  namespaces: Namespaces;
  work: WorkParts;
  openSession(): Session;
  /** Clears the data of a mount that was taken out. */
  clear(entry: MountEntry): void;
  random: Random;
  log: Logger;
}

/** Records copied between two commits. */
const SLICE = 64;

/** Writes one secret as it was; `as`: to another path of the same mount. What the engine says was written. */
export function recoverSecret(
  parts: RecoveryParts,
  loaded: LoadedSnapshot,
  session: Session,
  { path, as }: { path: string; as: string },
): UnknownRecord | undefined {
  const { namespaceId, rest } = placeOf(parts, path);
  const match = parts.mounts.table(session, namespaceId).match(rest);
  if (!match) throw new NotFound(`there is no mount at ${path}; bring back the mount first`);
  const { mount, relative } = match;
  const recover = mount.engine?.recover;
  if (!recover)
    throw new InvalidRequest(
      `single paths of ${mount.entry.type} mounts cannot be brought back; the mount can`,
    );
  const then = findMount(loaded, namespaceId, mount.info.path);
  if (then.type !== mount.entry.type || then.options.version !== mount.entry.options.version)
    throw new InvalidRequest(
      `the mount at ${mount.info.path} was of another kind when the snapshot was taken`,
    );
  const target = as === '' ? rest : placeOf(parts, as).rest;
  if (!target.startsWith(mount.info.path))
    throw new InvalidRequest('a secret can only be written to its own mount');
  return recover(workContext(parts.work, session, mount), {
    from: loaded.session().view(dataPrefix(then)),
    path: relative,
    as: target.slice(mount.info.path.length),
  });
}

/**
 * Brings a whole secrets mount back, in the place of the one at its path if there is one. Everything is copied first, to
 * where a new mount's data lies; then one commit puts that in place. What a crash leaves behind is cleared at the next start.
 */
export async function recoverMount(
  parts: RecoveryParts,
  loaded: LoadedSnapshot,
  path: string,
): Promise<{ records: number; damaged: number }> {
  const route = `${path.replace(/^\/+|\/+$/g, '')}/`;
  const { namespaceId, rest } = placeOf(parts, route);
  const then = findMount(loaded, namespaceId, rest);
  if (then.class !== 'secret' || isOwn(parts, then))
    throw new InvalidRequest('only secrets mounts that somebody enabled can be brought back one by one');
  const before = parts.mounts.table(parts.openSession(), namespaceId).get(rest);
  checkReplaceable(parts, namespaceId, before);
  const entry: MountEntry = { ...then, uuid: parts.random.uuid() };
  const draft: MountEntry = { ...entry, accessor: `recovering_${entry.uuid}`, leaving: true };
  await commit(parts, (session) => saveMount(session, draft));
  try {
    const copied = await copy(parts, loaded.session().view(dataPrefix(then)), entry);
    await putInPlace(parts, entry, before);
    return copied;
  } catch (error) {
    parts.clear(draft);
    throw error;
  }
}

async function putInPlace(
  parts: RecoveryParts,
  entry: MountEntry,
  before: OpenMount | undefined,
): Promise<void> {
  await commit(parts, (session) => {
    const now = parts.mounts.table(session, entry.namespaceId ?? ROOT_ID).get(routePath(entry));
    if (now?.entry.uuid !== before?.entry.uuid)
      throw new InvalidRequest(`the mount at ${routePath(entry)} was changed by another request`);
    checkReplaceable(parts, entry.namespaceId ?? ROOT_ID, now);
    const accessor = now?.entry.accessor ?? entry.accessor;
    parts.mounts.put(session, { ...entry, accessor }, now);
  });
  if (before) parts.clear(before.entry);
}

/** Leases remember which mount ends them: they would never be ended. */
function checkReplaceable(
  { openSession }: RecoveryParts,
  namespaceId: string,
  mount: OpenMount | undefined,
): void {
  if (!mount) return;
  for (const _ of leaseIds(openSession(), namespaceId, mount.info.path, { limit: 1 })) {
    throw new InvalidRequest(`the mount at ${mount.info.path} has leases; revoke them first`);
  }
}

async function copy(
  { openSession, log }: RecoveryParts,
  from: View,
  entry: MountEntry,
): Promise<{ records: number; damaged: number }> {
  const count = { records: 0, damaged: 0 };
  let after: string | undefined;
  for (;;) {
    const session = openSession();
    const to = session.view(dataPrefix(entry));
    const keys = [...from.keys('', { after, limit: SLICE })];
    for (const key of keys) {
      try {
        copyRecord(from, to, key);
        count.records += 1;
      } catch (error) {
        if (!(error instanceof CorruptRecord)) throw error;
        log.error('a record of the snapshot is damaged and was left out', { key });
        count.damaged += 1;
      }
    }
    await persist(session);
    if (keys.length < SLICE) return count;
    after = keys.at(-1);
    await turn();
  }
}

function copyRecord(from: View, to: View, key: string): void {
  const target = from.getIndex(key);
  if (target !== undefined) to.putIndex(key, target);
  else to.put(key, from.get(key));
}

function placeOf({ namespaces }: RecoveryParts, path: string): { namespaceId: string; rest: string } {
  const { namespace, rest } = namespaces.split(path.replace(/^\/+/, ''));
  return { namespaceId: namespace.id, rest };
}

function findMount(loaded: LoadedSnapshot, namespaceId: string, route: string): MountEntry {
  const records = mountRecords(loaded.session(), namespaceId);
  for (const uuid of records.keys('')) {
    const entry = records.get<MountEntry>(uuid);
    if (entry && !entry.leaving && routePath(entry) === route) return entry;
  }
  throw new NotFound(`the snapshot has no mount at ${route}`);
}

function isOwn({ mounts }: RecoveryParts, entry: MountEntry): boolean {
  const type = mounts.types(entry.class).find(({ type }) => type === entry.type);
  return type === undefined || type.singleton === true || type.host === true;
}

async function commit(parts: RecoveryParts, work: (session: Session) => void): Promise<void> {
  const session = parts.openSession();
  work(session);
  await persist(session);
}
