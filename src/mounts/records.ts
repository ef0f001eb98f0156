import type { Session } from '../barrier/session.ts';
import { namespacedPrefix, ROOT_ID } from '../namespaces/namespace.ts';
import type { MountEntry } from './entry.ts';

/**
 * Where mounts lie: one record each, by namespace; for mounts outside the root also an index by type, so that a start finds
 * those that have work to do without looking at the others, and one of those that are being disabled.
 */
const BY_TYPE = 'core/mount-types/';
const LEAVING = 'core/mounts-leaving/';

export interface MountPlace {
  readonly namespaceId: string;
  readonly uuid: string;
}

export function mountRecords(session: Session, namespaceId: string) {
  return session.view(namespacedPrefix('mounts', namespaceId));
}

export function saveMount(session: Session, entry: MountEntry): void {
  const namespaceId = entry.namespaceId ?? ROOT_ID;
  mountRecords(session, namespaceId).put(entry.uuid, entry);
  if (namespaceId === ROOT_ID) return;
  session.view(BY_TYPE).putIndex(typeKey(entry, namespaceId));
  if (entry.leaving) session.view(LEAVING).putIndex(placeKey({ namespaceId, uuid: entry.uuid }));
}

export function deleteMount(session: Session, entry: MountEntry): void {
  const namespaceId = entry.namespaceId ?? ROOT_ID;
  mountRecords(session, namespaceId).delete(entry.uuid);
  if (namespaceId === ROOT_ID) return;
  session.view(BY_TYPE).delete(typeKey(entry, namespaceId));
  session.view(LEAVING).delete(placeKey({ namespaceId, uuid: entry.uuid }));
}

/** Mounts of a type outside the root. */
export function mountsOfType(session: Session, kind: string, type: string): MountPlace[] {
  const prefix = `${kind}/${type}/`;
  return [...session.view(BY_TYPE).keys(prefix)].map((key) => placeIn(key.slice(prefix.length)));
}

/** Mounts outside the root that are being disabled. */
export function leavingMounts(session: Session): MountPlace[] {
  return [...session.view(LEAVING).keys('')].map(placeIn);
}

function typeKey(entry: MountEntry, namespaceId: string): string {
  return `${entry.class}/${entry.type}/${placeKey({ namespaceId, uuid: entry.uuid })}`;
}
function placeKey({ namespaceId, uuid }: MountPlace): string {
  return `${namespaceId}/${uuid}`;
}
function placeIn(key: string): MountPlace {
  const [namespaceId = '', uuid = ''] = key.split('/');
  return { namespaceId, uuid };
}
