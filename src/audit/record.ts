import type { Operation } from '../engine/engine.ts';

/**
 * Everything the pipeline knows about a request, or about a request and its reply, before any device has decided what
 * of it to hide. Strings are as they came, secrets included: only `entry.ts` turns a record into what leaves the house.
 * A request's two records should share their `auth` and `request` objects: what is rendered of them is kept for the second.
 */
export interface AuditRecord {
  readonly type: 'request' | 'response';
  /** Absent when nobody was identified. */
  readonly auth?: AuditAuth | undefined;
  readonly request: AuditRequest;
  /** Only with type `response`; absent when the request failed. */
  readonly response?: AuditResponse | undefined;
  /** Why it failed. Only a `CofferError` shows its message; of any other, nothing but that it was internal. */
  readonly error?: Error | undefined;
  /** The node that forwarded the request here, as host:port. */
  readonly forwardedFrom?: string | undefined;
}

/** Who asks or, in a reply, the token that was made. Empty and undefined members are left out of the entry. */
export interface AuditAuth {
  readonly clientToken?: string | undefined;
  readonly accessor?: string | undefined;
  readonly displayName?: string | undefined;
  readonly policies?: readonly string[] | undefined;
  readonly tokenPolicies?: readonly string[] | undefined;
  readonly identityPolicies?: readonly string[] | undefined;
  readonly noDefaultPolicy?: boolean | undefined;
  readonly policyResults?: AuditPolicyResults | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly numUses?: number | undefined;
  readonly remainingUses?: number | undefined;
  readonly entityId?: string | undefined;
  readonly tokenType?: string | undefined;
  /** Seconds. */
  readonly tokenTtl?: number | undefined;
  readonly tokenIssueTimeMs?: number | undefined;
}

export interface AuditPolicyResults {
  readonly allowed: boolean;
  readonly grantingPolicies?: readonly AuditGrantingPolicy[] | undefined;
}
export interface AuditGrantingPolicy {
  readonly name: string;
  readonly type: string;
  readonly namespaceId?: string | undefined;
  readonly namespacePath?: string | undefined;
}

export interface AuditRequest {
  readonly id: string;
  readonly clientId?: string | undefined;
  readonly operation: Operation | 'revoke' | 'renew' | 'rollback';
  /** Absent when no mount matched. */
  readonly mount?: AuditMount | undefined;
  readonly clientToken?: string | undefined;
  readonly clientTokenAccessor?: string | undefined;
  readonly namespace?: { readonly id: string; readonly path: string } | undefined;
  /** With the mount's path, without `v1/`. */
  readonly path: string;
  /** The body or query; any JSON, buffers, or nothing. */
  readonly data?: unknown;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  /** Seconds; 0 when the reply is not wrapped. */
  readonly wrapTtl?: number | undefined;
  /** All of the request's headers, lower-case; only those configured to be audited are shown. */
  readonly headers?: AuditHeaders | undefined;
  readonly policyOverride?: boolean | undefined;
  readonly clientCertificateSerialNumber?: string | undefined;
}

export type AuditHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface AuditMount {
  /** `secret/`, `auth/approle/`. */
  readonly point: string;
  readonly type: string;
  readonly accessor: string;
  readonly class: string;
  readonly runningVersion?: string | undefined;
  /** Names of members whose strings stay readable, from the mount's tuning. */
  readonly nonHmacRequestKeys?: readonly string[] | undefined;
  readonly nonHmacResponseKeys?: readonly string[] | undefined;
}

export interface AuditResponse {
  /** The token that a login or a token creation made. */
  readonly auth?: AuditAuth | undefined;
  readonly leaseId?: string | undefined;
  /** As it goes into the reply's `data`; for a body that is not JSON, `{ http_content_type, http_raw_body }`. */
  readonly data?: unknown;
  readonly warnings?: readonly string[] | undefined;
  readonly headers?: AuditHeaders | undefined;
  readonly redirect?: string | undefined;
  readonly wrapInfo?: AuditWrapInfo | undefined;
}

export interface AuditWrapInfo {
  /** Seconds. */
  readonly ttl: number;
  readonly token: string;
  readonly accessor?: string | undefined;
  readonly creationTimeMs: number;
  readonly creationPath?: string | undefined;
  readonly wrappedAccessor?: string | undefined;
}
