import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigError, formatFinding, type Loaded, loadConfig } from './config.ts';
import { sanitizedConfig } from './sanitized.ts';

function load(
  texts: string | Record<string, string>,
  environment: Record<string, string> = {},
  partial = false,
): Loaded {
  const files = new Map(Object.entries(typeof texts === 'string' ? { 'server.hcl': texts } : texts));
  return loadConfig({
    paths: [...files.keys()],
    environment,
    partial,
    readFile: (path) => files.get(path)!,
    listFolder: () => undefined,
  });
}
const part = (text: string, environment: Record<string, string> = {}) => load(text, environment, true);

function errorsOf(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.findings.filter(({ severity }) => severity === 'error').map(formatFinding);
  }
  return [];
}

const BASIC = `
storage "file" {
  path = "/data"
}
listener "tcp" {
  address = "127.0.0.1:8200"
  tls_disable = 1
}
`;

test('a small configuration has all defaults', () => {
  const { config, warnings } = load(BASIC);
  assert.deepEqual(warnings, []);
  assert.deepEqual(config, {
    storage: {
      kind: 'file',
      path: '/data',
      retryJoin: [],
      options: Object.assign(Object.create(null), { path: '/data' }),
    },
    haStorage: undefined,
    listeners: [{ type: 'tcp', address: '127.0.0.1:8200', tlsDisable: true }],
    seals: [],
    audits: [],
    overload: {},
    userLockouts: new Map(),
    telemetry: {},
    defaultLeaseTtlSeconds: 2_764_800,
    maxLeaseTtlSeconds: 2_764_800,
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
  });
});

test('the example of the documentation means the same in HCL and JSON', () => {
  const hcl = `
    ui            = true
    cluster_addr  = "https://127.0.0.1:8201"
    api_addr      = "https://127.0.0.1:8200"
    storage "raft" {
      path = "data"
      node_id = "raft_node_1"
    }
    listener "tcp" {
      address       = "127.0.0.1:8200"
      tls_cert_file = "full-chain.pem"
      tls_key_file  = "private-key.pem"
    }
    telemetry {
      statsite_address = "127.0.0.1:8125"
      disable_hostname = true
    }`;
  const json = `{"ui": true, "cluster_addr": "https://127.0.0.1:8201", "api_addr": "https://127.0.0.1:8200",
    "storage": {"raft": {"path": "data", "node_id": "raft_node_1"}},
    "listener": [{"tcp": {"address": "127.0.0.1:8200", "tls_cert_file": "full-chain.pem", "tls_key_file": "private-key.pem"}}],
    "telemetry": {"statsite_address": "127.0.0.1:8125", "disable_hostname": true}}`;
  const expected = load(hcl);
  assert.deepEqual(load({ 'server.json': json }), expected);
  assert.deepEqual(expected.warnings, []);
  assert.equal(expected.config.storage?.kind, 'raft');
  assert.equal(expected.config.apiAddr, 'https://127.0.0.1:8200');
  assert.deepEqual(expected.config.telemetry, { statsiteAddress: '127.0.0.1:8125', disableHostname: true });
});

