/** Metrics of a real node, read by a real Prometheus: sealed and unsealed, with a token and without one. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { CofferNode } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';
import { call } from '../services/http.ts';
import { freePort } from '../services/ports.ts';
import { waitUntil } from '../services/process.ts';
import * as prometheus from '../services/prometheus.ts';

const skip = prometheus.available() ?? false;
let node: CofferNode;
let token: string;
/** Of a second listener, where metrics need no token. */
let openPort: number;

const read = async (path: string) => (await node.request('GET', path, { token })).text;
const scrape = () => read('sys/metrics?format=prometheus');
/** The value of a series by its text up to the blank. */
const seriesValue = (text: string, series: string) =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')
      .at(-1),
  );

before(async () => {
  openPort = await freePort();
  node = await coffer.start({
    audit: true,
    configuration: `
log_slow_requests = "1ms"
telemetry {
  disable_hostname = true
  maximum_gauge_cardinality = 50
  usage_gauge_period = "1s"
}
listener "tcp" {
  address = "127.0.0.1:${openPort}"
  tls_disable = true
  telemetry { unauthenticated_metrics_access = true }
}`,
  });
});
after(() => node?.stop());

test('a sealed node, even one that was never initialised, tells its metrics where a listener says so', async () => {
  const open = (path: string) => call(`http://127.0.0.1:${openPort}`, { method: 'GET', path });
  const answer = await open('/v1/sys/metrics?format=prometheus');
  assert.equal(answer.status, 200);
  assert.match(String(answer.headers['content-type']), /^text\/plain; version=0\.0\.4/);
  assert.equal(seriesValue(answer.text, 'vault_core_unsealed'), 0);
  assert.equal(seriesValue(answer.text, 'vault_core_initialized'), 0);
  assert.doesNotMatch(answer.text, /vault_barrier_key_term/);
  assert.equal((await open('/v1/sys/metrics?format=xml')).status, 400);
  assert.equal((await node.request('GET', 'sys/metrics')).status, 400);
  ({ rootToken: token } = await node.initAndUnseal());
  assert.equal(seriesValue((await open('/v1/sys/metrics?format=prometheus')).text, 'vault_core_unsealed'), 1);
  assert.equal((await node.request('GET', 'sys/metrics')).status, 403);
});

test('every request is timed, by operation and mount; so are logins, tokens, audit, barrier and commits', async () => {
  await node.request('POST', 'sys/mounts/secret', { token, body: { type: 'kv', options: { version: '2' } } });
  await node.request('POST', 'sys/auth/userpass', { token, body: { type: 'userpass' } });
  await node.request('POST', 'auth/userpass/users/ann', { token, body: { password: 'password of ann' } });
  const earlier = await scrape();
  for (let i = 0; i < 3; i++)
    await node.request('POST', 'secret/data/a', { token, body: { data: { key: 'value' } } });
  for (let i = 0; i < 5; i++) await node.request('GET', 'secret/data/a', { token });
  await node.request('GET', 'secret/data/none', { token });
  await node.request('LIST', 'secret/metadata', { token });
  await node.request('POST', 'auth/userpass/login/ann', { body: { password: 'password of ann' } });
  await node.request('POST', 'sys/policies/acl/p', { token, body: { policy: 'path "a" {}' } });
  await node.request('GET', 'auth/token/lookup-self', { token });
  const now = await scrape();
  const grew = (series: string) => (seriesValue(now, series) || 0) - (seriesValue(earlier, series) || 0);
  assert.equal(grew('vault_route_create_secret__count') + grew('vault_route_update_secret__count'), 3);
  assert.equal(grew('vault_route_read_secret__count'), 5);
  assert.equal(grew('vault_route_list_secret__count'), 1);
  assert.equal(grew('vault_core_handle_login_request_count'), 1);
  assert.equal(grew('vault_core_handle_request_count'), 13);
  assert.equal(grew('vault_core_request_errors'), 1);
  assert.equal(grew('vault_audit_log_request_count'), 14);
  assert.equal(grew('vault_audit_log_response_count'), 14);
  assert.equal(grew('vault_audit_file__log_response_count'), 14);
  assert.equal(seriesValue(now, 'vault_audit_log_response_failure'), 0);
  assert.equal(grew('vault_policy_set_policy_count'), 1);
  assert.equal(grew('vault_token_lookup_count'), 1);
  assert.ok(grew('vault_barrier_put_count') >= 6);
  assert.ok(grew('vault_storage_commit_count') >= 4);
  assert.ok(grew('vault_cache_hit') > 5);
  const made = 'auth_method="userpass",mount_point="auth/userpass/",creation_ttl="+Inf",token_type="service"';
  assert.equal(grew(`vault_token_creation{${made},namespace="root"}`), 1);
  assert.ok(seriesValue(now, 'vault_core_check_token{quantile="0.5"}') >= 0);
  assert.ok(seriesValue(now, 'vault_runtime_alloc_bytes') > 1e6);
  assert.ok(seriesValue(now, 'process_cpu_seconds_total') > 0);
  assert.ok(seriesValue(now, 'vault_runtime_event_loop_delay_ms{percentile="99"}') >= 0);
});

