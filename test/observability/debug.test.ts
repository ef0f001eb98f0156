/** `coffer debug` against a real node, as a process of its own: what is in the bundle, and what is not. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { CofferNode } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';
import { runProcess } from '../services/process.ts';

const CANARY = 'canary-that-no-bundle-may-hold';
const PROGRAM = join(import.meta.dirname, '../../bin/coffer.ts');
const folder = mkdtempSync(join(tmpdir(), 'coffer-debug-'));
let node: CofferNode;
let token: string;

before(async () => {
  node = await coffer.start({
    audit: true,
    configuration: `
log_requests_level = "info"
telemetry {
  otlp_traces_endpoint = "http://127.0.0.1:1/v1/traces"
  otlp_headers = { authorization = "${CANARY}" }
}`,
  });
  ({ rootToken: token } = await node.initAndUnseal());
  await node.request('POST', 'sys/mounts/secret', { token, body: { type: 'kv', options: { version: '2' } } });
});
after(async () => {
  await node?.stop();
  rmSync(folder, { recursive: true });
});

async function debug(...args: string[]) {
  const env = { VAULT_ADDR: node.address, VAULT_TOKEN: token, HOME: folder };
  return runProcess({ command: process.execPath, args: [PROGRAM, 'debug', ...args], cwd: folder, env });
}

/** What the bundle holds, by file; profiles unpacked. */
function contents(bundle: string): Map<string, string> {
  const text = (bytes: Buffer) =>
    (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('latin1');
  return new Map(readdirSync(bundle).map((name) => [name, text(readFileSync(join(bundle, name)))]));
}

test('everything there is to collect is in one private archive, and no secret is', async () => {
  let over = false;
  const traffic = (async () => {
    while (!over) {
      await node.request('POST', 'secret/data/a', { token, body: { data: { key: CANARY } } });
      await node.request('GET', `secret/data/a?x=${CANARY}`, { token: CANARY });
      await node.request('GET', 'secret/data/a', { token });
    }
  })();
  const { code, stdout, stderr } = await debug(
    '-duration=3s',
    '-interval=2s',
    '-metrics-interval=1s',
    '-output=all.tar.gz',
  );
  over = true;
  await traffic;
  assert.equal(code, 0, stdout + stderr);
  assert.equal(statSync(join(folder, 'all.tar.gz')).mode & 0o777, 0o600);
  assert.equal((await runProcess({ command: 'tar', args: ['-xzf', 'all.tar.gz'], cwd: folder })).code, 0);
  const files = contents(join(folder, 'all'));
  const index = JSON.parse(files.get('index.json')!);
  assert.deepEqual(index.errors, []);
  assert.deepEqual(index.targets, [
    'config',
    'host',
    'log',
    'metrics',
    'pprof',
    'replication-status',
    'requests',
    'server-status',
  ]);
  assert.deepEqual([...files.keys()].filter((name) => !/^pprof-00[2-9]/.test(name)).sort(), [
    'config.json',
    'host_info.json',
    'index.json',
    'metrics.json',
    'pprof-001-allocs.prof',
    'pprof-001-goroutine.txt',
    'pprof-001-heap.prof',
    'pprof-001-profile.prof',
    'replication_status.json',
    'requests.json',
    'server.log',
    'server_status.json',
  ]);
  assert.ok(JSON.parse(files.get('metrics.json')!).length >= 3);
  assert.match(files.get('server.log')!, /\[INFO\] +http: completed_request/);
  for (const [name, text] of files) {
    assert.ok(!text.includes(CANARY), `${name} holds what was planted`);
    assert.ok(!text.includes(token), `${name} holds the token`);
  }
});

test('one target, in a folder; what the token may not see is noted and left out', async () => {
  const { code } = await debug(
    '-duration=1s',
    '-interval=1s',
    '-target=log',
    '-compress=false',
    '-output=log-only',
  );
  assert.equal(code, 0);
  assert.deepEqual([...contents(join(folder, 'log-only')).keys()].sort(), ['index.json', 'server.log']);
  const root = token;
  const made = await node.request('POST', 'auth/token/create', { token, body: { policies: ['default'] } });
  token = made.json().auth.client_token;
  const limited = await debug('-duration=1s', '-interval=1s', '-compress=false', '-output=limited');
  token = root;
  assert.equal(limited.code, 0, limited.stderr);
  const files = contents(join(folder, 'limited'));
  const refused = JSON.parse(files.get('index.json')!).errors.map(({ target }: { target: string }) => target);
  for (const target of ['config', 'host', 'log', 'pprof', 'requests'])
    assert.ok(refused.includes(target), target);
  assert.ok(files.has('server_status.json'));
});
