import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnknownRecord } from '../../base/json.ts';
import type { Reply } from '../../engine/reply.ts';
import { type Harness, openEngine } from '../../engine/testing.ts';
import { kv } from './engine.ts';

const open = (): Harness => openEngine(kv, { options: { version: '2' } });

async function value(harness: Harness, path: string, version?: number): Promise<unknown> {
  return (await harness.read(path, version === undefined ? {} : { version }))?.data?.data;
}

test('each write is a version, and any kept one can be read', async () => {
  const harness = open();
  const first = await harness.write('data/a/b', { data: { n: 1 } });
  assert.deepEqual(first?.data, {
    created_time: '2023-11-14T22:13:20.000000000Z',
    custom_metadata: null,
    deletion_time: '',
    destroyed: false,
    version: 1,
  });
  await harness.write('data/a/b', { data: { n: 2 } });
  assert.deepEqual(await value(harness, 'data/a/b'), { n: 2 });
  assert.deepEqual(await value(harness, 'data/a/b', 1), { n: 1 });
  assert.deepEqual(await value(harness, 'data/a/b', 0), { n: 2 });
  await assert.rejects(harness.read('data/a/b', { version: 3 }), { code: 'not_found', message: '' });
  await assert.rejects(harness.read('data/a'), { code: 'not_found' });
  assert.equal((await harness.read('data/a/b'))?.leaseDuration, undefined);
});

test('a write without data is told so', async () => {
  await assert.rejects(open().write('data/a', { foo: 'bar' }), {
    code: 'invalid_request',
    message: 'no data provided',
  });
  await assert.rejects(open().write('data/a', { data: 'text' }), { code: 'invalid_request' });
});

test('check-and-set', async () => {
  const harness = open();
  const write = (cas: unknown) => harness.write('data/a', { data: {}, options: { cas } });
  const mismatch = { message: 'check-and-set parameter did not match the current version' };
  await assert.rejects(write(1), mismatch);
  await write(0);
  await assert.rejects(write(0), mismatch);
  await write('1');
  await assert.rejects(write('x'), { message: 'error parsing check-and-set parameter' });
  await harness.write('config', { cas_required: true });
  await assert.rejects(write(undefined), { message: 'check-and-set parameter required for this call' });
  await write(2);
  await harness.write('config', { cas_required: false });
  await harness.write('metadata/a', { cas_required: true });
  await assert.rejects(harness.request('patch', 'data/a', { data: { b: 1 } }), {
    message: 'check-and-set parameter required for this call',
  });
});

test('a patch merges, makes a version and needs something to patch', async () => {
  const harness = open();
  const patch = (data: unknown) => harness.request('patch', 'data/a', { data });
  await assert.rejects(patch({ b: 1 }), { code: 'not_found' });
  await harness.write('data/a', { data: { keep: 1, drop: 2, deep: { x: 1, y: 2 } } });
  assert.equal((await patch({ drop: null, deep: { y: 3 }, add: [null] }))?.data?.version, 2);
  assert.deepEqual(plain(await value(harness, 'data/a')), { keep: 1, deep: { x: 1, y: 3 }, add: [null] });
  await harness.delete('data/a');
  const gone = await patch({ b: 1 });
  assert.equal(gone?.status, 404);
  assert.equal(gone?.data?.data, null);
});

test('a deleted newest version is 404 with its metadata, and others stay', async () => {
  const harness = open();
  await harness.write('data/a', { data: { n: 1 } });
  await harness.write('data/a', { data: { n: 2 } });
  harness.clock.advance(1000);
  assert.equal(await harness.delete('data/a'), undefined);
  const reply = await harness.read('data/a');
  assert.equal(reply?.status, 404);
  assert.equal(reply?.data?.data, null);
  assert.equal(metadataOf(reply).deletion_time, '2023-11-14T22:13:21.000000000Z');
  assert.deepEqual(await value(harness, 'data/a', 1), { n: 1 });
  assert.equal(await harness.delete('data/missing'), undefined);
});

test('undelete, delete and destroy of versions', async () => {
  const harness = open();
  for (const n of [1, 2, 3]) await harness.write('data/a', { data: { n } });
  await harness.write('delete/a', { versions: [1, 2, 9] });
  assert.equal((await harness.read('data/a', { version: 1 }))?.status, 404);
  await harness.write('undelete/a', { versions: '1' });
  assert.deepEqual(await value(harness, 'data/a', 1), { n: 1 });
  await harness.write('destroy/a', { versions: ['1', 2] });
  await harness.write('undelete/a', { versions: [1, 2] });
  const reply = await harness.read('data/a', { version: 1 });
  assert.equal(reply?.status, 404);
  assert.equal(metadataOf(reply).destroyed, true);
  assert.deepEqual(await value(harness, 'data/a'), { n: 3 });
  assert.ok([...harness.records.entries()].every(([, json]) => !json.includes('"n":1')));
  await assert.rejects(harness.write('destroy/a', {}), { message: 'No version number provided' });
  await assert.rejects(harness.write('destroy/a', { versions: ['x'] }), { code: 'invalid_request' });
});

