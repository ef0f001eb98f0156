import { persist, type Session } from '../barrier/session.ts';
import { turn } from '../base/turn.ts';
import type { MountEntry } from '../mounts/entry.ts';
import { dataPrefix, type Mounts } from '../mounts/mounts.ts';

const SLICE = 500;

/** Clears a disabled mount's data in slices, then its record; taken up again at start when a crash came between. */
export async function endMount(
  parts: { openSession(): Session; mounts: Mounts },
  entry: MountEntry,
): Promise<void> {
  for (;;) {
    const session = parts.openSession();
    const data = session.view(dataPrefix(entry));
    const keys = [...data.keys('', { limit: SLICE })];
    for (const key of keys) data.delete(key);
    if (keys.length < SLICE) parts.mounts.remove(session, entry);
    await persist(session);
    if (keys.length < SLICE) return;
    await turn();
  }
}
