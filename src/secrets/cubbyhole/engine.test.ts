import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { engineConformance } from '../../engine/conformance.ts';
import { missingOperations } from '../../engine/public-operations.ts';
import { openEngine, testCaller } from '../../engine/testing.ts';
import { cubbyhole } from './engine.ts';

const other = { ...testCaller, tokenKey: 'token-key-of-tester/a' };

test('each token has its own place', async () => {
  const mine = openEngine(cubbyhole);
  const theirs = mine.as({ caller: other });
  await mine.write('a/b', { value: 'mine', path: 'kept' });
  await theirs.write('a/b', { value: 'theirs' });
  assert.deepEqual((await mine.read('a/b'))?.data, { value: 'mine', path: 'kept' });
  assert.deepEqual(await mine.list(''), ['a/']);
  assert.deepEqual(await mine.list('a'), ['b']);
  await mine.delete('a/b');
  await assert.rejects(mine.read('a/b'), { code: 'not_found' });
  assert.deepEqual((await theirs.read('a/b'))?.data, { value: 'theirs' });
});

test('it goes with the token', async () => {
  const mine = openEngine(cubbyhole);
  const theirs = mine.as({ caller: other });
  await mine.write('a', { value: 'mine' });
  await theirs.write('a', { value: 'theirs' });
  mine.forgetToken(testCaller.tokenKey);
  await assert.rejects(mine.read('a'), { code: 'not_found' });
  assert.deepEqual((await theirs.read('a'))?.data, { value: 'theirs' });
});

test('batch tokens have none', async () => {
  const batch = openEngine(cubbyhole, { caller: { ...testCaller, tokenType: 'batch' } });
  const refused = { message: 'cubbyhole operations are only supported by "service" type tokens' };
  await assert.rejects(batch.write('a', { b: 1 }), refused);
  await assert.rejects(batch.read('a'), refused);
});

test('an empty write and a folder are refused', async () => {
  const mine = openEngine(cubbyhole);
  await assert.rejects(mine.write('a', {}), { message: 'missing data fields' });
  await assert.rejects(mine.read(''), { code: 'invalid_request' });
});

test('serves every public operation', () => {
  const table = readFileSync(new URL('operations.tsv', import.meta.url), 'utf8');
  const { paths } = openEngine(cubbyhole).engine;
  assert.deepEqual(missingOperations(paths, { table, mountPath: 'cubbyhole/' }), []);
});

engineConformance('cubbyhole', {
  type: cubbyhole,
  samples: [
    { path: 'team/app', data: { user: 'ada' } },
    { path: 'team', data: { n: 1 } },
  ],
});
