import { PermissionDenied } from '../base/errors.ts';
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
  if (tokenKey !== undefined && !domains.tokens.byKey(session, tokenKey))
    throw takenBack(exchange, registered.id);
  exchange.lease = registered;
  exchange.warnings.push(...registered.warnings);
}

/** The token ended while an outside system made the credential: nobody gets it, and it ends as the token's others did. */
function takenBack({ domains, parts, session }: Exchange, leaseId: string): Error {
  session.apply();
  domains.leases.revoke(session, leaseId, { wait: false }).catch((error) => {
    parts.log.error('revoking the lease of an ended token failed', { lease: leaseId, error });
  });
  return new PermissionDenied();
}
