import { InvalidRequest, PermissionDenied, UnsupportedPath } from '../base/errors.ts';
import type { LeaseGrant } from '../engine/reply.ts';
import { countLeaseCreation } from '../metrics/tokens.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import { ROOT_NAMESPACE } from '../namespaces/namespace.ts';
import type { Exchange } from './exchange.ts';
import { leaseRefusal } from './limit-leases.ts';
import { plainPath } from './mount.ts';

/** A leased credential is on record before anybody gets it. */
export function registerLease(exchange: Exchange): void {
  const { reply, domains, session, mount } = exchange;
  if (reply?.renewed)
    exchange.lease = {
      id: reply.renewed.leaseId,
      ttl: reply.renewed.ttl,
      renewable: reply.renewed.renewable,
    };
  if (!reply?.lease || !mount) return;
  const overQuota = leaseRefusal(exchange);
  const registered = domains.leases.register(session, {
    mount,
    path: plainPath(exchange),
    grant: withinBatchToken(exchange, reply.lease),
    tokenKey: leaseOwner(exchange),
    entityId: exchange.token?.entityId ?? '',
  });
  const refusal = whyNobodyGetsIt(exchange) ?? overQuota;
  if (refusal) {
    takeBack(exchange, registered.id);
    throw refusal;
  }
  countLeaseCreation(exchange.parts.metrics, mount.info, registered.ttl);
  exchange.lease = registered;
  exchange.warnings.push(...registered.warnings);
}

/** The token that the lease ends with; of a batch token, which is nowhere stored, its parent. */
function leaseOwner({ token }: Exchange): string | undefined {
  return token?.type === 'batch' ? token.parent : token?.key;
}

/** What a batch token asked for ends when it does, at the latest. */
function withinBatchToken({ token, parts }: Exchange, grant: LeaseGrant): LeaseGrant {
  if (token?.type !== 'batch') return grant;
  const left = Math.max(1, Math.floor((token.expiresAtMs - parts.clock.now()) / 1000));
  return { ...grant, maxTtl: grant.maxTtl ? Math.min(grant.maxTtl, left) : left };
}

/** An outside system may have taken its time: token and mount are looked at again. */
function whyNobodyGetsIt(exchange: Exchange): Error | undefined {
  const { token, mount, domains, session } = exchange;
  if (token && !domains.tokens.find(session, exchange.tokenText)) return new PermissionDenied();
  if (!mount || !isStillThere(exchange, mount))
    return new UnsupportedPath('the mount was disabled meanwhile');
  if (token?.numUses === 1)
    return new InvalidRequest(
      'Secret cannot be returned; token had one use left, so leased credentials were immediately revoked.',
    );
  return undefined;
}

function isStillThere({ domains, session, namespace }: Exchange, { entry }: OpenMount): boolean {
  const place = { namespaceId: namespace.id, uuid: entry.uuid };
  if (!domains.mounts.byUuid(session, place)) return false;
  return namespace === ROOT_NAMESPACE || domains.namespaces.isOpen(namespace);
}

/** The credential is there already: it stays on record until it is gone. */
function takeBack({ domains, parts, session, namespace }: Exchange, leaseId: string): void {
  session.apply();
  domains.leases.revoke(session, namespace.id, leaseId, { wait: false }).catch((error) => {
    parts.log.error('revoking a lease that nobody got failed', { lease: leaseId, error });
  });
}
