import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Harness, openEngine } from '../../engine/testing.ts';
import { kv } from './engine.ts';

const open = (): Harness => openEngine(kv, { options: { version: '2' } });
const metadata = async (harness: Harness, path = 'a') => (await harness.read(`metadata/${path}`))?.data ?? {};

test('metadata as the API shows it', async () => {
  const harness = open();
  await harness.write('data/a', { data: {} });
  harness.clock.advance(1000);
  await harness.write('metadata/a', { custom_metadata: { owner: 'jdoe' }, delete_version_after: '3h25m19s' });
  assert.deepEqual(JSON.parse(JSON.stringify(await metadata(harness))), {
    cas_required: false,
    created_time: '2023-11-14T22:13:20.000000000Z',
    current_metadata_version: 1,
    current_version: 1,
    custom_metadata: { owner: 'jdoe' },
    delete_version_after: '3h25m19s',
    max_versions: 0,
    metadata_cas_required: false,
    oldest_version: 0,
    updated_time: '2023-11-14T22:13:21.000000000Z',
    versions: {
      '1': { created_time: '2023-11-14T22:13:20.000000000Z', deletion_time: '', destroyed: false },
    },
  });
  await assert.rejects(harness.read('metadata/b'), { code: 'not_found' });
});

test('metadata can come first, and goes with everything', async () => {
  const harness = open();
  await harness.write('metadata/a', { max_versions: 3 });
  assert.equal((await metadata(harness)).current_version, 0);
  await assert.rejects(harness.read('data/a'), { code: 'not_found' });
  await harness.write('data/a', { data: {}, options: { cas: 0 } });
  await harness.delete('metadata/a');
  await harness.delete('metadata/a');
  assert.deepEqual([...harness.records.entries()], []);
});

test('custom metadata has its limits', async () => {
  const harness = open();
  const write = (custom_metadata: unknown) => harness.write('metadata/a', { custom_metadata });
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));
  await write(many(64));
  for (const [given, text] of [
    [many(65), /at most 64 keys, provided 65/],
    [{ ['k'.repeat(129)]: 'v' }, /is 129 but max allowed is 128/],
    [{ k: 'v'.repeat(513) }, /is 513 but max allowed is 512/],
    [{ k: 'ü'.repeat(257) }, /is 514/],
    [{ '': 'v' }, /is 0/],
    [{ k: 1 }, /must be a string/],
    [{ k: 'a\u0000b' }, /unprintable/],
  ] as const) {
    await assert.rejects(write(given), { code: 'invalid_request', message: text });
  }
  assert.equal(Object.keys((await metadata(harness)).custom_metadata as object).length, 64);
  await write({});
  assert.equal((await metadata(harness)).custom_metadata, null);
});

test('a patch changes what it names and clears what is null', async () => {
  const harness = open();
  const patch = (data: Record<string, unknown>) => harness.request('patch', 'metadata/a', data);
  await assert.rejects(patch({ max_versions: 3 }), { code: 'not_found' });
  await harness.write('metadata/a', {
    max_versions: 5,
    cas_required: true,
    custom_metadata: { a: '1', b: '2' },
  });
  await patch({ max_versions: null, custom_metadata: { a: null, c: '3' } });
  const after = await metadata(harness);
  assert.equal(after.max_versions, 0);
  assert.equal(after.cas_required, true);
  assert.equal(JSON.stringify(after.custom_metadata), '{"b":"2","c":"3"}');
  await patch({ custom_metadata: null });
  assert.equal((await metadata(harness)).custom_metadata, null);
});

test('bad settings and settings without effect', async () => {
  const harness = open();
  await assert.rejects(harness.write('metadata/a', { max_versions: -1 }), { code: 'invalid_request' });
  await assert.rejects(harness.write('metadata/a', { delete_version_after: '-1h' }), {
    code: 'invalid_request',
  });
  await assert.rejects(harness.write('config', { max_versions: -1 }), { code: 'invalid_request' });
  await harness.write('config', { cas_required: true });
  const reply = await harness.write('metadata/a', { cas_required: false });
  assert.deepEqual(reply?.warnings, [
    '"cas_required" set to false, but is mandated by backend config. This value will be ignored.',
  ]);
});

test('metadata has its own check-and-set', async () => {
  const harness = open();
  const write = (data: Record<string, unknown>) => harness.write('metadata/a', data);
  const owner = { custom_metadata: { owner: 'x' } };
  await harness.write('data/a', { data: {} });
  assert.equal((await metadata(harness)).current_metadata_version, 0);
  await assert.rejects(write({ ...owner, metadata_cas: 1 }), { code: 'invalid_request' });
  await write({ ...owner, metadata_cas: 0, metadata_cas_required: true });
  await assert.rejects(write(owner), { code: 'invalid_request' });
  await write({ metadata_cas: 999 });
  assert.equal((await metadata(harness)).current_metadata_version, 1);
  await harness.request('patch', 'metadata/a', { metadata_cas: 1, custom_metadata: { team: 'y' } });
  assert.equal((await metadata(harness)).current_metadata_version, 2);
});

test('configuration is read back', async () => {
  const harness = open();
  const before = {
    cas_required: false,
    delete_version_after: '0s',
    max_versions: 0,
    metadata_cas_required: false,
  };
  assert.deepEqual((await harness.read('config'))?.data, before);
  await harness.write('config', { max_versions: '5', delete_version_after: '3h25m19s' });
  assert.deepEqual((await harness.read('config'))?.data, {
    ...before,
    max_versions: 5,
    delete_version_after: '3h25m19s',
  });
});
