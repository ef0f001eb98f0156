import { persist, type Session } from '../barrier/session.ts';
import { turn } from '../base/turn.ts';
import type { Identity } from '../identity/identity.ts';
import type { Leases } from '../leases/leases.ts';
import { leaseIds } from '../leases/records.ts';
import type { MountEntry } from '../mounts/entry.ts';
import { dataPrefix, type Mounts, type OpenMount } from '../mounts/mounts.ts';
import { ROOT_ID } from '../namespaces/namespace.ts';

const SLICE = 500;

/** Ends all leases of a mount and does `work` while there is none; meanwhile no request gets to it. Rejects when a lease cannot be ended. */
export async function withoutLeases(
  parts: { leases: Leases; mounts: Mounts },
  session: Session,
  mount: OpenMount,
  work: () => void,
): Promise<void> {
  const restore = parts.mounts.withdraw(session, mount);
  try {
    // Once more for each request that was on its way when the door closed.
    const { id } = mount.info.namespace;
    do await parts.leases.revokePrefix(session, id, mount.info.path, { force: false, wait: true });
    while (hasLeases(session, id, mount.info.path));
    work();
  } finally {
    restore();
  }
}

export function hasLeases(session: Session, namespaceId: string, path: string): boolean {
  for (const _ of leaseIds(session, namespaceId, path, { limit: 1 })) return true;
  return false;
}

/** Clears a disabled mount's data, and the aliases that people have there, in slices, then its record; taken up again at start when a crash came between. */
export async function endMount(
  parts: { openSession(): Session; mounts: Mounts; identity: Identity },
  entry: MountEntry,
): Promise<void> {
  for (;;) {
    const session = parts.openSession();
    const data = session.view(dataPrefix(entry));
    const keys = [...data.keys('', { limit: SLICE })];
    for (const key of keys) data.delete(key);
    const nobody =
      entry.class !== 'auth' ||
      parts.identity.forgetMount(session, entry.namespaceId ?? ROOT_ID, entry.accessor, SLICE);
    const done = keys.length < SLICE && nobody;
    if (done) parts.mounts.remove(session, entry);
    await persist(session);
    if (done) return;
    await turn();
  }
}
