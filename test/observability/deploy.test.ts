/** The dashboard and the alert rules against a real node: they use only metrics that there are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { CofferNode } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';
import { waitUntil } from '../services/process.ts';
import * as prometheus from '../services/prometheus.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy');
const RULES = join(DEPLOY, 'prometheus/alerts.yml');
const skip = prometheus.available() ?? false;

interface Panel {
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}
const dashboard: { panels: Panel[] } = JSON.parse(readFileSync(join(DEPLOY, 'grafana/coffer.json'), 'utf8'));
const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
const rules = readFileSync(RULES, 'utf8');

let node: CofferNode;
let token: string;
let names: Set<string>;

before(async () => {
  node = await coffer.start({
    audit: true,
    env: { SEAL_KEY: 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=' },
    configuration: `
telemetry { usage_gauge_period = "1s" }
seal "static" {
  current_key_id = "a"
  current_key = "env://SEAL_KEY"
}`,
  });
  const made = await node.request('PUT', 'sys/init', { body: { recovery_shares: 1, recovery_threshold: 1 } });
  token = made.json().root_token;
  const post = (path: string, body: unknown) => node.request('POST', path, { token, body });
  await post('sys/audit/file', { type: 'file', options: { file_path: node.auditFile } });
  const schedule = {
    interval: '24h',
    storage_type: 'local',
    path_prefix: join(node.folder, 'snapshots'),
    retain: 1,
  };
  assert.equal((await post('sys/storage/raft/snapshot-auto/config/daily', schedule)).status, 204);
  await post('sys/mounts/secret', { type: 'kv', options: { version: '2' } });
  await post('sys/auth/userpass', { type: 'userpass' });
  await post('auth/userpass/users/ann', { password: 'password of ann', token_ttl: '1h' });
  await post('auth/userpass/login/ann', { password: 'password of ann' });
  await post('secret/data/a', { data: { key: 'value' } });
  const read = async () => (await node.request('GET', 'sys/metrics?format=prometheus', { token })).text;
  await waitUntil(async () => (await read()).includes('vault_secret_kv_count'), { what: 'the counts' });
  names = new Set([...(await read()).matchAll(/^([a-z_]\w*)(?=[{ ])/gm)].map(([, name = '']) => name));
});
after(() => node?.stop());

/** Names of metrics in a query or a whole file of rules. */
function namesIn(text: string): string[] {
  return [...new Set([...text.matchAll(/\b(?:vault|process)_\w+\b(?!\.)/g)].map(([name]) => name))];
}

test('every metric of the dashboard and the alerts is one of a running node', () => {
  assert.ok(queries.length > 30);
  const used = namesIn([...queries, rules].join('\n')).filter((name) => name !== 'vault_route_');
  assert.ok(used.length > 40, String(used.length));
  assert.deepEqual(
    used.filter((name) => !names.has(name)),
    [],
  );
});

test('no two panels lie over one another', () => {
  const taken = new Map<string, string>();
  for (const { title, gridPos } of dashboard.panels)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.ok(x < 24 && !taken.has(`${x},${y}`), `${title} over ${taken.get(`${x},${y}`)}`);
        taken.set(`${x},${y}`, title);
      }
});

test('promtool takes the rules, and they fire when they should', { skip }, async () => {
  assert.equal(await prometheus.promtool(['check', 'rules', RULES]), '');
  assert.equal(await prometheus.promtool(['test', 'rules', join(DEPLOY, 'prometheus/alerts.test.yml')]), '');
});

test('Prometheus evaluates every rule and query over what the node tells', { skip }, async () => {
  const server = await prometheus.start(
    [{ job: 'coffer', target: `127.0.0.1:${node.port}`, token }],
    [RULES],
  );
  try {
    await waitUntil(async () => (await server.query('count_over_time(vault_core_unsealed[1m])')).size > 0, {
      what: 'samples',
    });
    await waitUntil(async () => (await server.ruleErrors()).size === rules.split('- alert:').length - 1, {
      what: 'the rules',
    });
    for (const [name, error] of await server.ruleErrors()) assert.equal(error, '', name);
    for (const query of queries) {
      const concrete = query.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*');
      await server.query(concrete);
    }
    assert.equal((await server.query('vault_core_unsealed')).size, 1);
  } finally {
    await server.stop();
  }
});