test('what nobody counts as it comes and goes is counted through: tokens, leases, secrets', async () => {
  for (const name of ['b', 'c'])
    await node.request('POST', `secret/data/${name}`, { token, body: { data: {} } });
  const told = async () => {
    const text = await scrape();
    return [
      seriesValue(text, 'vault_secret_kv_count{namespace="root",mount_point="secret/"}'),
      seriesValue(text, 'vault_token_count{namespace="root"}'),
      seriesValue(text, 'vault_token_count_by_auth{namespace="root",auth_method="userpass"}'),
      seriesValue(text, 'vault_token_count_by_policy{namespace="root",policy="root"}'),
      seriesValue(text, 'vault_token_count_by_ttl{namespace="root",creation_ttl="+Inf"}'),
      seriesValue(text, 'vault_expire_num_leases'),
      seriesValue(text, 'vault_expire_num_irrevocable_leases'),
      seriesValue(text, 'vault_expire_leases_by_mount{mount_point="auth/userpass/",namespace="root"}'),
    ].join(' ');
  };
  await waitUntil(async () => (await told()) === '3 2 1 1 2 1 0 1', {
    what: `the counts, not ${await told()}`,
  });
  await node.request('POST', 'auth/token/create', { token, body: { ttl: '90m' } });
  const soon = async () =>
    / 1$/m.exec(
      (await scrape())
        .split('\n')
        .filter((line) => line.startsWith('vault_expire_leases_by_expiration'))
        .join('\n'),
    );
  await waitUntil(async () => (await soon()) !== null, { what: 'the lease by its expiry' });
});

test('JSON has the same numbers by dotted names', async () => {
  const { Gauges, Counters, Samples } = JSON.parse(await read('sys/metrics'));
  const names = (list: { Name: string }[]) => list.map(({ Name }) => Name);
  assert.ok(names(Gauges).includes('vault.core.in_flight_requests'));
  assert.ok(names(Counters).includes('vault.token.creation'));
  const [handled] = Samples.filter(({ Name }: { Name: string }) => Name === 'vault.core.handle_request');
  assert.ok(handled.Count > 10 && handled.Mean > 0 && handled.Max >= handled.Mean);
});

test('the log of slow requests says where the time went, and names no path or secret', async () => {
  const secret = 'canary-of-the-slow-request';
  await node.request('POST', 'secret/data/canary-path', { token, body: { data: { key: secret } } });
  await node.request('POST', 'auth/userpass/users/ann', { token, body: { password: secret } });
  const lines = node
    .logs()
    .split('\n')
    .filter((line) => line.includes('a request was slow'));
  const [line = ''] = lines.filter((each) => each.includes('"auth/userpass/"'));
  for (const part of ['ms=', 'ms.checks=', 'ms.engine=', 'path="users/{username}"', 'request="'])
    assert.ok(line.includes(part), line);
  assert.doesNotMatch(node.logs(), /canary/);
});

test('what Prometheus reads is what promtool and the server itself understand', { skip }, async () => {
  const text = await scrape();
  const opinion = await prometheus.promtool(['check', 'metrics'], text);
  const complaints = opinion
    .split('\n')
    .filter(
      (line) =>
        line &&
        !/no help text|counter metrics should|should not have|use base unit|abbreviated unit|contain the/i.test(
          line,
        ),
    );
  assert.deepEqual(complaints, []);
  const server = await prometheus.start([
    { job: 'with-a-token', target: `127.0.0.1:${node.port}`, token },
    { job: 'without', target: `127.0.0.1:${openPort}` },
  ]);
  try {
    const up = async () => (await server.query('sum(up)')).get('{}') === 2;
    await waitUntil(up, { what: 'both targets to be scraped' });
    assert.deepEqual(
      (await server.targets()).map(({ health, lastError }) => [health, lastError]),
      [
        ['up', ''],
        ['up', ''],
      ],
    );
    const unsealed = await server.query('vault_core_unsealed');
    assert.deepEqual([...unsealed.values()], [1, 1]);
    const creations = await server.query('sum by (auth_method) (vault_token_creation{job="without"})');
    assert.equal(creations.get('{"auth_method":"userpass"}'), 1);
  } finally {
    await server.stop();
  }
});