test('only max_versions are kept: the secret says more than the mount, the mount more than ten', async () => {
  const harness = open();
  const versions = async () =>
    Object.keys((await harness.read('metadata/a'))?.data?.versions as UnknownRecord).map(Number);
  for (let n = 1; n <= 12; n++) await harness.write('data/a', { data: { n } });
  assert.deepEqual(await versions(), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  await harness.write('config', { max_versions: 5 });
  await harness.write('data/a', { data: { n: 13 } });
  assert.deepEqual(await versions(), [9, 10, 11, 12, 13]);
  await harness.write('metadata/a', { max_versions: 2 });
  await harness.write('data/a', { data: { n: 14 } });
  assert.deepEqual(await versions(), [13, 14]);
  assert.equal((await harness.read('metadata/a'))?.data?.oldest_version, 13);
  await assert.rejects(harness.read('data/a', { version: 12 }), { code: 'not_found' });
  assert.equal([...harness.records.entries()].filter(([key]) => key.startsWith('versions/')).length, 2);
});

test('delete_version_after is fixed at the write and counts at the read', async () => {
  const harness = open();
  await harness.write('config', { delete_version_after: '1h' });
  await harness.write('metadata/a', { delete_version_after: '10m' });
  const written = await harness.write('data/a', { data: { n: 1 } });
  assert.equal(written?.data?.deletion_time, '2023-11-14T22:23:20.000000000Z');
  await harness.write('data/b', { data: { n: 1 } });
  harness.clock.advance(599_999);
  assert.deepEqual(await value(harness, 'data/a'), { n: 1 });
  harness.clock.advance(1);
  assert.equal((await harness.read('data/a'))?.status, 404);
  await harness.write('undelete/a', { versions: [1] });
  assert.deepEqual(await value(harness, 'data/a'), { n: 1 });
  harness.clock.advance(3_600_000);
  assert.equal((await harness.read('data/b'))?.status, 404);
  await harness.write('config', { delete_version_after: '-1s' });
  assert.equal((await harness.write('data/a', { data: {} }))?.data?.deletion_time, '');
});

test('subkeys show keys without values', async () => {
  const harness = open();
  await harness.write('data/a', {
    data: { foo: 'abc', bar: { baz: { deep: 'def' } }, quux: {}, list: [{ a: 1 }] },
  });
  const subkeys = async (data = {}) => plain((await harness.read('subkeys/a', data))?.data?.subkeys);
  assert.deepEqual(await subkeys(), { foo: null, bar: { baz: { deep: null } }, quux: null, list: null });
  assert.deepEqual(await subkeys({ depth: 1 }), { foo: null, bar: null, quux: null, list: null });
  assert.deepEqual(await subkeys({ depth: '2' }), { foo: null, bar: { baz: null }, quux: null, list: null });
  await assert.rejects(harness.read('subkeys/a', { depth: -1 }), { code: 'invalid_request' });
  await harness.delete('data/a');
  const gone = await harness.read('subkeys/a');
  assert.equal(gone?.status, 404);
  assert.equal(gone?.data?.subkeys, null);
});

test('a path without data/ is 404 with the known hint', async () => {
  const harness = open();
  for (const [operation, command] of [
    ['read', 'get'],
    ['update', 'put'],
    ['list', 'list'],
    ['delete', 'delete'],
  ] as const) {
    const reply = await harness.request(operation, 'my-secret', operation === 'update' ? { a: 1 } : {});
    assert.equal(reply?.status, 404);
    assert.deepEqual(reply?.warnings, [
      `Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv ${command}' for this operation.`,
    ]);
  }
});

test('members named like parts of a prototype are data', async () => {
  const harness = open();
  const data = JSON.parse('{"__proto__": {"admin": true}, "constructor": {"prototype": 1}}');
  await harness.write('data/a', { data });
  await harness.request('patch', 'data/a', { data: JSON.parse('{"__proto__": {"more": 1}}') });
  assert.equal(
    JSON.stringify(await value(harness, 'data/a')),
    '{"__proto__":{"admin":true,"more":1},"constructor":{"prototype":1}}',
  );
  assert.equal(({} as UnknownRecord).admin, undefined);
});

/** Without the null prototypes that stored objects may have. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function metadataOf(reply: Reply | undefined): UnknownRecord {
  return (reply?.data?.metadata ?? {}) as UnknownRecord;
}
