import { type Block, blocks, type HclObject, type Plain, plain } from '../hcl/hcl.ts';
import { type Environment, environmentValue } from './environment.ts';
import {
  boolean,
  count,
  type Field,
  field,
  integer,
  milliseconds,
  oneOf,
  readFields,
  readValue,
  text,
  texts,
  textTable,
  type Values,
} from './fields.ts';
import type { Scope } from './findings.ts';

/** The `storage` stanza by kind. Durations are milliseconds; what is not set is absent; `options` is all that was written. */
export type StorageConfig = { [Kind in StorageKind]: StorageOf<Kind> }[StorageKind];
export type StorageKind = keyof typeof KINDS;
export type StorageOf<Kind extends StorageKind> = Values<(typeof KINDS)[Kind]['fields']> & {
  readonly kind: Kind;
  /** Raft only: the `retry_join` blocks, as written. */
  readonly retryJoin: readonly Plain[];
  readonly options: Readonly<Record<string, Plain>>;
};

const TLS_VERSION = oneOf('tls10', 'tls11', 'tls12', 'tls13');

const tlsFields = {
  tls_ca_file: field('tlsCaFile', text),
  tls_cert_file: field('tlsCertFile', text),
  tls_key_file: field('tlsKeyFile', text),
} as const;

const raftFields = {
  path: field('path', text),
  node_id: field('nodeId', text),
  max_entry_size: field('maxEntrySize', count),
  max_transaction_size: field('maxTransactionSize', count),
  retry_join_as_non_voter: field('retryJoinAsNonVoter', boolean),
} as const;

const etcdFields = {
  address: field('addresses', texts),
  discovery_srv: field('discoverySrv', text),
  discovery_srv_name: field('discoverySrvName', text),
  etcd_api: field('etcdApi', text),
  ha_enabled: field('haEnabled', boolean),
  path: field('path', text),
  sync: field('sync', boolean),
  username: field('username', text),
  password: field('password', text),
  ...tlsFields,
  request_timeout: field('requestTimeoutMs', milliseconds),
  lock_timeout: field('lockTimeoutMs', milliseconds),
} as const;

const postgresqlFields = {
  connection_url: field('connectionUrl', text),
  table: field('table', text),
  max_idle_connections: field('maxIdleConnections', integer),
  max_parallel: field('maxParallel', count),
  ha_enabled: field('haEnabled', boolean),
  ha_table: field('haTable', text),
  skip_create_table: field('skipCreateTable', boolean),
  max_connect_retries: field('maxConnectRetries', count),
} as const;

const consulFields = {
  address: field('address', text),
  check_timeout: field('checkTimeoutMs', milliseconds),
  consistency_mode: field('consistencyMode', oneOf('default', 'strong')),
  disable_registration: field('disableRegistration', boolean),
  max_parallel: field('maxParallel', count),
  path: field('path', text),
  scheme: field('scheme', oneOf('http', 'https')),
  service: field('service', text),
  service_tags: field('serviceTags', texts),
  service_meta: field('serviceMeta', textTable),
  service_address: field('serviceAddress', text),
  token: field('token', text),
  session_ttl: field('sessionTtlMs', milliseconds),
  lock_wait_time: field('lockWaitTimeMs', milliseconds),
  ...tlsFields,
  tls_min_version: field('tlsMinVersion', TLS_VERSION),
  tls_skip_verify: field('tlsSkipVerify', boolean),
} as const;

interface Kind {
  readonly fields: Readonly<Record<string, Field<string, unknown>>>;
  /** Wire names of fields without which it cannot be opened. */
  readonly required: readonly string[];
  /** Environment variables by the wire name of the field they override; `RAFT_PATH` has all of the usual prefixes. */
  readonly environment: Readonly<Record<string, readonly string[]>>;
  readonly ignored?: ReadonlySet<string>;
}

const KINDS = {
  file: { fields: { path: field('path', text) }, required: ['path'], environment: {} },
  inmem: { fields: {}, required: [], environment: {} },
  raft: {
    fields: raftFields,
    required: ['path'],
    environment: { path: ['*RAFT_PATH'], node_id: ['*RAFT_NODE_ID'] },
    ignored: new Set([
      'autopilot_reconcile_interval',
      'autopilot_update_interval',
      'performance_multiplier',
      'snapshot_interval',
      'snapshot_threshold',
      'trailing_logs',
    ]),
  },
  etcd: {
    fields: etcdFields,
    required: [],
    environment: {
      address: ['ETCD_ADDR'],
      discovery_srv: ['ETCD_DISCOVERY_SRV'],
      discovery_srv_name: ['ETCD_DISCOVERY_SRV_NAME'],
      ha_enabled: ['ETCD_HA_ENABLED'],
      username: ['ETCD_USERNAME'],
      password: ['ETCD_PASSWORD'],
    },
  },
  postgresql: {
    fields: postgresqlFields,
    required: [],
    environment: { connection_url: ['*PG_CONNECTION_URL'] },
  },
  consul: {
    fields: consulFields,
    required: [],
    environment: { address: ['CONSUL_HTTP_ADDR'], token: ['CONSUL_HTTP_TOKEN'] },
  },
} as const satisfies Record<string, Kind>;

/** The storage of a file under one of its names (`storage`, `backend`, `ha_storage`, …); undefined when there is none. */
export function readStorage(
  body: HclObject,
  names: readonly string[],
  scope: Scope,
  environment: Environment,
): StorageConfig | undefined {
  const found = names.flatMap((name) => blocks(body, name, 1).map((block) => ({ name, block })));
  const [first, second] = found;
  if (second)
    scope.inside(second.name).error(second.block, 'only one storage of a kind can be set in a file');
  if (!first) return undefined;
  const [kind = ''] = first.block.labels;
  const within = scope.inside(first.name, kind);
  if (isKind(kind)) return readKind(kind, first.block, within, environment);
  within.error(first.block, `unknown storage type "${kind}"; there are ${Object.keys(KINDS).join(', ')}`);
  return undefined;
}

function isKind(kind: string): kind is StorageKind {
  return Object.hasOwn(KINDS, kind);
}

function readKind(kind: StorageKind, block: Block, scope: Scope, environment: Environment): StorageConfig {
  const { fields, required, environment: overrides, ignored }: Kind = KINDS[kind];
  const values: Record<string, unknown> = readFields(block.body, fields, scope, {
    blocks: kind === 'raft' ? ['retry_join'] : [],
    ...(ignored && { ignored }),
  });
  for (const [wireName, variables] of Object.entries(overrides)) {
    const given = environmentValue(environment, variables);
    const declared = fields[wireName]!;
    if (given) values[declared.name] = readValue(given.scope, given.value, declared.read);
  }
  for (const wireName of required) {
    if (!values[fields[wireName]!.name]) scope.inside(wireName).error(block, 'must be set');
  }
  const retryJoin = blocks(block.body, 'retry_join', 0).map((join) => plain(join.body));
  const options = plain(block.body) as Readonly<Record<string, Plain>>;
  // The table of the kind says which values there are; the compiler cannot follow that through the loop above.
  return { ...values, kind, retryJoin, options } as StorageConfig;
}
