import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findOperation, requestData } from './dispatch.ts';
import { type EngineType, path } from './engine.ts';
import { integer, lowerCase, name, restOfPath, text } from './fields.ts';
import { PathTable } from './router.ts';
import { openEngine } from './testing.ts';

const sample: EngineType = {
  type: 'sample',
  class: 'secret',
  summary: 'For this test.',
  open: () => ({
    paths: [
      path({
        pattern: 'things/{name}',
        summary: 'A thing.',
        fields: {
          name: name('Which.'),
          size: integer({ description: 'How big.', required: true }),
          note: text({ description: 'Anything.' }),
        },
        exists: (context, input) => context.view.get(input.name) !== undefined,
        operations: {
          read: { handler: (context, { name }) => ({ data: { stored: context.view.get(name) } }) },
          write: {
            handler: (context, { name, size }) => {
              context.view.put(name, { size });
              if (size < 0) throw new Error('too late');
              return { data: { name, operation: context.request.operation } };
            },
          },
        },
      }),
      path({
        pattern: 'free/{path...}',
        summary: 'Anything goes.',
        fields: { path: restOfPath('Where.') },
        freeForm: true,
        operations: { write: { handler: (context) => ({ data: { ...context.request.data } }) } },
      }),
      path({
        pattern: 'slow',
        summary: 'Breaks the rule.',
        fields: {},
        operations: { read: { handler: async () => undefined } },
      }),
    ],
  }),
};

test('a write is a create until the thing exists', async () => {
  const harness = openEngine(sample);
  assert.equal((await harness.write('things/a', { size: 1 }))?.data?.operation, 'create');
  assert.equal((await harness.write('things/a', { size: 2 }))?.data?.operation, 'update');
});

test('what the path says wins, and unknown parameters are named', async () => {
  const harness = openEngine(sample);
  const reply = await harness.write('things/a', { size: '3', name: 'b', zeta: 1, alpha: 2 });
  assert.equal(reply?.data?.name, 'a');
  assert.deepEqual(reply?.warnings, [
    'Endpoint ignored these unrecognized parameters: [alpha zeta]',
    "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [name]",
  ]);
});

test('required parameters are asked of writes only', async () => {
  const harness = openEngine(sample);
  await assert.rejects(harness.write('things/a'), { code: 'invalid_request', message: 'missing size' });
  assert.ok(await harness.read('things/a'));
});

test('unknown paths and operations, bad values, writes to a folder', async () => {
  const harness = openEngine(sample);
  await assert.rejects(harness.read('nothing'), { code: 'unsupported_path' });
  await assert.rejects(harness.delete('things/a'), { code: 'unsupported_operation' });
  await assert.rejects(harness.write('things/a', { size: {} }), { code: 'invalid_request' });
  await assert.rejects(harness.write('free/a/'), { message: "cannot write to a path ending in '/'" });
});

test('free-form paths keep everything and warn of nothing', async () => {
  const data = JSON.parse('{"__proto__": {"admin": true}, "path": "x", "other": null}');
  const reply = await openEngine(sample).write('free/a/b', data);
  assert.equal(JSON.stringify(reply?.data), JSON.stringify(data));
  assert.equal(reply?.warnings, undefined);
});

test('a failed request leaves nothing behind', async () => {
  const harness = openEngine(sample);
  await assert.rejects(harness.write('things/a', { size: -1 }), /too late/);
  assert.deepEqual((await harness.read('things/a'))?.data, { stored: undefined });
});

test('an asynchronous handler must be marked', async () => {
  await assert.rejects(openEngine(sample).read('slow'), /not marked "outside"/);
});

test('parameters of reads and deletions are in the query, others in the body', () => {
  const sent = { query: { q: 1 }, body: { b: 1 } };
  assert.equal(requestData('read', sent), sent.query);
  assert.equal(requestData('delete', sent), sent.query);
  assert.equal(requestData('patch', sent), sent.body);
  assert.deepEqual(requestData('update', { query: { q: 1 }, body: undefined }), {});
});

test('every spelling of a path has the same canonical one', () => {
  const fields = { name: name('Which.', { canonical: lowerCase }), path: restOfPath('Where.') };
  const operations = { read: { handler: () => undefined }, list: { handler: () => undefined } };
  const table = new PathTable([
    path({ pattern: 'things/{name}', summary: 'A thing.', fields: { name: fields.name }, operations }),
    path({ pattern: 'free/{path...}', summary: 'A tree.', fields: { path: fields.path }, operations }),
  ]);
  const canonical = (requestPath: string, operation: 'read' | 'list' = 'read') =>
    findOperation(table, requestPath, operation).canonicalPath;
  for (const spelled of ['things/ann', 'things/ANN', 'things/Ann/'])
    assert.equal(canonical(spelled), 'things/ann');
  assert.equal(canonical('things/ANN', 'list'), 'things/ann/');
  assert.equal(canonical('free/Ann/'), 'free/Ann/', 'in a tree a slash makes another key');
  assert.equal(canonical('elsewhere/Ann/'), 'elsewhere/Ann/');
});
