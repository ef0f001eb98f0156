import type { Exchange } from './exchange.ts';

/** A leased credential is on record before anybody gets it. */
export function registerLease(exchange: Exchange): void {
  const { reply, domains, session, mount, token } = exchange;
  if (reply?.renewed)
    exchange.lease = {
      id: reply.renewed.leaseId,
      ttl: reply.renewed.ttl,
      renewable: reply.renewed.renewable,
    };
  if (!reply?.lease || !mount) return;
  const tokenKey = token?.type === 'batch' ? token.parent : token?.key;
  const registered = domains.leases.register(session, {
    mount,
    path: exchange.path,
    grant: reply.lease,
    tokenKey,
  });
  exchange.lease = registered;
  exchange.warnings.push(...registered.warnings);
}
