import type { Activity } from '../activity/activity.ts';
import type { Audit } from '../audit/broker.ts';
import type { AuditRequest } from '../audit/record.ts';
import type { Session } from '../barrier/session.ts';
import { type Clock, rfc3339 } from '../base/clock.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { Logger } from '../base/logger.ts';
import type { FoundOperation, ParsedOperation } from '../engine/dispatch.ts';
import type { Operation } from '../engine/engine.ts';
import type { IdentityClaim } from '../engine/login.ts';
import type { AuthReply, Reply } from '../engine/reply.ts';
import type { PathTable } from '../engine/router.ts';
import type { Identity } from '../identity/identity.ts';
import type { LoginMfa } from '../identity/mfa/mfa.ts';
import type { Rights } from '../identity/rights.ts';
import type { Leases } from '../leases/leases.ts';
import type { Lockouts } from '../lockouts/lockouts.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Mounts, OpenMount } from '../mounts/mounts.ts';
import type { SystemContext } from '../mounts/system-context.ts';
import type { WorkParts } from '../mounts/work.ts';
import type { Namespace } from '../namespaces/namespace.ts';
import type { Namespaces } from '../namespaces/namespaces.ts';
import type { Acl, AclDecision } from '../policies/acl.ts';
import type { Policies } from '../policies/store.ts';
import type { OverloadGuard } from '../quotas/overload.ts';
import type { Quotas } from '../quotas/quotas.ts';
import type { Token } from '../tokens/token.ts';
import type { Tokens } from '../tokens/tokens.ts';
import type { Trace } from '../tracing/trace.ts';
import type { Tracer } from '../tracing/tracer.ts';
import type { WrapInfo, Wrapping } from '../wrapping/wrapping.ts';
import type { WireRequest } from './wire.ts';

/** Everything that exists only while the server is unsealed. */
export interface Domains {
  openSession(): Session;
  readonly namespaces: Namespaces;
  readonly mounts: Mounts;
  readonly tokens: Tokens;
  readonly leases: Leases;
  readonly policies: Policies;
  readonly identity: Identity;
  readonly loginMfa: LoginMfa;
  readonly wrapping: Wrapping;
  readonly lockouts: Lockouts;
  readonly quotas: Quotas;
  readonly audit: Audit;
  readonly activity: Activity;
  readonly work: WorkParts;
}

export interface PipelineParts {
  /** Undefined while sealed. */
  domains(): Domains | undefined;
  /** Paths under `sys/` that answer without a token, also while sealed: health, seal status, unsealing. */
  readonly statusPaths: PathTable;
  /** What a sealed server says: not initialised, or sealed. */
  sealedError(): Error;
  readonly inFlight: Map<string, InFlight>;
  readonly overload: OverloadGuard;
  readonly clock: Clock;
  readonly requestId: () => string;
  readonly metrics: Metrics;
  /** Whether the log of requests wants to know who asked. */
  namesClients(): boolean;
  /** Where requests are traced. */
  readonly tracer: Tracer | undefined;
  /** Requests that take as long are told to the log; infinity for none. */
  readonly slowRequestMs: number;
  readonly log: Logger;
}

/** A request under way, for `sys/in-flight-req`. */
export interface InFlight {
  readonly startedAtMs: number;
  readonly exchange: Exchange;
}

export function shownInFlight({ startedAtMs, exchange }: InFlight): UnknownRecord {
  const { wire, token, domains } = exchange;
  return {
    start_time: rfc3339(startedAtMs),
    client_remote_address: `${wire.remote.address}:${wire.remote.port}`,
    request_path: `/v1/${wire.path}`,
    request_method: wire.method,
    client_id: token ? domains.activity.clientId(token) : '',
  };
}

/** One request on its way through the steps; each step fills in what it finds out. */
export interface Exchange {
  readonly parts: PipelineParts;
  readonly domains: Domains;
  readonly session: Session;
  readonly wire: WireRequest;
  readonly id: string;
  data: UnknownRecord;
  /** A body that is not JSON or a form. */
  bytes?: Buffer | undefined;
  operation: Operation;
  /** The root until it is resolved. */
  namespace: Namespace;
  /** Relative to the namespace, without `v1/`; LIST and SCAN with their trailing slash. */
  path: string;
  /** Seconds; 0: the reply is not to be wrapped. */
  readonly wrapTtl: number;
  mount?: OpenMount;
  /** Of the path, what follows the mount's. */
  relative: string;
  /** Which path answers, before its input is read. */
  route?: FoundOperation;
  found?: ParsedOperation;
  tokenText: string;
  token?: Token;
  /** The way from the token's namespace to the request's: its policies have it before the path. */
  policyPrefix: string;
  /** What the token's entity adds to it; undefined for a token without one. */
  rights?: Rights;
  /** A login that an auth method has let through: whose it is, and where it began. */
  login?: {
    readonly mount: OpenMount;
    readonly path: string;
    readonly claim: IdentityClaim;
    readonly rights: Rights;
  };
  acl?: Acl;
  decision?: AclDecision;
  context?: SystemContext;
  readonly warnings: string[];
  reply?: Reply | undefined;
  auth?: AuthReply;
  lease?: { readonly id: string; readonly ttl: number; readonly renewable: boolean };
  wrapInfo?: WrapInfo;
  /** The reply's JSON before wrapping; what the audit log shows. */
  body?: UnknownRecord;
  /** Of a request that is traced. */
  readonly trace: Trace | undefined;
  /** Readings of the monotonic clock; 0 where the request has not come that far (times.ts). */
  readonly startedMs: number;
  checkedMs: number;
  engineMs: number;
  answeredMs: number;
  /** Steps that waited, and how long in milliseconds. */
  waits?: [step: string, ms: number][];
  requestAudited: boolean;
  /** Refused too early and too often to be in the audit log. */
  unaudited: boolean;
  /** Settles when the reply's entry is written; undefined when no device wants it. */
  audited?: Promise<void> | undefined;
  /** What the request's two audit entries share. */
  auditRequest?: AuditRequest;
}

export type Step = (exchange: Exchange) => void | Promise<void>;
