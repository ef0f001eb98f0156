import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnknownRecord } from '../../base/json.ts';
import type { Operation } from '../../engine/engine.ts';
import { type Harness, openEngine } from '../../engine/testing.ts';
import { kv } from './engine.ts';

const PATHS = ['app', 'app/db', 'app/web/cookie', 'team/alpha', 'zeta'];

async function open(): Promise<Harness> {
  const harness = openEngine(kv, { options: { version: '2' } });
  for (const path of PATHS) await harness.write(`data/${path}`, { data: { value: `secret of ${path}` } });
  return harness;
}

const only = (...granted: readonly string[]) => ({
  allowed: (operation: Operation, path: string) => granted.includes(`${operation} ${path}`),
});

test('a list names one folder, in pages', async () => {
  const harness = await open();
  assert.deepEqual(await harness.list('metadata/'), ['app', 'app/', 'team/', 'zeta']);
  assert.deepEqual(await harness.list('metadata'), ['app', 'app/', 'team/', 'zeta']);
  assert.deepEqual(await harness.list('metadata/app'), ['db', 'web/']);
  assert.deepEqual(await harness.list('metadata/', { after: 'app', limit: 2 }), ['app/', 'team/']);
  assert.deepEqual(await harness.list('metadata/none/'), []);
});

test('a detailed list has the metadata beside the names', async () => {
  const harness = await open();
  const data = (await harness.request('list', 'detailed-metadata/'))?.data;
  assert.deepEqual(data?.keys, ['app', 'app/', 'team/', 'zeta']);
  const info = data?.key_info as Record<string, UnknownRecord>;
  assert.deepEqual(Object.keys(info), ['app', 'zeta']);
  assert.equal(info.app?.current_version, 1);
});

test('a scan names everything below, in pages', async () => {
  const harness = await open();
  const scan = async (path: string, data = {}) => (await harness.request('scan', path, data))?.data?.keys;
  assert.deepEqual(await scan('metadata/'), PATHS);
  assert.deepEqual(await scan('metadata/app'), ['db', 'web/cookie']);
  assert.deepEqual(await scan('metadata/', { limit: 2 }), PATHS.slice(0, 2));
  assert.deepEqual(await scan('metadata/', { limit: 2, after: 'app/db' }), PATHS.slice(2, 4));
  await assert.rejects(scan('metadata/', { after: 'zeta' }), { code: 'not_found' });
  const detailed = await harness.request('scan', 'detailed-metadata/app/');
  assert.deepEqual(Object.keys(detailed?.data?.key_info as object), ['db', 'web/cookie']);
});

test('a scan shows only what the caller could list or read', async () => {
  const harness = await open();
  const scan = async (...granted: string[]) => {
    const reply = await harness.as(only(...granted)).request('scan', 'metadata/');
    return reply?.data?.keys;
  };
  assert.deepEqual(await scan('list metadata/app/'), ['app/db']);
  assert.deepEqual(await scan('scan metadata/app/web/', 'read data/zeta'), ['app/web/cookie', 'zeta']);
  await assert.rejects(scan(), { code: 'not_found' });
});

test('search finds by path and by custom metadata', async () => {
  const harness = await open();
  await harness.write('metadata/zeta', { custom_metadata: { owner: 'Ada', tier: '1' } });
  await harness.write('metadata/app/db', { custom_metadata: { owner: 'Ada', tier: '2' } });
  const search = async (data: UnknownRecord) => (await harness.read('search', data))?.data?.keys;
  assert.deepEqual(await search({ query: 'APP' }), ['app', 'app/db', 'app/web/cookie']);
  assert.deepEqual(await search({ query: 'ada' }), ['app/db', 'zeta']);
  assert.deepEqual(await search({ custom_metadata: 'owner=Ada,tier=1' }), ['zeta']);
  assert.deepEqual(await search({ prefix: 'app', query: 'o' }), ['app/db', 'app/web/cookie']);
  assert.deepEqual(await search({ query: 'secret of' }), []);
  assert.deepEqual(await search({ custom_metadata: { constructor: 'x' } }), []);
  const written = await harness.write('search', { custom_metadata: { owner: 'Ada' } });
  assert.deepEqual(written?.data?.keys, ['app/db', 'zeta']);
  await assert.rejects(search({ limit: 0 }), { code: 'invalid_request' });
});

test('search goes on where it stopped', async () => {
  const harness = await open();
  const first = (await harness.read('search', { limit: 3 }))?.data;
  assert.deepEqual(first?.keys, PATHS.slice(0, 3));
  const second = (await harness.read('search', { limit: 3, after: first?.next }))?.data;
  assert.deepEqual(second?.keys, PATHS.slice(3));
  assert.equal(second?.next, undefined);
});

test('search looks at a limited number of secrets at a time and still finds the last', async () => {
  const harness = openEngine(kv, { options: { version: '2' } });
  for (let i = 0; i < 4500; i++) await harness.write(`metadata/n${i}`, { max_versions: 1 });
  await harness.write('metadata/wanted', { max_versions: 1 });
  let requests = 0;
  let after: unknown;
  const found: unknown[] = [];
  do {
    const data = (await harness.read('search', { query: 'wanted', after }))?.data;
    found.push(...((data?.keys ?? []) as string[]));
    after = data?.next;
    requests++;
  } while (after !== undefined);
  assert.deepEqual([found, requests], [['wanted'], 3]);
});

test('search tells only what the caller may know', async () => {
  const harness = await open();
  await harness.write('metadata/zeta', { custom_metadata: { owner: 'Ada' } });
  const search = async (data: UnknownRecord, ...granted: string[]) =>
    (await harness.as(only(...granted)).read('search', data))?.data;
  assert.deepEqual((await search({ query: '' }))?.keys, []);
  assert.deepEqual((await search({ query: 'zeta' }, 'read data/zeta'))?.keys, ['zeta']);
  assert.deepEqual((await search({ query: 'ada' }, 'read data/zeta', 'list metadata/'))?.keys, []);
  assert.deepEqual((await search({ query: 'ada' }, 'read metadata/zeta'))?.keys, ['zeta']);
});
