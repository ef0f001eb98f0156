import type { AuditAuth, AuditMount, AuditRecord, AuditRequest, AuditResponse } from '../audit/record.ts';
import type { AuthReply } from '../engine/reply.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import type { Exchange } from './exchange.ts';

/** The request's entry. Before anything outside is touched it must be written; else it goes out with the reply's. */
export function auditRequest(exchange: Exchange): void | Promise<void> {
  exchange.requestAudited = true;
  const written = exchange.domains.audit.record({ type: 'request', auth: authOf(exchange), request: requestOf(exchange) });
  if (!written || !exchange.found?.spec?.outside) return undefined;
  return written;
}

/** The reply's entry, or the failure's; the request's before it where it failed too early to have one. */
export function auditReply(exchange: Exchange, error?: unknown): Promise<void> | undefined {
  const failure = error === undefined ? undefined : error instanceof Error ? error : new Error('unknown');
  const { audit } = exchange.domains;
  const about: Pick<AuditRecord, 'auth' | 'request' | 'error'> = {
    auth: authOf(exchange),
    request: requestOf(exchange),
    error: failure,
  };
  if (!exchange.requestAudited) {
    exchange.requestAudited = true;
    void audit.record({ type: 'request', ...about });
  }
  const written = audit.record({ type: 'response', ...about, response: failure ? undefined : responseOf(exchange) });
  // A reply's entry is waited for together with the commit (`awaitCommit`).
  return failure ? written : undefined;
}

function authOf(exchange: Exchange): AuditAuth | undefined {
  const { token } = exchange;
  if (!token) return undefined;
  exchange.auditAuth ??= {
    clientToken: exchange.tokenText,
    accessor: token.accessor,
    displayName: token.displayName,
    policies: token.policies,
    tokenPolicies: token.policies,
    metadata: token.meta ?? undefined,
    remainingUses: token.numUses > 0 ? token.numUses - 1 : undefined,
    entityId: token.entityId,
    tokenType: token.type,
    tokenTtl: token.creationTtl,
    tokenIssueTimeMs: token.createdAtMs,
    policyResults: exchange.decision && {
      allowed: exchange.decision.allowed,
      grantingPolicies: grantingPolicies(exchange),
    },
  };
  return exchange.auditAuth;
}

function grantingPolicies({ decision, acl }: Exchange) {
  if (!decision?.allowed) return undefined;
  if (acl?.root) return [{ name: 'root', type: 'acl', namespaceId: 'root' }];
  return decision.rule?.sources.map(({ policy }) => ({ name: policy, type: 'acl', namespaceId: 'root' }));
}

function requestOf(exchange: Exchange): AuditRequest {
  const { wire, mount, token } = exchange;
  exchange.auditRequest ??= {
    id: exchange.id,
    operation: exchange.operation,
    mount: mount && mountOf(mount),
    clientToken: exchange.tokenText,
    clientTokenAccessor: token?.accessor,
    namespace: { id: 'root', path: '' },
    path: exchange.path,
    data: wire.bytes ?? exchange.data,
    remoteAddress: wire.remote.address,
    remotePort: wire.remote.port,
    wrapTtl: exchange.wrapTtl,
    headers: wire.headers,
  };
  return exchange.auditRequest;
}

function mountOf({ entry, info }: OpenMount): AuditMount {
  return {
    point: info.path,
    type: entry.type,
    accessor: entry.accessor,
    class: entry.class === 'auth' ? 'auth' : 'secret',
    nonHmacRequestKeys: entry.config.audit_non_hmac_request_keys,
    nonHmacResponseKeys: entry.config.audit_non_hmac_response_keys,
  };
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
    policies: auth.policies,
    tokenPolicies: auth.token_policies,
    metadata: auth.metadata ?? undefined,
    numUses: auth.num_uses,
    entityId: auth.entity_id,
    tokenType: auth.token_type,
    tokenTtl: auth.lease_duration,
  };
}
