import { PermissionDenied } from '../base/errors.ts';
import { createOrUpdate, needsSudo } from '../engine/dispatch.ts';
import type { Acl, AclDecision } from '../policies/acl.ts';
import { namespaceIdOf, type Token } from '../tokens/token.ts';
import { requestContext } from './context.ts';
import type { Exchange } from './exchange.ts';
import { missingRoute, plainPath } from './mount.ts';

/** Whether the token's policies allow this. What is not allowed is refused before anything is said about the path. */
export function checkPolicy(exchange: Exchange): void {
  const { found, token } = exchange;
  if (exchange.mount && found) {
    exchange.context = requestContext(exchange, exchange.mount);
    tellCreateFromUpdate(exchange);
  }
  if (found?.path?.public) return;
  if (!token) throw new PermissionDenied();
  exchange.acl = aclOf(exchange, token);
  exchange.decision = decide(exchange, exchange.acl);
  if (!exchange.decision.allowed) throw new PermissionDenied();
  if (!exchange.mount || !found || exchange.mount.failure) throw missingRoute(exchange);
}

function aclOf({ domains, session, rights }: Exchange, token: Token): Acl {
  if (token.inlinePolicy !== undefined) return domains.policies.aclOfText(token.inlinePolicy);
  const namespaceId = namespaceIdOf(token);
  if (!rights) return domains.policies.aclFor(session, namespaceId, token.policies);
  return domains.policies.aclFor(session, namespaceId, rights.with(token.policies), rights.template);
}

/** By the rule for the path as sent, and by the one for its plain spelling: `ANN/` is not a way around a rule for `ann`. */
function decide(exchange: Exchange, acl: Acl): AclDecision {
  const { found } = exchange;
  const asked = {
    operation: exchange.operation,
    data: exchange.data,
    wrapTtlSeconds: exchange.wrapTtl,
    sudoRequired: needsSudo(found),
  };
  const asSent = acl.check({ ...asked, path: policyPath(exchange, exchange.path) });
  const plain = plainPath(exchange);
  if (!asSent.allowed || plain === exchange.path) return asSent;
  const asMeant = acl.check({ ...asked, path: policyPath(exchange, plain) });
  return asMeant.rule && !asMeant.allowed ? asMeant : asSent;
}

/** As the token's policies have it: relative to the token's namespace. */
export function policyPath({ policyPrefix }: Exchange, path: string): string {
  return policyPrefix === '' ? path : policyPrefix + path;
}

/** A path that cannot tell gets `update`. */
function tellCreateFromUpdate(exchange: Exchange): void {
  if (exchange.operation !== 'update' || !exchange.found || !exchange.context) return;
  // Looking whether something is there must not tell anything to who has no token at all.
  if (!exchange.token && !exchange.found.path?.public) return;
  exchange.operation = createOrUpdate(exchange.found, exchange.context);
}