test('every kind of storage keeps its options', () => {
  const storage = (text: string, environment?: Record<string, string>) =>
    part(text, environment).config.storage;
  assert.deepEqual(
    { ...storage('storage "inmem" {}') },
    { kind: 'inmem', retryJoin: [], options: Object.create(null) },
  );
  assert.equal(storage('backend "file" { path = "x" }')?.kind, 'file');
  const raft = storage(
    'storage "raft" {\n path = "x"\n retry_join { leader_api_addr = "http://a" }\n retry_join { leader_api_addr = "http://b" }\n performance_multiplier = 1 }',
  );
  assert.deepEqual(JSON.parse(JSON.stringify(raft?.retryJoin)), [
    { leader_api_addr: 'http://a' },
    { leader_api_addr: 'http://b' },
  ]);
  const etcd = storage(
    'storage "etcd" { address = "http://a:1, http://b:2" ha_enabled = "true" request_timeout = "5s" }',
  );
  assert.ok(etcd?.kind === 'etcd');
  assert.deepEqual(
    [etcd.addresses, etcd.haEnabled, etcd.requestTimeoutMs],
    [['http://a:1', 'http://b:2'], true, 5000],
  );
  const postgresql = storage('storage "postgresql" { max_parallel = "12" table = "t" }', {
    BAO_PG_CONNECTION_URL: 'postgres://x',
  });
  assert.ok(postgresql?.kind === 'postgresql');
  assert.deepEqual(
    [postgresql.connectionUrl, postgresql.maxParallel, postgresql.table],
    ['postgres://x', 12, 't'],
  );
  const consul = storage(
    'storage "consul" { path = "vault/" service_meta = { a = 1 } session_ttl = 15 tls_skip_verify = 0 }',
    { CONSUL_HTTP_TOKEN: 'tok' },
  );
  assert.ok(consul?.kind === 'consul');
  assert.deepEqual(
    [consul.path, { ...consul.serviceMeta }, consul.sessionTtlMs, consul.tlsSkipVerify, consul.token],
    ['vault/', { a: '1' }, 15_000, false, 'tok'],
  );
  const both = part('storage "file" { path = "x" }\nha_storage "consul" { address = "a:1" }').config;
  assert.equal(both.haStorage?.kind, 'consul');
});

test('listeners: every field is typed', () => {
  const { config, warnings } = part(`
    listener "tcp" {
      address = "[::1]:8200"
      cluster_address = ":8201"
      tls_cert_file = "c"
      tls_key_file = "k"
      tls_client_ca_file = "ca"
      tls_min_version = "tls12"
      tls_max_version = "TLS13"
      tls_cipher_suites = "A,B"
      tls_require_and_verify_client_cert = "true"
      tls_prefer_server_cipher_suites = true
      x_forwarded_for_authorized_addrs = ["10.0.0.0/8", "::1"]
      x_forwarded_for_hop_skips = "1"
      x_forwarded_for_reject_not_present = false
      http_read_timeout = "1m"
      http_idle_timeout = "1500ms"
      max_request_size = -1
      max_request_duration = 30
      proxy_protocol_behavior = "allow_authorized"
      proxy_protocol_authorized_addrs = "127.0.0.1"
      telemetry { unauthenticated_metrics_access = true }
      profiling { unauthenticated_pprof_access = true unauthenticated_in_flight_request_access = true }
      custom_response_headers {
        "default" = { "Strict-Transport-Security" = ["max-age=1", "includeSubDomains"], "X-A" = "b, c" }
        "2xx" = { "X-A" = ["d"] }
      }
    }
    listener "unix" { socket_mode = 0660 socket_user = "1000" }`);
  assert.deepEqual(warnings, []);
  assert.deepEqual(config.listeners, [
    {
      type: 'tcp',
      address: '[::1]:8200',
      clusterAddress: ':8201',
      tlsCertFile: 'c',
      tlsKeyFile: 'k',
      tlsClientCaFile: 'ca',
      tlsMinVersion: 'tls12',
      tlsMaxVersion: 'tls13',
      tlsCipherSuites: ['A', 'B'],
      tlsRequireAndVerifyClientCert: true,
      xForwardedForAuthorizedAddrs: ['10.0.0.0/8', '::1'],
      xForwardedForHopSkips: 1,
      xForwardedForRejectNotPresent: false,
      httpReadTimeoutMs: 60_000,
      httpIdleTimeoutMs: 1500,
      maxRequestSize: -1,
      maxRequestDurationMs: 30_000,
      proxyProtocolBehavior: 'allow_authorized',
      proxyProtocolAuthorizedAddrs: ['127.0.0.1'],
      unauthenticatedMetricsAccess: true,
      unauthenticatedInFlightAccess: true,
      customResponseHeaders: new Map([
        [
          'default',
          new Map([
            ['Strict-Transport-Security', ['max-age=1', 'includeSubDomains']],
            ['X-A', ['b, c']],
          ]),
        ],
        ['2xx', new Map([['X-A', ['d']]])],
      ]),
    },
    { type: 'unix', address: '/run/coffer.sock', socketMode: '0660', socketUser: '1000' },
  ]);
});

