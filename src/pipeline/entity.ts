import type { Exchange } from './exchange.ts';

/** Whose alias it is that an auth method has identified; who logs in for the first time becomes an entity here. */
export function identifyEntity(exchange: Exchange): void {
  const { reply, domains, session, mount } = exchange;
  if (reply?.login && mount) exchange.loginRights = domains.identity.login(session, mount, reply.login);
}
