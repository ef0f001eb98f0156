import { NotFound } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { IdentityClaim } from './login.ts';

/** What a handler gives back. Nothing at all becomes 204. The host adds ids, leases, tokens and wrapping. */
export interface Reply {
  readonly data?: UnknownRecord;
  readonly warnings?: readonly string[];
  /** Only where the API documents another than 200. */
  readonly status?: number;
  readonly headers?: Record<string, string>;
  /** The data is a leased credential; the host registers, renews and revokes it. */
  readonly lease?: LeaseGrant;
  /** The caller has proved who it is; the host makes the token. */
  readonly login?: IdentityClaim;
  /** A body that is not the API's JSON (CRLs, metrics, OpenAPI). */
  readonly raw?: { readonly contentType: string; readonly body: string | Buffer };
  /** Where the API's JSON has members at the top level instead of in `data` (sys/health, sys/seal-status). */
  readonly topLevel?: boolean;
}

export interface LeaseGrant {
  /** Which of the engine's lease kinds renews and revokes it. */
  readonly kind: string;
  /** All that renewal and revocation need, whatever happens to role or configuration meanwhile. JSON; stored encrypted. */
  readonly internal: UnknownRecord;
  /** Seconds; 0 or undefined takes the mount's default. */
  readonly ttl?: number | undefined;
  /** Seconds from issue; 0 or undefined takes the mount's maximum. Never exceeds it. */
  readonly maxTtl?: number | undefined;
  readonly renewable: boolean;
}

/** `{data: {keys}}`; an empty list is 404, as the API has it. */
export function listReply(keys: readonly string[], keyInfo?: UnknownRecord): Reply {
  if (keys.length === 0) throw new NotFound();
  return { data: keyInfo ? { keys, key_info: keyInfo } : { keys } };
}

/** `{data}`; undefined is 404. */
export function dataReply(data: UnknownRecord | undefined): Reply {
  if (data === undefined) throw new NotFound();
  return { data };
}