test('overload protection has limits of its own, and is off where Vault’s is', () => {
  const { config, warnings } = part(`
    overload_protection { max_requests_in_flight = 50 max_event_loop_delay = "2s" max_commit_delay = 0 }`);
  assert.deepEqual(warnings, []);
  assert.deepEqual(config.overload, { requestsInFlight: 50, eventLoopDelayMs: 2000, commitDelayMs: 0 });
  const vaults = part('adaptive_overload_protection { disable_write_controller = true }');
  assert.deepEqual(vaults.config.overload, { disabled: true });
  assert.deepEqual(errorsOf(() => part('overload_protection { max_commit_delay = "soon" }')).length, 1);
});

test('seals, audit devices and lockouts', () => {
  const { config, warnings } = part(`
    seal "static" {
      current_key_id = "b"
      current_key = "env://KEY"
      previous_key_id = "a"
      previous_key = "file:///k"
      health_check_enabled = false
      health_check_interval = "30m"
    }
    seal "awskms" { name = "old" disabled = "true" priority = 2 region = "eu" kms_key_id = 1 }
    audit "file" "to-stdout/" {
      description = "out"
      options { file_path = "stdout" log_raw = true }
    }
    audit "socket" "s" { options = { address = "127.0.0.1:9" } }
    user_lockout "all" { lockout_duration = "10m" }
    user_lockout "userpass" { lockout_threshold = "25" disable_lockout = "false" }`);
  assert.deepEqual(warnings, []);
  assert.deepEqual(JSON.parse(JSON.stringify(config.seals)), [
    { kind: 'awskms', name: 'old', disabled: true, priority: 2, options: { region: 'eu', kms_key_id: '1' } },
    {
      kind: 'static',
      name: 'static',
      disabled: false,
      healthCheckEnabled: false,
      healthCheckIntervalMs: 1_800_000,
      options: {
        current_key_id: 'b',
        current_key: 'env://KEY',
        previous_key_id: 'a',
        previous_key: 'file:///k',
      },
    },
  ]);
  assert.deepEqual(JSON.parse(JSON.stringify(config.audits)), [
    {
      type: 'file',
      path: 'to-stdout',
      description: 'out',
      local: false,
      options: { file_path: 'stdout', log_raw: 'true' },
    },
    { type: 'socket', path: 's', description: '', local: false, options: { address: '127.0.0.1:9' } },
  ]);
  assert.deepEqual(
    config.userLockouts,
    new Map([
      ['all', { durationSeconds: 600 }],
      ['userpass', { threshold: 25, disabled: false }],
    ]),
  );
});

test('files are merged in order: single values are replaced, lists grow', () => {
  const { config } = load({
    'a.hcl': `${BASIC}\nlog_level = "debug"\nui = true\ntelemetry { disable_hostname = true metrics_prefix = "a" }`,
    'b.json':
      '{"log_level": "WARN", "storage": {"inmem": {}}, "listener": {"unix": {"address": "/s"}}, "telemetry": {"metrics_prefix": "b"}}',
  });
  assert.deepEqual([config.logLevel, config.ui, config.storage?.kind], ['warn', true, 'inmem']);
  assert.deepEqual(
    config.listeners.map(({ address }) => address),
    ['127.0.0.1:8200', '/s'],
  );
  assert.deepEqual(config.telemetry, { disableHostname: true, metricsPrefix: 'b' });
});

