import type { Exchange } from './exchange.ts';
import { plainPath } from './mount.ts';

/**
 * The lease-count quotas, before anything outside is made that a lease would be for, and before a reply is made that is to be
 * wrapped. A login's role is known when it has been proved; tokens/ asks then.
 */
export function limitLeases(exchange: Exchange): void {
  if (!exchange.domains.quotas.leaseCounts.any) return;
  if (exchange.wrapTtl === 0 && !exchange.found?.spec?.leased) return;
  const refusal = leaseRefusal(exchange);
  if (refusal) throw refusal;
}

/** Why there is no lease left for this request; undefined when there is one. */
export function leaseRefusal(exchange: Exchange): Error | undefined {
  const { domains, session, namespace } = exchange;
  const { leaseCounts } = domains.quotas;
  if (!leaseCounts.any) return undefined;
  return leaseCounts.refusal(session, { namespace: namespace.path, path: plainPath(exchange), role: '' });
}
