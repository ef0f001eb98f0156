import type { Exchange } from './exchange.ts';
import { plainPath } from './mount.ts';

/** Whose alias it is that an auth method has identified; who logs in for the first time becomes an entity here. */
export function identifyEntity(exchange: Exchange): void {
  const { reply, domains, session, mount } = exchange;
  if (!reply?.login || !mount) return;
  const { validated } = reply;
  const began = validated
    ? domains.mounts.byUuid(session, { namespaceId: mount.info.namespace.id, uuid: validated.mountUuid })
    : mount;
  if (!began) throw new Error('the mount of a login that was held back is missing');
  exchange.login = {
    mount: began,
    path: validated?.path ?? plainPath(exchange),
    claim: reply.login,
    rights: domains.identity.login(session, began, reply.login),
  };
}
