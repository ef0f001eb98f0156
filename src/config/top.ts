import {
  address,
  boolean,
  count,
  field,
  integer,
  milliseconds,
  type Reader,
  seconds,
  text,
  url,
  type Values,
  WrongValue,
} from './fields.ts';

type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';
type LogFormat = 'standard' | 'json';

const LOG_LEVELS: ReadonlyMap<string, LogLevel> = new Map([
  ['trace', 'trace'],
  ['debug', 'debug'],
  ['info', 'info'],
  ['', 'info'],
  ['notice', 'info'],
  ['warn', 'warn'],
  ['warning', 'warn'],
  ['err', 'error'],
  ['error', 'error'],
]);
const REQUEST_LEVELS: ReadonlyMap<string, LogLevel | 'off'> = new Map<string, LogLevel | 'off'>([
  ...LOG_LEVELS,
  ['', 'off'],
  ['off', 'off'],
]);
const LOG_FORMATS: ReadonlyMap<string, LogFormat> = new Map([
  ['', 'standard'],
  ['standard', 'standard'],
  ['json', 'json'],
]);

function wordOf<T>(words: ReadonlyMap<string, T>, what: string): Reader<T> {
  return (value) => {
    const given = text(value);
    const known = words.get(given.trim().toLowerCase());
    if (known === undefined) throw new WrongValue(`expected ${what}, found "${given}"`);
    return known;
  };
}

/** What stands outside any stanza. */
export const TOP_FIELDS = {
  api_addr: field('apiAddr', url),
  cluster_addr: field('clusterAddr', url),
  cluster_name: field('clusterName', address),
  default_lease_ttl: field('defaultLeaseTtlSeconds', seconds),
  max_lease_ttl: field('maxLeaseTtlSeconds', seconds),
  default_max_request_duration: field('defaultMaxRequestDurationMs', milliseconds),
  log_level: field('logLevel', wordOf(LOG_LEVELS, 'one of trace, debug, info, warn, error')),
  log_format: field('logFormat', wordOf(LOG_FORMATS, 'one of standard, json')),
  log_file: field('logFile', text),
  log_rotate_duration: field('logRotateDurationSeconds', seconds),
  log_rotate_bytes: field('logRotateBytes', count),
  log_rotate_max_files: field('logRotateMaxFiles', integer),
  log_requests_level: field(
    'logRequestsLevel',
    wordOf(REQUEST_LEVELS, 'one of trace, debug, info, warn, error, off'),
  ),
  /** 0: none. */
  log_slow_requests: field('slowRequestsMs', milliseconds),
  ui: field('ui', boolean),
  disable_mlock: field('disableMlock', boolean),
  disable_clustering: field('disableClustering', boolean),
  raw_storage_endpoint: field('rawStorageEndpoint', boolean),
  introspection_endpoint: field('introspectionEndpoint', boolean),
  pid_file: field('pidFile', text),
  plugin_directory: field('pluginDirectory', text),
  enable_response_header_hostname: field('enableResponseHeaderHostname', boolean),
  enable_response_header_raft_node_id: field('enableResponseHeaderRaftNodeId', boolean),
  unsafe_allow_api_audit_creation: field('allowApiAuditCreation', boolean),
  allow_audit_log_prefixing: field('allowAuditLogPrefixing', boolean),
} as const;

export type TopValues = Values<typeof TOP_FIELDS>;

const LEASE_TTL_SECONDS = 768 * 3600;

/** What holds where nothing is set; the rest is absent. */
export const TOP_DEFAULTS = {
  defaultLeaseTtlSeconds: LEASE_TTL_SECONDS,
  maxLeaseTtlSeconds: LEASE_TTL_SECONDS,
  defaultMaxRequestDurationMs: 90_000,
  logLevel: 'info',
  logFormat: 'standard',
  ui: false,
  disableMlock: false,
  disableClustering: false,
  rawStorageEndpoint: false,
  introspectionEndpoint: false,
  enableResponseHeaderHostname: false,
  enableResponseHeaderRaftNodeId: false,
} as const satisfies TopValues;

export type TopConfig = Readonly<Omit<TopValues, keyof typeof TOP_DEFAULTS>> &
  Readonly<Required<Pick<TopValues, keyof typeof TOP_DEFAULTS>>>;

/** Variables that go over the files; `*` stands for `COFFER_`, `BAO_` and `VAULT_`, in that order. */
export const TOP_ENVIRONMENT = {
  api_addr: ['*API_ADDR', 'VAULT_REDIRECT_ADDR', 'VAULT_ADVERTISE_ADDR'],
  cluster_addr: ['*CLUSTER_ADDR'],
  log_level: ['*LOG_LEVEL'],
  log_format: ['*LOG_FORMAT'],
  log_file: ['*LOG_FILE'],
  log_rotate_duration: ['*LOG_ROTATE_DURATION'],
  log_rotate_bytes: ['*LOG_ROTATE_BYTES'],
  log_rotate_max_files: ['*LOG_ROTATE_MAX_FILES'],
  log_requests_level: ['*LOG_REQUESTS_LEVEL'],
  ui: ['*UI'],
  disable_mlock: ['*DISABLE_MLOCK'],
  raw_storage_endpoint: ['*RAW_STORAGE_ENDPOINT'],
  introspection_endpoint: ['*INTROSPECTION_ENDPOINT'],
} as const satisfies Partial<Record<keyof typeof TOP_FIELDS, readonly string[]>>;

/** Stanzas with readers of their own. */
export const STANZAS: readonly string[] = [
  'adaptive_overload_protection',
  'audit',
  'backend',
  'ha_backend',
  'ha_storage',
  'listener',
  'overload_protection',
  'seal',
  'storage',
  'telemetry',
  'user_lockout',
];

/** Vault's fields that tune what is built differently here: nothing is lost by leaving them out. */
export const IGNORED_FIELDS: ReadonlySet<string> = new Set([
  'administrative_namespace_path',
  'cache_size',
  'cluster_cipher_suites',
  'detect_deadlocks',
  'disable_cache',
  'disable_indexing',
  'disable_performance_standby',
  'disable_printable_check',
  'disable_sealwrap',
  'enable_post_unseal_trace',
  'experiments',
  'imprecise_lease_role_tracking',
  'license_path',
  'log_rotate_duration_jitter',
  'plugin_file_permissions',
  'plugin_file_uid',
  'plugin_tmpdir',
  'post_unseal_trace_directory',
]);

/** Stanzas whose effect somebody counts on. */
export const REFUSED_FIELDS: ReadonlySet<string> = new Set(['initialize', 'kms_library', 'entropy']);
