/** Profiles of a real node, read by Go's own pprof where there is a Go. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { CofferNode } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';
import { runProcess } from '../services/process.ts';

const CANARY = 'canary-that-no-profile-may-hold';
const noGo =
  spawnSync('go', ['tool', '-n', 'pprof'], { stdio: 'ignore' }).status === 0
    ? false
    : 'there is no go tool pprof';
let node: CofferNode;
let token: string;

before(async () => {
  node = await coffer.start({ audit: true });
  ({ rootToken: token } = await node.initAndUnseal());
  await node.request('POST', 'sys/mounts/secret', { token, body: { type: 'kv', options: { version: '2' } } });
});
after(() => node?.stop());

/** The bytes of a profile that is taken while the server works. */
async function profile(path: string): Promise<Buffer> {
  let over = false;
  const work = async () => {
    while (!over)
      await node.request('POST', `secret/data/${CANARY}`, { token, body: { data: { key: CANARY } } });
  };
  const working = work();
  try {
    return await bytesOf(path);
  } finally {
    over = true;
    await working;
  }
}

function bytesOf(path: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    get(
      {
        host: '127.0.0.1',
        port: node.port,
        path: `/v1/sys/pprof/${path}`,
        headers: { 'X-Vault-Token': token },
      },
      (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.on('error', reject);
        reply.on('end', () =>
          reply.statusCode === 200
            ? resolve(Buffer.concat(chunks))
            : reject(new Error(`${path}: ${Buffer.concat(chunks)}`)),
        );
      },
    ).on('error', reject);
  });
}

async function top(name: string, bytes: Buffer): Promise<string> {
  const file = join(node.folder, `${name}.pb.gz`);
  await writeFile(file, bytes);
  const { code, stdout, stderr } = await runProcess({
    command: 'go',
    args: ['tool', 'pprof', '-top', '-cum', file],
    env: { GOFLAGS: '-mod=mod' },
  });
  assert.equal(code, 0, stderr);
  return stdout;
}

test('where processor time goes', { skip: noGo }, async () => {
  const bytes = await profile('profile?seconds=2');
  const text = await top('profile', bytes);
  assert.match(text, /Type: cpu/);
  assert.match(text, /Duration: 2\./);
  assert.match(text, /\d+ms .* [\w#.]+/);
});

test('what is allocated, and what of it still lives', { skip: noGo }, async () => {
  assert.match(await top('heap', await profile('heap?seconds=1')), /Type: inuse_space/);
  assert.match(await top('allocs', await profile('allocs?seconds=1')), /Type: alloc_space/);
  for (const name of ['block', 'mutex']) assert.match(await top(name, await bytesOf(name)), /Type: delay/);
});

test('no profile holds a value, and the command line shows flags without theirs', async () => {
  for (const path of ['profile?seconds=1', 'heap?seconds=1', 'allocs?seconds=1'])
    assert.ok(!gunzipSync(await profile(path)).includes(CANARY), path);
  const [program = '', ...words] = (await bytesOf('cmdline')).toString().split('\0');
  assert.match(program, /node/);
  assert.ok(words.includes('-config=***'), words.join(' '));
  assert.match((await bytesOf('goroutine')).toString(), /^requests under way: 1$/m);
});

test('one at a time, for a minute at most, with sudo; and what there is none of is refused clearly', async () => {
  const status = async (path: string, who = token) =>
    (await node.request('GET', `sys/pprof/${path}`, { token: who })).status;
  const running = bytesOf('profile?seconds=1');
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(await status('heap?seconds=0'), 400);
  await running;
  assert.equal(await status('heap?seconds=0'), 200);
  assert.equal(await status('profile?seconds=61'), 400);
  const trace = await node.request('GET', 'sys/pprof/trace', { token });
  assert.equal(trace.status, 400);
  assert.match(trace.text, /no execution trace/);
  const policy = { policy: 'path "sys/pprof*" { capabilities = ["read"] }' };
  await node.request('POST', 'sys/policies/acl/reader', { token, body: policy });
  const made = await node.request('POST', 'auth/token/create', { token, body: { policies: ['reader'] } });
  assert.equal(await status('heap?seconds=0', made.json().auth.client_token), 403);
});
