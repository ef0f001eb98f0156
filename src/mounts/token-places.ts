import type { Session } from '../barrier/session.ts';
import { ROOT_ID } from '../namespaces/namespace.ts';
import type { Mounts, OpenMount } from './mounts.ts';
import { type WorkParts, workContext } from './work.ts';

/** Namespaces where a token may have left something that goes when it ends. Of the root that needs no remembering. */
const PLACES = 'tokens/places/';

/** To be called before a token uses a mount that keeps something for it. */
export function rememberPlace(session: Session, tokenKey: string, { info, inUse }: OpenMount): void {
  if (info.namespace.id === ROOT_ID || !inUse?.forgetToken) return;
  const places = session.view(`${PLACES}${tokenKey}/`);
  if (places.getIndex(info.namespace.id) === undefined) places.putIndex(info.namespace.id);
}

/** The token has ended: mounts drop what they kept for it, in the root and wherever it has been. */
export function forgetToken(
  parts: { mounts: Mounts; work: WorkParts; isThere(namespaceId: string): boolean },
  session: Session,
  tokenKey: string,
): void {
  const forget = (mounts: Iterable<OpenMount>) => {
    for (const mount of mounts) mount.inUse?.forgetToken?.(workContext(parts.work, session, mount), tokenKey);
  };
  forget(parts.mounts.root.all());
  const places = session.view(`${PLACES}${tokenKey}/`);
  for (const namespaceId of [...places.keys('')]) {
    places.delete(namespaceId);
    if (!parts.isThere(namespaceId)) continue;
    const mounts = [...parts.mounts.table(session, namespaceId).all()].filter(({ singleton }) => singleton);
    for (const mount of mounts) void mount.engine;
    forget(mounts);
  }
}
