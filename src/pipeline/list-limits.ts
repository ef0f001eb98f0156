import { PermissionDenied } from '../base/errors.ts';
import { parseOperation } from '../engine/dispatch.ts';
import { isListing } from '../policies/acl.ts';
import { visibleKeys } from '../policies/keys-filter.ts';
import { requestContext } from './context.ts';
import type { Exchange } from './exchange.ts';
import { policyPath } from './policy.ts';

/** A rule's `pagination_limit`: a list that asks for no limit gets this one, one that asks for more is refused. */
export function limitPage(exchange: Exchange): void {
  const limit = exchange.decision?.rule?.paginationLimit ?? 0;
  if (limit === 0 || !exchange.mount || !exchange.found || !isListing(exchange.operation)) return;
  const asked = Number(exchange.data.limit ?? 0);
  if (asked > limit || asked < 0 || Number.isNaN(asked)) throw new PermissionDenied();
  if (asked > 0) return;
  exchange.data = { ...exchange.data, limit };
  exchange.found = parseOperation(exchange.found, exchange.data);
  exchange.context = requestContext(exchange, exchange.mount);
}

/** A rule's `list_scan_response_keys_filter_path`: only keys that the caller may read are shown. */
export function filterKeys(exchange: Exchange): void {
  const { acl, decision, reply } = exchange;
  const keys = reply?.data?.keys;
  if (!acl || !decision?.rule?.keysFilter || !isListing(exchange.operation) || !isTexts(keys)) return;
  const visible = visibleKeys(acl, { rule: decision.rule, path: policyPath(exchange, exchange.path), keys });
  const shown = new Set(visible);
  const info = Object.entries(reply?.data?.key_info ?? {}).filter(([key]) => shown.has(key));
  const keyInfo = reply?.data?.key_info === undefined ? {} : { key_info: Object.fromEntries(info) };
  exchange.reply = { ...reply, data: { ...reply?.data, keys: visible, ...keyInfo } };
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