test('the environment goes over the files', () => {
  const text = `${BASIC}\nlog_level = "debug"\napi_addr = "https://a:1"`;
  const config = (environment: Record<string, string>) => load(text, environment).config;
  assert.equal(config({ VAULT_API_ADDR: 'https://b:2' }).apiAddr, 'https://b:2');
  assert.equal(
    config({ VAULT_API_ADDR: 'https://b:2', COFFER_API_ADDR: 'https://c:3' }).apiAddr,
    'https://c:3',
  );
  assert.equal(config({ VAULT_LOG_LEVEL: '' }).logLevel, 'debug');
  assert.equal(config({ VAULT_LOG_LEVEL: 'Err', VAULT_LOG_FORMAT: 'JSON' }).logLevel, 'error');
  assert.equal(config({ VAULT_UI: 'true', VAULT_RAW_STORAGE_ENDPOINT: '1' }).rawStorageEndpoint, true);
  assert.equal(
    part('storage "raft" { path = "x" }', { VAULT_RAFT_PATH: '/y' }).config.storage?.options.path,
    'x',
  );
  const raft = part('storage "raft" {}', { VAULT_RAFT_PATH: '/y' }).config.storage;
  assert.ok(raft?.kind === 'raft' && raft.path === '/y');
  assert.deepEqual(
    errorsOf(() => load(BASIC, { VAULT_UI: 'maybe' })),
    ['environment: VAULT_UI: expected a boolean, found a string (maybe)'],
  );
});

const MISTAKES: [title: string, text: string, error: string][] = [
  ['a wrong type', 'ui = "maybe"', 'server.hcl:1:6: ui: expected a boolean, found a string (maybe)'],
  ['a list for text', 'pid_file = ["x"]', 'server.hcl:1:12: pid_file: expected a string, found a list'],
  [
    'a duration',
    '\nmax_lease_ttl = "soon"',
    'server.hcl:2:17: max_lease_ttl: expected a duration such as 30, "30s" or "1h30m", found a string (soon)',
  ],
  [
    'a level',
    'log_level = "loud"',
    'server.hcl:1:13: log_level: expected one of trace, debug, info, warn, error, found "loud"',
  ],
  [
    'a URL',
    'api_addr = "127.0.0.1:8200"',
    'server.hcl:1:12: api_addr: expected a full URL such as https://127.0.0.1:8200, found a string (127.0.0.1:8200)',
  ],
  [
    'a template',
    'cluster_addr = "https://{{ GetPrivateIP }}:1"',
    'server.hcl:1:16: cluster_addr: templates such as {{ GetPrivateIP }} are not supported',
  ],
  [
    'default over maximum',
    'default_lease_ttl = "2h"\nmax_lease_ttl = "1h"',
    'server.hcl: default_lease_ttl: must not be larger than max_lease_ttl',
  ],
  [
    'an unknown storage',
    'storage "s3" {}',
    'server.hcl:1:9: storage.s3: unknown storage type "s3"; there are file, inmem, raft, etcd, postgresql, consul',
  ],
  ['a storage without path', 'storage "file" {}', 'server.hcl:1:9: storage.file.path: must be set'],
  [
    'two storages',
    'storage "inmem" {}\nstorage "file" { path = "x" }',
    'server.hcl:2:9: storage: only one storage of a kind can be set in a file',
  ],
  [
    'a storage without type',
    'storage = "file"',
    'server.hcl:1:11: expected "storage" to be a block with a label, found a string',
  ],
  [
    'a listener without certificate',
    'listener "tcp" { tls_key_file = "k" }',
    'server.hcl:1:10: listener.tcp.tls_cert_file: must be set, or tls_disable must be true',
  ],
  [
    'an address without port',
    'listener "tcp" { address = "::1" tls_disable = true }',
    'server.hcl:1:10: listener.tcp.address: expected host:port, found "::1"',
  ],
  [
    'a listener twice',
    'listener "unix" {}\nlistener "unix" {}',
    'server.hcl: listener: the address "/run/coffer.sock" is set twice',
  ],
  [
    'an unknown listener',
    'listener "quic" {}',
    'server.hcl:1:10: listener.quic: unknown listener type "quic"; there are tcp and unix',
  ],
  [
    'TLS versions',
    'listener "tcp" { tls_disable = 1 tls_min_version = "tls13" tls_max_version = "tls12" }',
    'server.hcl:1:10: listener.tcp.tls_min_version: tls13 is newer than tls_max_version tls12',
  ],
  [
    'client certificates',
    'listener "tcp" { tls_disable = 1 tls_require_and_verify_client_cert = 1 tls_disable_client_certs = 1 }',
    'server.hcl:1:10: listener.tcp: tls_require_and_verify_client_cert and tls_disable_client_certs exclude each other',
  ],
  [
    'an address block',
    'listener "tcp" { tls_disable = 1 x_forwarded_for_authorized_addrs = "10.0.0.0/33" }',
    'server.hcl:1:69: listener.tcp.x_forwarded_for_authorized_addrs: expected addresses or address blocks, found "10.0.0.0/33"',
  ],
  [
    'PROXY without addresses',
    'listener "tcp" { tls_disable = 1 proxy_protocol_behavior = "deny_unauthorized" }',
    'server.hcl:1:10: listener.tcp.proxy_protocol_authorized_addrs: must be set for deny_unauthorized',
  ],
  [
    'a restriction that is not there',
    'listener "unix" { metrics_only = true }',
    'server.hcl:1:19: listener.unix.metrics_only: is not supported',
  ],
  [
    'a status',
    'listener "unix" { custom_response_headers { "9xx" = {} } }',
    'server.hcl:1:45: listener.unix.custom_response_headers.9xx: expected "default", a status such as "200" or a class such as "2xx"',
  ],
  [
    'a header',
    'listener "unix" { custom_response_headers { "200" = { "X-A" = "a\\nb" } } }',
    'server.hcl:1:63: listener.unix.custom_response_headers.200.X-A: a header value must stay on one line',
  ],
  [
    'a seal without key',
    'seal "static" { current_key_id = "x" }',
    'server.hcl:1:6: seal.static.current_key: must be set',
  ],
  [
    'half a previous key',
    'seal "static" { current_key_id = "x" current_key = "y" previous_key = "z" }',
    'server.hcl:1:6: seal.static.previous_key: previous_key and previous_key_id go together',
  ],
  [
    'an unknown seal',
    'seal "wax" {}',
    'server.hcl:1:6: seal.wax: unknown seal type "wax"; there are shamir, static, transit, awskms, gcpckms, azurekeyvault, pkcs11',
  ],
  [
    'an audit path twice',
    'audit "file" "a" {}\naudit "file" "a/" {}',
    'server.hcl: audit: the path of an audit device "a" is set twice',
  ],
  [
    'a lockout',
    'user_lockout "jwt" {}',
    'server.hcl:1:14: user_lockout.jwt: unknown auth method "jwt"; there are all, userpass, ldap, approle',
  ],
  [
    'syntax',
    'ui = ',
    'server.hcl:1:6: expected a value (a quoted string, number, true, false, list or object), found the end of the text',
  ],
  [
    'an attribute twice',
    'ui = true\nui = true',
    'server.hcl:2:1: the argument "ui" was already set; each argument can only be defined once',
  ],
];
for (const [title, text, error] of MISTAKES) {
  test(`a mistake is named with its place: ${title}`, () => {
    assert.deepEqual(
      errorsOf(() => part(text)),
      [error],
    );
  });
}

