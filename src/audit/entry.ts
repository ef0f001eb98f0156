import { rfc3339 } from '../base/clock.ts';
import { CofferError } from '../base/errors.ts';
import { type HmacSha256, hmacSha256 } from '../crypto/hmac.ts';
import type { AuditedHeaders } from './headers.ts';
import type {
  AuditAuth,
  AuditHeaders,
  AuditMount,
  AuditPolicyResults,
  AuditRecord,
  AuditRequest,
  AuditResponse,
  AuditWrapInfo,
} from './record.ts';
import { type Redactor, redactedJson, stringJson } from './redact.ts';
import { scrub } from './scrub.ts';

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

/** Tokens and accessors come with every entry, so that their hashes are kept. */
const HASHES_KEPT_MAX = 1024;

export function createRenderer(salt: Uint8Array, options: RenderOptions, headers: AuditedHeaders): Renderer {
  const hmac = hmacSha256(salt);
  const kept = new KeptHashes(hmac);
  const hash = (text: string): string => `hmac-sha256:${hmac.hex(text)}`;
  const redactor: Redactor = { raw: options.logRaw, hash };
  const identifier: Redactor = { raw: options.logRaw, hash: (text) => kept.hash(text) };
  const accessor: Redactor = { raw: options.logRaw || !options.hmacAccessor, hash: identifier.hash };
  const device: Device = { redactor, identifier, accessor, headers, elide: options.elideListResponses };
  const auths = new LastKept((auth: AuditAuth) => renderAuth(auth, device));
  const requests = new LastKept((request: AuditRequest) => renderRequest(request, device));

  return {
    render(record, timeMs) {
      const { auth, request, response, error, forwardedFrom } = record;
      let text = `{"time":"${rfc3339(timeMs)}","type":"${record.type}"`;
      if (auth) text += `,"auth":${auths.json(auth)}`;
      text += `,"request":${requests.json(request)}`;
      if (response) text += `,"response":${renderResponse(response, request, device)}`;
      if (error) text += `,"error":${JSON.stringify(errorText(error, request, redactor))}`;
      return `${text}${plain('forwarded_from', forwardedFrom)}}`;
    },
    hash,
    close() {
      hmac.zero();
      kept.clear();
      auths.clear();
      requests.clear();
    },
  };
}

interface Device {
  readonly redactor: Redactor;
  readonly identifier: Redactor;
  readonly accessor: Redactor;
  readonly headers: AuditedHeaders;
  readonly elide: boolean;
}

function renderAuth(auth: AuditAuth, device: Device): string {
  const issued = auth.tokenIssueTimeMs;
  return object(
    redacted('client_token', auth.clientToken, device.identifier) +
      redacted('accessor', auth.accessor, device.accessor) +
      plain('display_name', auth.displayName) +
      plain('policies', auth.policies) +
      plain('token_policies', auth.tokenPolicies) +
      plain('identity_policies', auth.identityPolicies) +
      plain('no_default_policy', auth.noDefaultPolicy) +
      renderPolicyResults(auth.policyResults) +
      plain('metadata', auth.metadata) +
      plain('num_uses', auth.numUses) +
      plain('remaining_uses', auth.remainingUses) +
      plain('entity_id', auth.entityId) +
      plain('token_type', auth.tokenType) +
      plain('token_ttl', auth.tokenTtl) +
      plain('token_issue_time', issued === undefined ? undefined : seconds(issued)),
  );
}

function renderPolicyResults(results: AuditPolicyResults | undefined): string {
  if (!results) return '';
  const granting = (results.grantingPolicies ?? []).map((policy) =>
    object(
      plain('name', policy.name) +
        plain('namespace_id', policy.namespaceId) +
        plain('namespace_path', policy.namespacePath) +
        plain('type', policy.type),
    ),
  );
  const list = granting.length > 0 ? `,"granting_policies":[${granting.join(',')}]` : '';
  return `,"policy_results":{"allowed":${results.allowed}${list}}`;
}

function renderRequest(request: AuditRequest, device: Device): string {
  const { namespace, mount } = request;
  const data = redactedJson(request.data, device.redactor, mount?.nonHmacRequestKeys);
  return object(
    plain('id', request.id) +
      plain('client_id', request.clientId) +
      plain('operation', request.operation) +
      renderMount(mount) +
      redacted('client_token', request.clientToken, device.identifier) +
      redacted('client_token_accessor', request.clientTokenAccessor, device.accessor) +
      (namespace ? `,"namespace":${object(plain('id', namespace.id) + plain('path', namespace.path))}` : '') +
      plain('path', request.path) +
      filled('data', data) +
      plain('policy_override', request.policyOverride) +
      plain('remote_address', request.remoteAddress) +
      plain('remote_port', request.remotePort) +
      plain('wrap_ttl', request.wrapTtl) +
      filled('headers', renderRequestHeaders(request.headers, device)) +
      plain('client_certificate_serial_number', request.clientCertificateSerialNumber),
  );
}

