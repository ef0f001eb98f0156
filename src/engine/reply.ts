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
  /** Seconds shown as `lease_duration` though there is no lease: when to read again (KV v1). */
  readonly leaseDuration?: number;
  /** The caller has proved who it is; the host makes the token. */
  readonly login?: IdentityClaim;
  /** A body that is not the API's JSON (CRLs, metrics, OpenAPI). */
  readonly raw?: { readonly contentType: string; readonly body: string | Buffer };
  /** System mounts only: a body that goes on (sys/monitor, snapshots). */
  readonly stream?: { readonly contentType: string; readonly body: AsyncIterable<string | Buffer> };
  /** Where the API's JSON has the data's members at the top: 'only' (sys/health), or 'also' beside `data` (sys/mounts). */
  readonly topLevel?: 'only' | 'also';
  /** System mounts only: a token or renewal that is already made. */
  readonly auth?: AuthReply;
  /** System mounts only, with `login`: it began elsewhere, and its second factor is given. */
  readonly validated?: { readonly mountUuid: string; readonly path: string };
  /** System mounts only: a renewed or looked-up lease's line at the top. */
  readonly renewed?: { readonly leaseId: string; readonly ttl: number; readonly renewable: boolean };
  /** System mounts only: a reply stored earlier, given back whole (unwrapping). */
  readonly whole?: UnknownRecord;
  /** System mounts only: told once whether the reply went out; what was not may be taken back (new shares). */
  readonly delivered?: (delivered: boolean) => void;
  /** System mounts only: done when the reply is audited and durable, before the caller gets it (sealing). */
  readonly last?: () => Promise<void>;
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

/** The API's `auth` member. */
export interface AuthReply {
  readonly client_token: string;
  readonly accessor: string;
  readonly policies: readonly string[] | null;
  readonly token_policies: readonly string[] | null;
  /** Left out where the entity adds none. */
  readonly identity_policies?: readonly string[];
  readonly metadata: Readonly<Record<string, string>> | null;
  /** Seconds. */
  readonly lease_duration: number;
  readonly renewable: boolean;
  readonly entity_id: string;
  readonly token_type: 'service' | 'batch' | '';
  readonly orphan: boolean;
  /** What a login that is held back needs; it has no token then. */
  readonly mfa_requirement: UnknownRecord | null;
  readonly num_uses: number;
}
