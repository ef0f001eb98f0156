import { QuotaExceeded } from '../base/errors.ts';
import type { Allowance, RateLimit } from '../quotas/rate-limits.ts';
import { ruleFor } from '../quotas/rules.ts';
import { requestContext } from './context.ts';
import type { Domains, Exchange, PipelineParts } from './exchange.ts';
import type { WireRequest } from './wire.ts';

/**
 * The rate limits, before anything that costs much: the body is not parsed yet. Which role a login is for stands in the
 * body; where a role has a limit of its own, `limitRateOfRole` decides.
 */
export function limitRate(exchange: Exchange): void {
  const { rateLimits } = exchange.domains.quotas;
  if (!rateLimits.any) return;
  const { mount, route } = exchange;
  const namespace = namespaceOf(exchange);
  if (rateLimits.exempts(namespace, exchange.path)) return;
  const rules = rateLimits.rulesAt(mount, namespace);
  if (rules.roles && route?.path?.loginRole) return;
  const limit = ruleFor(rules, route?.canonicalPath ?? '');
  if (limit) enforce(exchange, limit);
}

/** The limit of the role that a login is for or, where it has none, the one that holds for all. */
export function limitRateOfRole(exchange: Exchange): void {
  const { rateLimits } = exchange.domains.quotas;
  if (!rateLimits.anyForRole) return;
  const { mount, found } = exchange;
  if (!mount || !found?.path?.loginRole) return;
  const namespace = namespaceOf(exchange);
  const rules = rateLimits.rulesAt(mount, namespace);
  if (!rules.roles || rateLimits.exempts(namespace, exchange.path)) return;
  const role = found.input && found.path.loginRole(requestContext(exchange, mount), found.input);
  const limit = ruleFor(rules, found.canonicalPath, role);
  if (limit) enforce(exchange, limit);
}

/** The same for paths that answer before the steps. */
export function limitStatusRate(parts: PipelineParts, domains: Domains | undefined, wire: WireRequest): void {
  const rateLimits = domains?.quotas.rateLimits;
  if (!rateLimits?.any || rateLimits.exempts('', wire.path)) return;
  const match = domains?.mounts.root.match(wire.path);
  const limit = ruleFor(rateLimits.rulesAt(match?.mount, ''), match?.relative ?? '');
  if (!limit) return;
  const allowance = rateLimits.take(limit, '', wire.remote.address);
  if (rateLimits.settings.enable_rate_limit_response_headers) wire.addReplyHeaders(standing(allowance));
  if (allowance.exceeded) throw refusal(parts, { wire, path: wire.path }, limit, allowance);
}

function enforce(exchange: Exchange, limit: RateLimit): void {
  const { domains, parts, wire } = exchange;
  const { rateLimits } = domains.quotas;
  const entityId = limit.byEntity ? entityOf(exchange) : '';
  const allowance = rateLimits.take(limit, entityId, wire.remote.address);
  const { settings } = rateLimits;
  if (settings.enable_rate_limit_response_headers) wire.addReplyHeaders(standing(allowance));
  if (!allowance.exceeded) return;
  exchange.unaudited = !settings.enable_rate_limit_audit_logging;
  throw refusal(parts, exchange, limit, allowance);
}

/** Only looked up: whether the token is good for anything here is decided later. */
function entityOf({ domains, session, tokenText }: Exchange): string {
  if (tokenText === '') return '';
  return domains.tokens.find(session, tokenText)?.entityId ?? '';
}

function refusal(
  parts: PipelineParts,
  { wire, path }: Pick<Exchange, 'wire' | 'path'>,
  limit: RateLimit,
  allowance: Allowance,
): Error {
  wire.addReplyHeaders({ 'Retry-After': String(allowance.resetSeconds) });
  parts.metrics.counter('quota.rate_limit.violation', { name: limit.quota.name }).add();
  return new QuotaExceeded(`request path ${JSON.stringify(path)}: rate limit quota exceeded`);
}

function standing(allowance: Allowance): Record<string, string> {
  return {
    'X-Ratelimit-Limit': String(allowance.limit),
    'X-Ratelimit-Remaining': String(allowance.remaining),
    'X-Ratelimit-Reset': String(allowance.resetSeconds),
  };
}

function namespaceOf({ namespace }: Exchange): string {
  return namespace.path;
}
