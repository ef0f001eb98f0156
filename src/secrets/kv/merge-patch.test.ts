import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { UnknownRecord } from '../../base/json.ts';
import { mergePatch } from './merge-patch.ts';

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const object = fc.dictionary(fc.string({ maxLength: 3 }), fc.jsonValue({ maxDepth: 3 }));

test('the examples of RFC 7386 whose ends are objects', () => {
  for (const [target, patch, result] of [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ] as const) {
    assert.deepEqual(plain(mergePatch(target, patch)), result);
  }
});

test('patching twice is patching once, and neither side is changed', () => {
  fc.assert(
    fc.property(object, object, (target: UnknownRecord, patch: UnknownRecord) => {
      const before = JSON.stringify([target, patch]);
      const once = mergePatch(target, patch);
      assert.deepEqual(plain(mergePatch(once, patch)), plain(once));
      assert.equal(JSON.stringify([target, patch]), before);
    }),
  );
});
