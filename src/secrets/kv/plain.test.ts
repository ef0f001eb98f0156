import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openEngine } from '../../engine/testing.ts';
import { kv } from './engine.ts';

test('a value comes out as it went in, with everything in it', async () => {
  const harness = openEngine(kv);
  const data = JSON.parse(
    '{"a": 1, "path": "x", "limit": "no number", "__proto__": {"b": null}, "c": [true]}',
  );
  assert.equal(await harness.write('team/app', data), undefined);
  const reply = await harness.read('team/app');
  assert.equal(JSON.stringify(reply?.data), JSON.stringify(data));
  assert.equal(reply?.lease, undefined);
  assert.equal(reply?.leaseDuration, 2_764_800);
});

test('ttl, or else lease, says how soon to read again', async () => {
  const harness = openEngine(kv);
  for (const [data, seconds] of [
    [{ ttl: '1h' }, 3600],
    [{ lease: 30 }, 30],
    [{ ttl: '2m', lease: '1h' }, 120],
    [{ ttl: 'whenever' }, 2_764_800],
    [{ ttl: -5 }, 2_764_800],
  ] as const) {
    await harness.write('a', data);
    assert.equal((await harness.read('a'))?.leaseDuration, seconds);
  }
});

test('lists name what lies in a folder, in pages', async () => {
  const harness = openEngine(kv);
  for (const path of ['foo', 'foo/bar', 'foo/baz/qux', 'zip']) await harness.write(path, { a: 1 });
  assert.deepEqual(await harness.list(''), ['foo', 'foo/', 'zip']);
  assert.deepEqual(await harness.list('foo'), ['bar', 'baz/']);
  assert.deepEqual(await harness.list('foo/'), ['bar', 'baz/']);
  assert.deepEqual(await harness.list('', { after: 'foo', limit: '1' }), ['foo/']);
  await assert.rejects(harness.request('list', 'nothing/'), { code: 'not_found' });
  await assert.rejects(harness.request('list', '', { limit: -1 }), { code: 'invalid_request' });
});

test('a scan goes through all folders and shows what the caller may see', async () => {
  const harness = openEngine(kv);
  for (const path of ['a', 'b/c', 'b/d/e', 'x/y']) await harness.write(path, { a: 1 });
  assert.deepEqual((await harness.request('scan', ''))?.data?.keys, ['a', 'b/c', 'b/d/e', 'x/y']);
  const some = harness.as({ allowed: (operation, path) => operation === 'read' && path === 'b/d/e' });
  assert.deepEqual((await some.request('scan', 'b/'))?.data?.keys, ['d/e']);
});

test('deletion is quiet and final; what is not there is 404', async () => {
  const harness = openEngine(kv);
  await harness.write('a', { b: 1 });
  assert.equal(await harness.delete('a'), undefined);
  assert.equal(await harness.delete('a'), undefined);
  await assert.rejects(harness.read('a'), { code: 'not_found' });
  await assert.rejects(harness.read('a/'), { code: 'invalid_request' });
  await assert.rejects(harness.write('a', {}), { message: 'missing data fields' });
});

test('mount options are checked, and a mount does not go back', () => {
  assert.throws(() => kv.checkOptions?.({ version: '3' }), { code: 'invalid_request' });
  assert.throws(() => kv.checkOptions?.({}, { version: '2' }), { code: 'invalid_request' });
  kv.checkOptions?.({ version: '2' }, { version: '1' });
});
