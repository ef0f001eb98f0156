import { isIP } from 'node:net';
import { type Block, blocks, type HclObject } from '../hcl/hcl.ts';
import {
  address,
  attempt,
  boolean,
  count,
  field,
  integer,
  milliseconds,
  oneOf,
  type Reader,
  readFields,
  text,
  texts,
  type Values,
  WrongValue,
} from './fields.ts';
import type { Scope } from './findings.ts';

/** Values by header name, by status: `default`, `2xx` or `200`. */
export type ResponseHeaders = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

/** One `listener` stanza. Durations are milliseconds, sizes bytes; what is not set is absent. */
export interface ListenerConfig extends Values<typeof LISTENER_FIELDS>, Values<typeof METRICS_FIELDS> {
  readonly type: 'tcp' | 'unix';
  /** `host:port`; for `unix` the path of the socket. */
  readonly address: string;
  readonly customResponseHeaders?: ResponseHeaders;
  readonly unauthenticatedInFlightAccess?: boolean;
}

const TLS_VERSIONS = ['tls10', 'tls11', 'tls12', 'tls13'] as const;

/** Addresses or blocks such as `10.0.0.0/8`. */
const addresses: Reader<readonly string[]> = (value) => {
  const list = texts(value);
  const wrong = list.find((one) => !isAddressBlock(one));
  if (wrong !== undefined) throw new WrongValue(`expected addresses or address blocks, found "${wrong}"`);
  return list;
};

function isAddressBlock(given: string): boolean {
  const [host = '', bits] = given.split('/');
  const family = isIP(host);
  return (
    family !== 0 &&
    (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)))
  );
}

const octalMode: Reader<string> = (value) => {
  const mode = value.kind === 'number' ? value.source : text(value);
  if (!/^[0-7]{0,5}$/.test(mode))
    throw new WrongValue(`expected an octal mode such as "0660", found "${mode}"`);
  return mode;
};

const LISTENER_FIELDS = {
  address: field('address', address),
  cluster_address: field('clusterAddress', address),
  socket_mode: field('socketMode', octalMode),
  socket_user: field('socketUser', text),
  socket_group: field('socketGroup', text),
  http_idle_timeout: field('httpIdleTimeoutMs', milliseconds),
  http_read_header_timeout: field('httpReadHeaderTimeoutMs', milliseconds),
  http_read_timeout: field('httpReadTimeoutMs', milliseconds),
  http_write_timeout: field('httpWriteTimeoutMs', milliseconds),
  max_request_size: field('maxRequestSize', integer),
  max_request_duration: field('maxRequestDurationMs', milliseconds),
  max_request_json_memory: field('maxRequestJsonMemory', integer),
  max_request_json_strings: field('maxRequestJsonStrings', integer),
  max_json_depth: field('maxJsonDepth', integer),
  max_json_string_value_length: field('maxJsonStringValueLength', integer),
  max_json_object_entry_count: field('maxJsonObjectEntryCount', integer),
  max_json_array_element_count: field('maxJsonArrayElementCount', integer),
  max_json_token_count: field('maxJsonTokenCount', integer),
  max_header_size: field('maxHeaderSize', count),
  max_connections: field('maxConnections', count),
  proxy_protocol_behavior: field(
    'proxyProtocolBehavior',
    oneOf('use_always', 'allow_authorized', 'deny_unauthorized'),
  ),
  proxy_protocol_authorized_addrs: field('proxyProtocolAuthorizedAddrs', addresses),
  tls_disable: field('tlsDisable', boolean),
  tls_cert_file: field('tlsCertFile', text),
  tls_key_file: field('tlsKeyFile', text),
  tls_client_ca_file: field('tlsClientCaFile', text),
  tls_min_version: field('tlsMinVersion', oneOf(...TLS_VERSIONS)),
  tls_max_version: field('tlsMaxVersion', oneOf(...TLS_VERSIONS)),
  tls_cipher_suites: field('tlsCipherSuites', texts),
  tls_require_and_verify_client_cert: field('tlsRequireAndVerifyClientCert', boolean),
  tls_disable_client_certs: field('tlsDisableClientCerts', boolean),
  x_forwarded_for_authorized_addrs: field('xForwardedForAuthorizedAddrs', addresses),
  x_forwarded_for_hop_skips: field('xForwardedForHopSkips', count),
  x_forwarded_for_reject_not_authorized: field('xForwardedForRejectNotAuthorized', boolean),
  x_forwarded_for_reject_not_present: field('xForwardedForRejectNotPresent', boolean),
  disable_unauthed_rekey_endpoints: field('disableUnauthedRekeyEndpoints', boolean),
  disable_unauthed_generate_root_endpoints: field('disableUnauthedGenerateRootEndpoints', boolean),
} as const;

const METRICS_FIELDS = {
  unauthenticated_metrics_access: field('unauthenticatedMetricsAccess', boolean),
} as const;

const REFUSED: ReadonlySet<string> = new Set(['chroot_namespace', 'disallow_metrics', 'metrics_only']);
const BLOCKS = ['telemetry', 'profiling', 'inflight_requests_logging', 'custom_response_headers'];
const DEFAULT_ADDRESS = { tcp: '127.0.0.1:8200', unix: '/run/coffer.sock' } as const;

