import type { UnknownRecord } from '../base/json.ts';
import type { Exchange } from './exchange.ts';

/** Makes the reply's JSON; where wrapping is asked for, keeps it under a token and answers with that. */
export function wrapReply(exchange: Exchange): void {
  const { reply } = exchange;
  const warnings = [...exchange.warnings, ...(reply?.warnings ?? [])];
  if (!reply && !exchange.auth && warnings.length === 0) return;
  if (reply?.raw || reply?.stream) return;
  if (reply?.whole) {
    exchange.body = { ...reply.whole, request_id: exchange.id };
    return;
  }
  exchange.body = bodyOf(exchange, warnings);
  if (exchange.wrapTtl === 0 || (reply?.status ?? 200) >= 300) return;
  if (exchange.operation === 'help') return;
  const { request_id: _, ...kept } = exchange.body;
  exchange.wrapInfo = exchange.domains.wrapping.wrap(exchange.session, exchange.namespace.id, {
    body: kept,
    path: exchange.path,
    ttl: exchange.wrapTtl,
  });
}

/** The API's reply object, members in Vault's order. */
function bodyOf(exchange: Exchange, warnings: readonly string[]): UnknownRecord {
  const { reply, lease, auth } = exchange;
  if (reply?.topLevel === 'only') return { ...reply.data };
  const body: UnknownRecord = {
    request_id: exchange.id,
    lease_id: lease?.id ?? '',
    renewable: lease?.renewable ?? false,
    lease_duration: lease?.ttl ?? reply?.leaseDuration ?? 0,
    data: reply?.data ?? null,
    wrap_info: null,
    warnings: warnings.length > 0 ? warnings : null,
    auth: auth ?? null,
    mount_type: exchange.mount?.entry.type ?? '',
  };
  return reply?.topLevel === 'also' ? { ...reply.data, ...body } : body;
}

/** What the client gets instead of a wrapped reply. */
export function wrappedBody(exchange: Exchange): UnknownRecord {
  return {
    request_id: exchange.id,
    lease_id: '',
    renewable: false,
    lease_duration: 0,
    data: null,
    wrap_info: exchange.wrapInfo,
    warnings: null,
    auth: null,
    mount_type: exchange.mount?.entry.type ?? '',
  };
}
