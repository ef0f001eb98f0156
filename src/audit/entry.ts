import { rfc3339 } from '../base/clock.ts';
import { CofferError } from '../base/errors.ts';
import { hmacSha256 } from '../crypto/hmac.ts';
import type { AuditedHeaders } from './headers.ts';
import { Kept, KeptFor, KeptLast } from './kept.ts';
import type {
  AuditAuth,
  AuditHeaders,
  AuditPolicyResults,
  AuditRecord,
  AuditRequest,
  AuditResponse,
  AuditWrapInfo,
} from './record.ts';
import { type Redactor, redactedJson } from './redact.ts';
import { scrub } from './scrub.ts';

const SHOWN_KEPT_MAX = 16_384;
const SHOWN_LENGTH_MAX = 64;

export interface RenderOptions {
  /** Hash token accessors too. */
  readonly hmacAccessor: boolean;
  /** Hash nothing. */
  readonly logRaw: boolean;
  /** Replace `keys` and `key_info` of list replies by their counts. */
  readonly elideListResponses: boolean;
}

/** Turns records into one device's entries; it has the device's salt and shares nothing with other devices. */
export interface Renderer {
  /** One JSON object as text, without a line end, members in the order of Vault's documentation. */
  render(record: AuditRecord, timeMs: number): string;
  /** `hmac-sha256:` and 64 hex digits, as in the entries. */
  hash(text: string): string;
  /** Overwrites the salt. */
  close(): void;
}

