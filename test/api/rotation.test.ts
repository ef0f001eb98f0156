/** The key that encrypts the store against a real node: replaced, older records brought under it, older keys retired. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { envelopeTerm } from '../../src/barrier/envelope.ts';
import { openLmdbCopy } from '../../src/store/lmdb.ts';
import type { CofferNode, UnsealKeys } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';
import { waitUntil } from '../services/process.ts';

const RECORDS = 300;
let node: CofferNode;
let keys: UnsealKeys;

before(async () => {
  node = await coffer.start({ audit: true });
  keys = await node.initAndUnseal();
  await ok('POST', 'sys/mounts/kv', { type: 'kv' });
  for (let n = 0; n < RECORDS; n++) await ok('POST', `kv/${n}`, { n });
});
after(() => node?.stop());

async function ok(method: string, path: string, body?: unknown, token = keys.rootToken) {
  const answer = await node.request(method, path, { token, ...(body === undefined ? {} : { body }) });
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.text === '' ? {} : answer.json();
}

const progress = async () => (await ok('GET', 'sys/rotate/keyring/reencryption')).data;
const complete = () =>
  waitUntil(async () => (await progress()).state === 'complete', { what: 'the end of re-encryption' });

/** Of every record in the store of a node that does not run. */
async function termsInStore(): Promise<Set<number>> {
  const copy = openLmdbCopy({ path: join(node.folder, 'data') });
  const names = copy.keys({ start: '\u0001', end: undefined, limit: 1_000_000 });
  const terms = names.map((name) => envelopeTerm(copy.get(name)!)).filter((term) => term !== undefined);
  await copy.close();
  return new Set(terms);
}

test('cut off in the midst of it, re-encryption goes on by itself, and nothing is lost', async () => {
  assert.equal((await progress()).state, 'idle');
  await ok('POST', 'sys/rotate');
  await node.kill9();
  assert.ok((await termsInStore()).has(1), 'it was in the midst of it');
  await node.restart();
  await node.unseal(keys);
  await complete();
  const { term, rewritten, damaged } = await progress();
  assert.deepEqual([term, damaged], [2, 0]);
  assert.ok(rewritten >= RECORDS);
  const metrics = await node.request('GET', 'sys/metrics?format=prometheus', { token: keys.rootToken });
  assert.match(metrics.text, /^vault_barrier_reencryption_remaining 0$/m);
  for (let n = 0; n < RECORDS; n++) assert.equal((await ok('GET', `kv/${n}`)).data.n, n);
});

test('older keys go when they are told to, once they are old enough', async () => {
  const batch = (await ok('POST', 'auth/token/create', { type: 'batch', policies: ['default'] })).auth
    .client_token;
  await ok('POST', 'sys/rotate/keyring');
  await complete();
  const status = (await ok('GET', 'sys/key-status')).data;
  assert.deepEqual([status.term, status.keys.length, status.reencryption.state], [3, 3, 'complete']);
  const young = await node.request('POST', 'sys/rotate/keyring/retire', { token: keys.rootToken });
  assert.deepEqual(
    [young.status, young.json().errors],
    [400, ['no key was replaced 768h0m0s ago or earlier']],
  );
  await ok('GET', 'auth/token/lookup-self', undefined, batch);
  const { data } = await ok('POST', 'sys/rotate/keyring/retire', { older_than: 0 });
  assert.deepEqual(data.terms, [1, 2]);
  const { status: refused } = await node.request('GET', 'auth/token/lookup-self', { token: batch });
  assert.equal(refused, 403, 'what only such a key opens is gone, as the documents say');
  await node.kill9();
  assert.deepEqual(await termsInStore(), new Set([0, 3]));
  await node.restart();
  await node.unseal(keys);
  for (let n = 0; n < RECORDS; n++) assert.equal((await ok('GET', `kv/${n}`)).data.n, n);
});

test('who may not rotate may not re-encrypt or retire either, and all of it is audited', async () => {
  const rules = 'path "sys/rotate/*" { capabilities = ["read", "update", "delete"] }';
  await ok('POST', 'sys/policies/acl/half', { policy: rules });
  const token = (await ok('POST', 'auth/token/create', { policies: ['half'] })).auth.client_token;
  for (const [method, path] of [
    ['GET', 'reencryption'],
    ['POST', 'reencryption'],
    ['DELETE', 'reencryption'],
    ['POST', 'retire'],
  ] as const)
    assert.equal((await node.request(method, `sys/rotate/keyring/${path}`, { token })).status, 403, path);
  const audited = readFileSync(node.auditFile, 'utf8');
  for (const path of ['rotate', 'rotate/keyring', 'rotate/keyring/reencryption', 'rotate/keyring/retire'])
    assert.ok(audited.includes(`"path":"sys/${path}"`), path);
});

test('the settings say when and whether', async () => {
  const read = async () => (await ok('GET', 'sys/rotate/config')).data;
  assert.deepEqual(await read(), {
    enabled: true,
    max_operations: 3_865_470_566,
    interval: '0s',
    reencrypt: true,
  });
  await ok('POST', 'sys/rotate/keyring/config', { reencrypt: false, interval: '48h' });
  assert.deepEqual(await read(), {
    enabled: true,
    max_operations: 3_865_470_566,
    interval: '48h0m0s',
    reencrypt: false,
  });
  await ok('POST', 'sys/rotate');
  assert.equal((await progress()).state, 'idle');
  await ok('POST', 'sys/rotate/keyring/reencryption');
  await ok('DELETE', 'sys/rotate/keyring/reencryption');
  assert.equal((await progress()).state, 'stopped');
  await ok('POST', 'sys/rotate/keyring/reencryption');
  await complete();
  const refused = await node.request('POST', 'sys/rotate/config', {
    token: keys.rootToken,
    body: { interval: '1h' },
  });
  assert.equal(refused.status, 400);
});
