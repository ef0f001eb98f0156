import type { AuditAuth, AuditMount, AuditRequest, AuditResponse } from '../audit/record.ts';
import type { AuthReply } from '../engine/reply.ts';
import type { Rights } from '../identity/rights.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import type { Acl, AclDecision, AclRule } from '../policies/acl.ts';
import { namespaceIdOf, type Token } from '../tokens/token.ts';
import type { Exchange } from './exchange.ts';

const RULES_KEPT_MAX = 16;

/**
 * The request's entry. Before anything outside is touched, and while the devices give reason for doubt, it must be written;
 * else it goes out with the reply's.
 */
export function auditRequest(exchange: Exchange): void | Promise<void> {
  exchange.requestAudited = true;
  const written = exchange.domains.audit.record({
    type: 'request',
    auth: authOf(exchange),
    request: requestOf(exchange),
  });
  const first = exchange.found?.spec?.outside || exchange.domains.audit.faltering;
  return first ? written : undefined;
}

/** The reply's entry; `awaitCommit` waits for it together with the commit. */
export function auditReply(exchange: Exchange): void {
  exchange.audited = exchange.domains.audit.record({
    type: 'response',
    auth: authOf(exchange),
    request: requestOf(exchange),
    response: responseOf(exchange),
  });
}

/** The failure's entry, after the request's where it failed too early to have one. Resolves when it is written. */
export function auditFailure(exchange: Exchange, failure: unknown): Promise<void> | undefined {
  const error = failure instanceof Error ? failure : new Error('unknown');
  const about = { auth: authOf(exchange), request: requestOf(exchange), error };
  if (!exchange.requestAudited) {
    exchange.requestAudited = true;
    exchange.domains.audit.record({ type: 'request', ...about });
  }
  return exchange.domains.audit.record({ type: 'response', ...about });
}

/** What a token's requests that one rule decided have in common; devices keep what they made of it. */
const auths = new WeakMap<Token, KeptAuths>();
interface KeptAuths {
  readonly rights: Rights | undefined;
  readonly byRule: Map<AclRule | undefined | false | null, AuditAuth>;
}

function authOf({ token, tokenText, decision, acl, rights }: Exchange): AuditAuth | undefined {
  if (!token) return undefined;
  const decided = decision ? (decision.allowed ? decision.rule : false) : null;
  let ofToken = auths.get(token);
  if (ofToken?.rights !== rights) ofToken = undefined;
  const known = ofToken?.byRule.get(decided);
  if (known) return known;
  const auth: AuditAuth = {
    clientToken: tokenText,
    accessor: token.accessor,
    displayName: token.displayName,
    policies: rights ? rights.with(token.policies) : token.policies,
    tokenPolicies: token.policies,
    identityPolicies: rights?.policies,
    metadata: token.meta ?? undefined,
    remainingUses: token.numUses > 0 ? token.numUses - 1 : undefined,
    entityId: rights?.entity.id ?? token.entityId,
    tokenType: token.type,
    tokenTtl: token.creationTtl,
    tokenIssueTimeMs: token.createdAtMs,
    policyResults: decision && {
      allowed: decision.allowed,
      grantingPolicies: grantingPolicies(decision, acl, namespaceIdOf(token)),
    },
  };
  if (!ofToken || ofToken.byRule.size >= RULES_KEPT_MAX) ofToken = { rights, byRule: new Map() };
  ofToken.byRule.set(decided, auth);
  auths.set(token, ofToken);
  return auth;
}

function grantingPolicies(decision: AclDecision, acl: Acl | undefined, namespaceId: string) {
  if (!decision.allowed) return undefined;
  if (acl?.root) return [{ name: 'root', type: 'acl', namespaceId: 'root' }];
  return decision.rule?.sources.map(({ policy }) => ({ name: policy, type: 'acl', namespaceId }));
}

function requestOf(exchange: Exchange): AuditRequest {
  const { wire, mount, token, rights } = exchange;
  exchange.auditRequest ??= {
    id: exchange.id,
    clientId: rights?.entity.id,
    operation: exchange.operation,
    mount: mount && mountOf(mount),
    clientToken: exchange.tokenText,
    clientTokenAccessor: token?.accessor,
    namespace: exchange.namespace,
    path: exchange.path,
    data: exchange.bytes ?? exchange.data,
    remoteAddress: wire.remote.address,
    remotePort: wire.remote.port,
    wrapTtl: exchange.wrapTtl,
    headers: wire.headers,
  };
  return exchange.auditRequest;
}

/** One object for each open mount: devices keep what they made of it. */
const auditMounts = new WeakMap<OpenMount, AuditMount>();

function mountOf(mount: OpenMount): AuditMount {
  const known = auditMounts.get(mount);
  if (known) return known;
  const { entry, info } = mount;
  const shown: AuditMount = {
    point: info.path,
    type: entry.type,
    accessor: entry.accessor,
    class: entry.class,
    nonHmacRequestKeys: entry.config.audit_non_hmac_request_keys,
    nonHmacResponseKeys: entry.config.audit_non_hmac_response_keys,
  };
  auditMounts.set(mount, shown);
  return shown;
}

/** A wrapped reply is audited as what the client gets: the wrapping token, not the data. */
function responseOf(exchange: Exchange): AuditResponse {
  const { reply, auth, lease, wrapInfo } = exchange;
  const raw = reply?.raw && { http_content_type: reply.raw.contentType, http_raw_body: reply.raw.body };
  return {
    auth: auth && replyAuth(auth),
    leaseId: lease?.id,
    data: wrapInfo ? undefined : (raw ?? reply?.whole ?? reply?.data),
    warnings: exchange.warnings,
    wrapInfo: wrapInfo && {
      ttl: wrapInfo.ttl,
      token: wrapInfo.token,
      accessor: wrapInfo.accessor,
      creationTimeMs: Date.parse(wrapInfo.creation_time),
      creationPath: wrapInfo.creation_path,
      wrappedAccessor: wrapInfo.wrapped_accessor,
    },
  };
}

function replyAuth(auth: AuthReply): AuditAuth {
  return {
    clientToken: auth.client_token,
    accessor: auth.accessor,
    policies: auth.policies ?? [],
    tokenPolicies: auth.token_policies ?? [],
    identityPolicies: auth.identity_policies,
    metadata: auth.metadata ?? undefined,
    numUses: auth.num_uses,
    entityId: auth.entity_id,
    tokenType: auth.token_type || undefined,
    tokenTtl: auth.lease_duration,
  };
}
