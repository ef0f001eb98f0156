import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Harness, openEngine } from '../../engine/testing.ts';
import { kv } from './engine.ts';

const VERSIONED = { options: { version: '2' } };
const UNAVAILABLE = {
  code: 'invalid_request',
  message:
    'Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will resume service shortly.',
};

async function upgraded(count: number, persisted?: () => void): Promise<Harness> {
  const plain = openEngine(kv, persisted ? { persisted } : {});
  for (let i = 0; i < count; i++) await plain.write(`folder/${i}`, { i });
  return plain.reopen(VERSIONED);
}

test('a mount of version 1 becomes one of version 2, unavailable meanwhile', async () => {
  const harness = await upgraded(450);
  await assert.rejects(harness.read('data/folder/7'), UNAVAILABLE);
  await assert.rejects(harness.write('data/new', { data: {} }), UNAVAILABLE);
  await harness.runPeriodic();
  const reply = await harness.read('data/folder/7');
  assert.deepEqual(reply?.data?.data, { i: 7 });
  assert.equal((await harness.list('metadata/folder/')).length, 450);
  assert.equal([...harness.records.entries()].filter(([key]) => key.startsWith('plain/')).length, 0);
});

test('an upgrade cut off anywhere goes on after the restart', async () => {
  const cut = new Error('power is gone');
  let commits = 0;
  const harness = await upgraded(450, () => {
    if (++commits === 2) throw cut;
  });
  await assert.rejects(harness.runPeriodic(), cut);
  const again = await harness.reopen();
  await assert.rejects(again.read('data/folder/449'), UNAVAILABLE);
  await again.runPeriodic();
  for (const i of [0, 100, 449]) {
    assert.deepEqual((await again.read(`data/folder/${i}`))?.data?.data, { i });
    assert.equal((await again.read(`metadata/folder/${i}`))?.data?.current_version, 1);
  }
});

test('a secret that does not fit stays behind and does not stop the others', async () => {
  const plain = openEngine(kv);
  const long = 'x'.repeat(1792);
  await plain.write(long, { a: 1 });
  await plain.write('short', { b: 2 });
  const harness = await plain.reopen(VERSIONED);
  await harness.runPeriodic();
  assert.deepEqual((await harness.read('data/short'))?.data?.data, { b: 2 });
  assert.ok(harness.records.view().get(`plain/${long}`));
});

test('a new mount of version 2 serves at once', async () => {
  const harness = openEngine(kv, VERSIONED);
  await harness.write('data/a', { data: {} });
});
