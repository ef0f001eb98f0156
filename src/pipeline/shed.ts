import { Overloaded } from '../base/errors.ts';
import type { PipelineParts } from './exchange.ts';
import type { WireRequest } from './wire.ts';

/** What gets a node out of trouble, or is lost for good when it is not done in time. Health and unsealing came before. */
const VITAL = new Set([
  'sys/seal',
  'sys/step-down',
  'sys/metrics',
  'sys/in-flight-req',
  'sys/monitor',
  'sys/leases/lookup',
  'sys/leases/top',
]);
/** Renewing and revoking leases and tokens, the older paths too, and mending quotas. */
const VITAL_BEGINNINGS = ['sys/leases/re', 'sys/renew', 'sys/revoke', 'auth/token/re', 'sys/quotas/'];

const RETRY_AFTER_SECONDS = '2';

/** Refuses new work at the door while the node is overloaded; where only commits are slow, new writes. */
export function shedLoad({ overload, metrics, domains }: PipelineParts, wire: WireRequest): void {
  const reason = overload.shedding;
  if (reason === undefined) return;
  // As it is for `sys/leases/renew` it is for `team/sys/leases/renew`.
  if (isVital(domains()?.namespaces.split(wire.path).rest ?? wire.path)) return;
  if (reason === 'commits' && !WRITES.has(wire.method)) return;
  overload.shed++;
  metrics.counter('core.requests_shed', { reason }).add();
  wire.addReplyHeaders({ 'Retry-After': RETRY_AFTER_SECONDS });
  throw new Overloaded();
}

const WRITES: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

function isVital(path: string): boolean {
  return VITAL.has(path) || VITAL_BEGINNINGS.some((beginning) => path.startsWith(beginning));
}