test('all mistakes are found at once', () => {
  const errors = errorsOf(() => load('ui = "x"\nlistener "tcp" {}\nseal "wax" {}\nstorage = 1'));
  assert.equal(errors.length, 6);
  assert.match(errors.join('\n'), /a storage stanza must be set/);
});

test('unknown fields are warnings with file, line and field', () => {
  const { warnings } = load(
    `${BASIC}\nlog_levle = "x"\nlistener "tcp" {\n address = "a:1"\n tls_disable = true\n tls_acme_email = "x"\n}\ncache_size = 1`,
  );
  assert.deepEqual(warnings.map(formatFinding), [
    'server.hcl:10:1: log_levle: unknown or unsupported field',
    'server.hcl:14:2: listener.tcp.tls_acme_email: unknown or unsupported field',
  ]);
});

test('messages show no secret', () => {
  const errors = errorsOf(() =>
    part(
      'seal "static" { current_key = ["hunter2"] current_key_id = "a" }\nstorage "consul" { token = ["hunter2"] }',
    ),
  );
  assert.equal(errors.length, 3);
  assert.doesNotMatch(errors.join('\n'), /hunter2/);
});

test('folders are read in the order of names', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coffer-config-'));
  try {
    writeFileSync(join(folder, 'b.hcl'), 'log_level = "warn"');
    writeFileSync(join(folder, 'a.json'), '{"log_level": "debug", "ui": true}');
    writeFileSync(join(folder, 'c.txt'), 'nonsense');
    mkdirSync(join(folder, 'empty'));
    const load = (...paths: string[]) => loadConfig({ paths, environment: {}, partial: true });
    const { config } = load(folder);
    assert.deepEqual([config.logLevel, config.ui], ['warn', true]);
    assert.match(
      load(join(folder, 'empty')).warnings.map(formatFinding).join(),
      /empty: the folder holds no/,
    );
    assert.match(errorsOf(() => load(join(folder, 'none.hcl'))).join(), /none\.hcl: cannot be read: ENOENT/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the sanitized form shows no option that could be secret', () => {
  const { config } = part(`
    storage "postgresql" { connection_url = "postgres://u:hunter2@h/d" }
    seal "transit" { address = "http://h" token = "hunter2" key_name = "k" mount_path = "transit" }
    seal "pkcs11" { lib = "/l" pin = "hunter2" priority = 1 }
    seal "azurekeyvault" { client_secret = "hunter2" vault_name = "v" key_name = "k" priority = 2 }
    audit "http" "a" { options = { token = "hunter2" } }
    listener "unix" {}`);
  const text = JSON.stringify(sanitizedConfig(config));
  assert.doesNotMatch(text, /hunter2/);
  assert.match(text, /"storage":\{"type":"postgresql"/);
});

test('the environment goes over the options of a seal, where it can mean no other', () => {
  const sealsOf = (text: string, environment: Record<string, string>) =>
    part(text, environment).config.seals.map(({ kind, name, options }) => ({ kind, name, ...options }));
  const transit = 'seal "transit" { address = "http://file" key_name = "file" mount_path = "t" }';
  const environment = {
    VAULT_ADDR: 'http://shared',
    VAULT_TOKEN: 'shared',
    BAO_TRANSIT_SEAL_KEY_NAME: 'own',
  };
  assert.deepEqual(sealsOf(transit, environment), [
    {
      kind: 'transit',
      name: 'transit',
      address: 'http://file',
      token: 'shared',
      key_name: 'own',
      mount_path: 't',
    },
  ]);
  const two = ['a', 'b'].map(
    (name, at) => `seal "awskms" { name = "${name}" kms_key_id = "${name}" priority = ${2 - at} }`,
  );
  assert.deepEqual(sealsOf(two.join('\n'), { VAULT_AWSKMS_SEAL_KEY_ID: 'one', AWS_REGION: 'r' }), [
    { kind: 'awskms', name: 'b', kms_key_id: 'b' },
    { kind: 'awskms', name: 'a', kms_key_id: 'a' },
  ]);
  const none = { VAULT_SEAL_TYPE: 'awskms', VAULT_AWSKMS_SEAL_KEY_ID: 'alias/k', AWS_REGION: 'r' };
  assert.deepEqual(sealsOf('', none), [
    { kind: 'awskms', name: 'awskms', kms_key_id: 'alias/k', region: 'r' },
  ]);
  assert.throws(() => sealsOf('', { VAULT_SEAL_TYPE: 'wax' }), /unknown seal type "wax"/);
});

test('a seal that is left may have the name of the one that follows it', () => {
  const { config } = part(
    'seal "static" { disabled = true }\nseal "static" { current_key = "k" current_key_id = "2" }',
  );
  assert.deepEqual(
    config.seals.map(({ name, disabled }) => [name, disabled]),
    [
      ['static-disabled', true],
      ['static', false],
    ],
  );
});

test('any file loads or is refused with findings', () => {
  const piece = fc.constantFrom(
    'listener',
    'storage',
    'seal',
    'audit',
    'user_lockout',
    'telemetry',
    'ui',
    ' ',
    '\n',
    '"tcp"',
    '"file"',
    '"static"',
    '{',
    '}',
    '=',
    '1',
    '"x"',
    '[',
    ']',
    'address',
    'options',
    'custom_response_headers',
    '__proto__',
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 25 }).map((parts) => parts.join('')),
      (text) => {
        errorsOf(() => part(text));
      },
    ),
    { numRuns: 1500 },
  );
});