function renderMount(mount: AuditMount | undefined): string {
  if (!mount) return '';
  return (
    plain('mount_point', mount.point) +
    plain('mount_type', mount.type) +
    plain('mount_accessor', mount.accessor) +
    plain('mount_running_version', mount.runningVersion) +
    plain('mount_class', mount.class)
  );
}

function renderRequestHeaders(headers: AuditHeaders | undefined, device: Device): string | undefined {
  if (!headers || device.headers.size === 0) return undefined;
  let text = '';
  for (const [name, { hmac }] of device.headers) {
    const values = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (values === undefined) continue;
    const shown = [values]
      .flat()
      .map((value) => (hmac ? stringJson(value, device.redactor) : JSON.stringify(value)));
    text += `,${JSON.stringify(name)}:[${shown.join(',')}]`;
  }
  return object(text);
}

function renderResponse(response: AuditResponse, request: AuditRequest, device: Device): string {
  const { auth, headers, leaseId, wrapInfo } = response;
  const listed = device.elide && request.operation === 'list';
  const data = redactedJson(
    listed ? elided(response.data) : response.data,
    device.redactor,
    request.mount?.nonHmacResponseKeys,
  );
  return object(
    (auth ? `,"auth":${renderAuth(auth, device)}` : '') +
      renderMount(request.mount) +
      (leaseId ? `,"secret":{"lease_id":${JSON.stringify(leaseId)}}` : '') +
      filled('data', data) +
      plain('warnings', response.warnings) +
      plain(
        'headers',
        headers && Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, [v].flat()])),
      ) +
      plain('redirect', response.redirect) +
      (wrapInfo ? `,"wrap_info":${renderWrapInfo(wrapInfo, device)}` : ''),
  );
}

function renderWrapInfo(wrapInfo: AuditWrapInfo, device: Device): string {
  return object(
    plain('ttl', wrapInfo.ttl) +
      redacted('token', wrapInfo.token, device.redactor) +
      redacted('accessor', wrapInfo.accessor, device.accessor) +
      plain('creation_time', rfc3339(wrapInfo.creationTimeMs)) +
      plain('creation_path', wrapInfo.creationPath) +
      redacted('wrapped_accessor', wrapInfo.wrappedAccessor, device.accessor),
  );
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
  return new Map(members);
}

/** What a device may see of a failure: an error of ours is made to be shown, yet may quote what the caller sent. */
function errorText(error: Error, request: AuditRequest, redactor: Redactor): string {
  const text = error instanceof CofferError ? error.message || error.code : 'internal error';
  return redactor.raw ? text : scrub(text, [request.data, request.clientToken], redactor);
}

/** `,"name":value`, or nothing when the value is empty, as Go's `omitempty` has it. */
function plain(name: string, value: string | number | boolean | object | undefined): string {
  switch (typeof value) {
    case 'string':
      return value === '' ? '' : `,"${name}":${JSON.stringify(value)}`;
    case 'number':
      return value === 0 ? '' : `,"${name}":${value}`;
    case 'boolean':
      return value ? `,"${name}":true` : '';
    case 'object':
      return filled(name, JSON.stringify(value));
    default:
      return '';
  }
}

function redacted(name: string, value: string | undefined, redactor: Redactor): string {
  return value ? `,"${name}":${stringJson(value, redactor)}` : '';
}

function filled(name: string, json: string | undefined): string {
  return json === undefined || json === '{}' || json === '[]' || json === 'null' ? '' : `,"${name}":${json}`;
}

/** From `,"a":1,"b":2`. */
function object(members: string): string {
  return `{${members.slice(1)}}`;
}

function seconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** Keeps the last result: a request's two entries have `auth` and `request` in common and follow each other closely. */
class LastKept<T extends object> {
  readonly #render: (value: T) => string;
  #value: T | undefined;
  #text = '';
  constructor(render: (value: T) => string) {
    this.#render = render;
  }
  json(value: T): string {
    if (this.#value !== value) {
      this.#text = this.#render(value);
      this.#value = value;
    }
    return this.#text;
  }
  clear(): void {
    this.#value = undefined;
    this.#text = '';
  }
}

/** Hashes of recently seen tokens and accessors; forgets all of them when full, which costs less than keeping order. */
class KeptHashes {
  readonly #hmac: HmacSha256;
  readonly #byText = new Map<string, string>();
  constructor(hmac: HmacSha256) {
    this.#hmac = hmac;
  }
  hash(text: string): string {
    let hash = this.#byText.get(text);
    if (hash === undefined) {
      hash = `hmac-sha256:${this.#hmac.hex(text)}`;
      if (this.#byText.size >= HASHES_KEPT_MAX) this.#byText.clear();
      this.#byText.set(text, hash);
    }
    return hash;
  }
  clear(): void {
    this.#byText.clear();
  }
}
