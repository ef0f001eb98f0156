/** The server log of a real node: requests in it, levels by subsystem, the log from afar. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { CofferNode } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';
import { waitUntil } from '../services/process.ts';

const CANARY = 'canary-of-the-log';
let node: CofferNode;
let token: string;

before(async () => {
  node = await coffer.start({
    audit: true,
    configuration:
      'log_format = "json"\nlog_requests_level = "debug"\nlog_level = "debug"\nlog_file = "logs.json"',
  });
  ({ rootToken: token } = await node.initAndUnseal());
  await node.request('POST', 'sys/mounts/secret', { token, body: { type: 'kv', options: { version: '2' } } });
});
after(() => node?.stop());

const completed = () =>
  node
    .logs()
    .split('\n')
    .filter((line) => line.includes('completed_request'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** What `sys/monitor` streams while `work` goes on. */
async function monitored(query: string, work: () => Promise<unknown>, until: RegExp): Promise<string> {
  let text = '';
  const request = get(
    {
      host: '127.0.0.1',
      port: node.port,
      path: `/v1/sys/monitor?${query}`,
      headers: { 'X-Vault-Token': token },
    },
    (response) => {
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', () => {});
    },
  );
  request.on('error', () => {});
  try {
    await waitUntil(
      async () => {
        await work();
        return until.test(text);
      },
      { what: `${until} in the stream` },
    );
  } finally {
    request.destroy();
  }
  return text;
}

test('log_requests_level: every answered request, without its query, body or token', async () => {
  await node.request('POST', 'secret/data/a', { token, body: { data: { key: CANARY } } });
  await node.request('GET', `secret/data/a?version=1&x=${CANARY}`, { token });
  await node.request('GET', 'secret/data/a', { token: CANARY });
  await node.request('GET', 'sys/health');
  await waitUntil(() => completed().at(-1)?.request_path === '/v1/sys/health', { what: 'the last request' });
  const lines = completed();
  const shown = lines.slice(-4).map((line) => [line.request_method, line.request_path, line.status_code]);
  assert.deepEqual(shown, [
    ['POST', '/v1/secret/data/a', 200],
    ['GET', '/v1/secret/data/a', 200],
    ['GET', '/v1/secret/data/a', 403],
    ['GET', '/v1/sys/health', 200],
  ]);
  assert.match(String(lines.at(-3)!.client_id), /^[\w-]{43}$/);
  assert.equal(lines.at(-2)!.client_id, '');
  const last = lines.at(-1)!;
  assert.equal(last['@level'], 'debug');
  assert.match(String(last.client_address), /^127\.0\.0\.1:\d+$/);
  assert.match(String(last.duration), /^\d+ms$/);
  assert.doesNotMatch(node.logs(), new RegExp(CANARY));
  const file = readFileSync(join(node.folder, 'logs.json'), 'utf8');
  assert.ok(file.includes('completed_request'));
});

test('levels are set for all, for one subsystem and what is below it, and put back', async () => {
  const level = async (name: string) =>
    (await node.request('GET', `sys/loggers/${name}`, { token })).json().data;
  assert.equal((await node.request('POST', 'sys/loggers', { token, body: { level: 'error' } })).status, 204);
  assert.deepEqual(await level('http'), { http: 'error' });
  assert.equal(
    (await node.request('POST', 'sys/loggers/core', { token, body: { level: 'warning' } })).status,
    204,
  );
  assert.deepEqual(await level('core'), { core: 'warn' });
  assert.deepEqual(await level('core.slow'), { 'core.slow': 'warn' });
  assert.deepEqual(await level('http'), { http: 'error' });
  const before = completed().length;
  await node.request('GET', 'sys/health');
  assert.equal(completed().length, before);
  assert.equal((await node.request('DELETE', 'sys/loggers/http', { token })).status, 204);
  await node.request('GET', 'sys/health');
  assert.ok(completed().length > before);
  assert.equal((await node.request('DELETE', 'sys/loggers', { token })).status, 204);
  assert.deepEqual(await level('core'), { core: 'debug' });
  for (const [path, wrong] of [
    ['sys/loggers', 'loud'],
    ['sys/loggers/core', ''],
    ['sys/loggers/nobody', 'info'],
  ] as const)
    assert.equal((await node.request('POST', path, { token, body: { level: wrong } })).status, 400, path);
});

test('sys/monitor: at a level and in a form of its own', async () => {
  await node.request('POST', 'sys/loggers', { token, body: { level: 'error' } });
  const work = () => node.request('GET', 'secret/data/a', { token });
  const standard = await monitored('log_level=debug&log_format=standard', work, /completed_request/);
  assert.match(standard, /^\S+ \[DEBUG\] http: completed_request: start_time=".*" .*status_code=200 /m);
  const json = await monitored('log_level=debug&log_format=json', work, /completed_request.*\n/);
  assert.equal(JSON.parse(json.split('\n')[0]!)['@module'], 'http');
  await node.request('DELETE', 'sys/loggers', { token });
  for (const query of ['log_level=loud', 'log_format=xml'])
    assert.equal((await node.request('GET', `sys/monitor?${query}`, { token })).status, 400, query);
  assert.equal((await node.request('GET', 'sys/monitor')).status, 403);
});

test('SIGHUP takes up the levels of the configuration file', async () => {
  assert.ok(existsSync(node.configFile));
  const text = readFileSync(node.configFile, 'utf8');
  writeFileSync(node.configFile, text.replace('log_requests_level = "debug"', 'log_requests_level = "off"'));
  node.signal('SIGHUP');
  const quiet = async () => {
    const before = completed().length;
    await node.request('GET', 'sys/health');
    return completed().length === before;
  };
  await waitUntil(quiet, { what: 'no more requests in the log' });
});
