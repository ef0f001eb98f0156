import { InvalidRequest } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import { parseDuration } from '../engine/duration.ts';
import type { Operation } from '../engine/engine.ts';
import { ROOT_NAMESPACE } from '../namespaces/namespace.ts';
import type { Domains, Exchange, PipelineParts } from './exchange.ts';
import type { WireRequest } from './wire.ts';

const OPERATION_OF: Readonly<Record<WireRequest['method'], Operation>> = {
  GET: 'read',
  POST: 'update',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
  LIST: 'list',
  SCAN: 'scan',
};

const NONE: UnknownRecord = Object.freeze({});

/** Opens the exchange for a request: its id, its operation, its session. What it carries is read later, if at all. */
export function beginExchange(parts: PipelineParts, domains: Domains, wire: WireRequest): Exchange {
  const id = parts.requestId();
  const operation =
    wire.query.help !== undefined && wire.method === 'GET' ? 'help' : OPERATION_OF[wire.method];
  const folder = operation === 'list' || operation === 'scan';
  const path = folder && !wire.path.endsWith('/') ? `${wire.path}/` : wire.path;
  const exchange: Exchange = {
    parts,
    domains,
    session: domains.openSession(),
    wire,
    id,
    data: NONE,
    operation,
    namespace: ROOT_NAMESPACE,
    path,
    relative: '',
    wrapTtl: wrapTtl(wire),
    tokenText: tokenText(wire),
    policyPrefix: '',
    warnings: [],
    trace: parts.tracer?.begin(wire.headers.traceparent),
    startedMs: parts.clock.monotonic(),
    checkedMs: 0,
    engineMs: 0,
    answeredMs: 0,
    requestAudited: false,
    unaudited: false,
  };
  parts.inFlight.set(id, { startedAtMs: parts.clock.now(), exchange });
  return exchange;
}

/** `X-Vault-Token`, or `Authorization: Bearer` as Vault's documentation allows. */
export function tokenText(wire: WireRequest): string {
  const header = wire.headers['x-vault-token'];
  if (typeof header === 'string' && header !== '') return header.trim();
  const authorization = wire.headers.authorization;
  return typeof authorization === 'string' && /^bearer /i.test(authorization)
    ? authorization.slice(7).trim()
    : '';
}

function wrapTtl(wire: WireRequest): number {
  const header = wire.headers['x-vault-wrap-ttl'];
  if (typeof header !== 'string' || header === '') return 0;
  let seconds: number;
  try {
    seconds = parseDuration(header);
  } catch {
    throw new InvalidRequest('error parsing X-Vault-Wrap-TTL header');
  }
  if (seconds < 0) throw new InvalidRequest('requested wrap ttl cannot be negative');
  return seconds;
}