export function createRenderer(salt: Uint8Array, options: RenderOptions, headers: AuditedHeaders): Renderer {
  const hmac = hmacSha256(salt);
  const hash = (text: string): string => `hmac-sha256:${hmac.hex(text)}`;
  // Tokens and accessors come with every entry.
  const identifiers = new Kept((text: string) => flat(hash(text)));
  const raw: Redactor = { show: (text) => text, showJson: JSON.stringify };
  // The same secrets are read, and the same folders listed, again and again.
  const shown = new Kept((text: string) => flat(`"hmac-sha256:${hmac.hex(text)}"`), SHOWN_KEPT_MAX);
  const hashed: Redactor = {
    show: hash,
    showJson: (text) =>
      text.length > SHOWN_LENGTH_MAX ? `"hmac-sha256:${hmac.hex(text)}"` : shown.get(text),
  };
  const device: Device = {
    redactor: options.logRaw ? raw : hashed,
    token: options.logRaw ? raw.show : (text) => identifiers.get(text),
    accessor: options.logRaw || !options.hmacAccessor ? raw.show : (text) => identifiers.get(text),
    raw: options.logRaw,
    elide: options.elideListResponses,
    headers,
    times: new Kept(rfc3339),
    seconds: new Kept((ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`),
  };
  // A token's requests have this in common; a request's two entries, which follow each other closely, the next.
  const auths = new KeptFor((auth: AuditAuth) => JSON.stringify(authEntry(auth, device)));
  const requests = new KeptLast((request: AuditRequest) => requestJson(request, device));

  return {
    render(record, timeMs) {
      const { auth, request, response, error, forwardedFrom } = record;
      let text = `{"time":"${device.times.get(timeMs)}","type":"${record.type}"`;
      if (auth) text += `,"auth":${auths.get(auth)}`;
      text += `,"request":${requests.get(request)}`;
      if (response) text += `,"response":${responseJson(response, request, device)}`;
      if (error) text += `,"error":${JSON.stringify(errorText(error, request, device))}`;
      if (forwardedFrom) text += `,"forwarded_from":${JSON.stringify(forwardedFrom)}`;
      return `${text}}`;
    },
    hash,
    close() {
      hmac.zero();
      identifiers.clear();
      shown.clear();
      requests.clear();
    },
  };
}

interface Device {
  readonly redactor: Redactor;
  readonly token: (text: string) => string;
  readonly accessor: (text: string) => string;
  readonly raw: boolean;
  readonly elide: boolean;
  readonly headers: AuditedHeaders;
  readonly times: Kept<number, string>;
  readonly seconds: Kept<number, string>;
}

/** Members whose value is undefined are not written: empty ones are left out, as Go's `omitempty` has it. */
function authEntry(auth: AuditAuth, device: Device): object {
  const issuedMs = auth.tokenIssueTimeMs;
  return {
    client_token: hidden(auth.clientToken, device.token),
    accessor: hidden(auth.accessor, device.accessor),
    display_name: auth.displayName || undefined,
    policies: filledList(auth.policies),
    token_policies: filledList(auth.tokenPolicies),
    identity_policies: filledList(auth.identityPolicies),
    no_default_policy: auth.noDefaultPolicy || undefined,
    policy_results: policyResultsEntry(auth.policyResults),
    metadata: filledObject(auth.metadata),
    num_uses: auth.numUses || undefined,
    remaining_uses: auth.remainingUses || undefined,
    entity_id: auth.entityId || undefined,
    token_type: auth.tokenType || undefined,
    token_ttl: auth.tokenTtl || undefined,
    token_issue_time: issuedMs === undefined ? undefined : device.seconds.get(issuedMs),
  };
}

function policyResultsEntry(results: AuditPolicyResults | undefined): object | undefined {
  if (!results) return undefined;
  const granting = results.grantingPolicies?.map((policy) => ({
    name: policy.name,
    namespace_id: policy.namespaceId || undefined,
    namespace_path: policy.namespacePath || undefined,
    type: policy.type,
  }));
  return { allowed: results.allowed, granting_policies: filledList(granting) };
}

function requestJson(request: AuditRequest, device: Device): string {
  const { namespace, mount } = request;
  const entry = {
    id: request.id,
    client_id: request.clientId || undefined,
    operation: request.operation,
    mount_point: mount?.point,
    mount_type: mount?.type,
    mount_accessor: mount?.accessor,
    mount_running_version: mount?.runningVersion || undefined,
    mount_class: mount?.class,
    client_token: hidden(request.clientToken, device.token),
    client_token_accessor: hidden(request.clientTokenAccessor, device.accessor),
    namespace: namespace && { id: namespace.id, path: namespace.path || undefined },
    path: request.path,
    policy_override: request.policyOverride || undefined,
    remote_address: request.remoteAddress || undefined,
    remote_port: request.remotePort || undefined,
    wrap_ttl: request.wrapTtl || undefined,
    headers: requestHeadersEntry(request.headers, device),
    client_certificate_serial_number: request.clientCertificateSerialNumber || undefined,
  };
  return withData(entry, redactedJson(request.data, device.redactor, mount?.nonHmacRequestKeys));
}

function requestHeadersEntry(headers: AuditHeaders | undefined, device: Device): object | undefined {
  if (!headers || device.headers.size === 0) return undefined;
  const entries: [string, string[]][] = [];
  for (const [name, { hmac }] of device.headers) {
    const values = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (values === undefined) continue;
    entries.push([name, [values].flat().map((value) => (hmac ? device.redactor.show(value) : value))]);
  }
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

function responseJson(response: AuditResponse, request: AuditRequest, device: Device): string {
  const { auth, headers, leaseId, wrapInfo } = response;
  const { mount } = request;
  const data = device.elide && request.operation === 'list' ? elided(response.data) : response.data;
  const entry = {
    auth: auth && authEntry(auth, device),
    mount_point: mount?.point,
    mount_type: mount?.type,
    mount_accessor: mount?.accessor,
    mount_running_plugin_version: mount?.runningVersion || undefined,
    mount_class: mount?.class,
    secret: leaseId ? { lease_id: leaseId } : undefined,
    warnings: filledList(response.warnings),
    headers:
      headers && Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()])),
    redirect: response.redirect || undefined,
    wrap_info: wrapInfo && wrapInfoEntry(wrapInfo, device),
  };
  return withData(entry, redactedJson(data, device.redactor, mount?.nonHmacResponseKeys));
}

function wrapInfoEntry(wrapInfo: AuditWrapInfo, device: Device): object {
  return {
    ttl: wrapInfo.ttl,
    token: hidden(wrapInfo.token, device.redactor.show),
    accessor: hidden(wrapInfo.accessor, device.accessor),
    creation_time: rfc3339(wrapInfo.creationTimeMs),
    creation_path: wrapInfo.creationPath || undefined,
    wrapped_accessor: hidden(wrapInfo.wrappedAccessor, device.accessor),
  };
}

/** A list reply with counts for `keys` and `key_info` where these have their usual types. */
function elided(data: unknown): unknown {
  if (typeof data !== 'object' || data === null) return data;
  const members = Object.entries(data).map(([name, value]): [string, unknown] => {
    if (name === 'keys' && Array.isArray(value)) return [name, value.length];
    const isInfo =
      name === 'key_info' && typeof value === 'object' && value !== null && !Array.isArray(value);
    return isInfo ? [name, Object.keys(value).length] : [name, value];
  });
  return Object.fromEntries(members);
}

/** What a device may see of a failure: an error of ours is made to be shown, yet may quote what the caller sent. */
function errorText(error: Error, request: AuditRequest, device: Device): string {
  const text = error instanceof CofferError ? error.message || error.code : 'internal error';
  return device.raw ? text : scrub(text, [request.data, request.clientToken], device.redactor);
}

function hidden(text: string | undefined, show: (text: string) => string): string | undefined {
  return text ? show(text) : undefined;
}

/** The entry as JSON, with `data` as its last member unless there is nothing in it. */
function withData(entry: object, data: string | undefined): string {
  const text = JSON.stringify(entry);
  if (data === undefined || data === '{}' || data === 'null') return text;
  return `${text === '{}' ? '{' : `${text.slice(0, -1)},`}"data":${data}}`;
}

function filledList<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list !== undefined && list.length > 0 ? list : undefined;
}

function filledObject<T extends object>(value: T | undefined): T | undefined {
  for (const name in value) if (Object.hasOwn(value, name)) return value;
  return undefined;
}

/** The same text in one piece: `JSON.stringify` leaves its fast path for texts that were put together. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