/** Every listener of a file. */
export function readListeners(body: HclObject, scope: Scope): ListenerConfig[] {
  return blocks(body, 'listener', 1).flatMap((block) => {
    const [type = ''] = block.labels;
    const within = scope.inside('listener', type);
    if (type === 'tcp' || type === 'unix') return [readListener(type, block, within)];
    within.error(block, `unknown listener type "${type}"; there are tcp and unix`);
    return [];
  });
}

function readListener(type: 'tcp' | 'unix', block: Block, scope: Scope): ListenerConfig {
  const { body } = block;
  const table = { ...LISTENER_FIELDS, ...METRICS_FIELDS };
  const values = readFields(body, table, scope, {
    blocks: BLOCKS,
    ignored: new Set(['tls_prefer_server_cipher_suites']),
    refused: REFUSED,
  });
  const headers = readResponseHeaders(body, scope.inside('custom_response_headers'));
  const listener: ListenerConfig = {
    ...values,
    ...readTelemetry(body, scope),
    ...(headers.size > 0 && { customResponseHeaders: headers }),
    ...(readInFlightAccess(body, scope) && { unauthenticatedInFlightAccess: true }),
    type,
    address: values.address ?? DEFAULT_ADDRESS[type],
  };
  checkListener(listener, block, scope);
  return listener;
}

function readTelemetry(body: HclObject, scope: Scope): Values<typeof METRICS_FIELDS> {
  const within = scope.inside('telemetry');
  const read = blocks(body, 'telemetry', 0).map((block) =>
    readFields(block.body, METRICS_FIELDS, within, { refused: REFUSED }),
  );
  return Object.assign({}, ...read) as Values<typeof METRICS_FIELDS>;
}

/** The documentation puts it in two stanzas, and once without its plural. */
function readInFlightAccess(body: HclObject, scope: Scope): boolean {
  const table = {
    unauthenticated_in_flight_requests_access: field('access', boolean),
    unauthenticated_in_flight_request_access: field('access', boolean),
  };
  const ignored = new Set(['unauthenticated_pprof_access']);
  return ['profiling', 'inflight_requests_logging'].some((name) =>
    blocks(body, name, 0).some(
      (block) => readFields(block.body, table, scope.inside(name), { ignored }).access,
    ),
  );
}

function readResponseHeaders(body: HclObject, scope: Scope): ResponseHeaders {
  const byStatus = new Map<string, Map<string, readonly string[]>>();
  for (const { body: statuses } of blocks(body, 'custom_response_headers', 0)) {
    for (const status of statuses.entries) {
      const within = scope.inside(status.key);
      if (!/^(?:default|[1-5]xx|[1-5]\d\d)$/.test(status.key)) {
        within.error(status, 'expected "default", a status such as "200" or a class such as "2xx"');
        continue;
      }
      const headers = byStatus.get(status.key) ?? new Map<string, readonly string[]>();
      byStatus.set(status.key, headers);
      for (const { body: named } of blocks(statuses, status.key, 0)) readHeaders(named, headers, within);
    }
  }
  return byStatus;
}

function readHeaders(named: HclObject, headers: Map<string, readonly string[]>, scope: Scope): void {
  for (const entry of named.entries) {
    const within = scope.inside(entry.key);
    if (/^x-vault-/i.test(entry.key)) within.warning(entry, 'headers that start with X-Vault- cannot be set');
    else if (!/^[\w!#$%&'*+.^`|~-]+$/.test(entry.key)) within.error(entry, 'is not the name of a header');
    else attempt(within, entry.value, () => void headers.set(entry.key, headerValues(entry.value)));
  }
}

/** Commas belong to a header's value, so one string is one value. */
const headerValues: Reader<readonly string[]> = (value) => {
  const values = value.kind === 'list' ? value.items.map(text) : [text(value)];
  if (values.some((one) => /[\r\n\0]/.test(one)))
    throw new WrongValue('a header value must stay on one line');
  return values;
};

function checkListener(listener: ListenerConfig, block: Block, scope: Scope): void {
  if (listener.type === 'tcp') checkTcpAddress(listener.address, block, scope);
  if (listener.type === 'tcp' && !listener.tlsDisable) {
    for (const [name, value] of [
      ['tls_cert_file', listener.tlsCertFile],
      ['tls_key_file', listener.tlsKeyFile],
    ] as const) {
      if (!value) scope.inside(name).error(block, 'must be set, or tls_disable must be true');
    }
  }
  const { tlsMinVersion: min = 'tls12', tlsMaxVersion: max = 'tls13' } = listener;
  if (TLS_VERSIONS.indexOf(min) > TLS_VERSIONS.indexOf(max)) {
    scope.inside('tls_min_version').error(block, `${min} is newer than tls_max_version ${max}`);
  }
  if (listener.tlsRequireAndVerifyClientCert && listener.tlsDisableClientCerts) {
    scope.error(block, 'tls_require_and_verify_client_cert and tls_disable_client_certs exclude each other');
  }
  const behavior = listener.proxyProtocolBehavior;
  if (behavior && behavior !== 'use_always' && !listener.proxyProtocolAuthorizedAddrs?.length) {
    scope.inside('proxy_protocol_authorized_addrs').error(block, `must be set for ${behavior}`);
  }
}

function checkTcpAddress(given: string, block: Block, scope: Scope): void {
  const [, host = '', port = ''] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(given) ?? [];
  const hostIsRight = !host.startsWith('[') || isIP(host.slice(1, -1)) === 6;
  if (port === '' || Number(port) > 65_535 || !hostIsRight) {
    scope.inside('address').error(block, `expected host:port, found "${given}"`);
  }
}
