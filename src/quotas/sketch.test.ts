import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Sketch } from './sketch.ts';

test('a sketch with room counts exactly', () => {
  const sketch = new Sketch(3);
  for (const key of ['a', 'b', 'a']) sketch.add(key);
  assert.ok(sketch.exact);
  assert.deepEqual(sketch.top(), [
    { key: 'a', count: 2, error: 0 },
    { key: 'b', count: 1, error: 0 },
  ]);
});

test('a sketch says how often at least and at most, and misses nobody who is often there', () => {
  const keysMax = 5;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 300 }), (seen) => {
      const sketch = new Sketch(keysMax);
      const counts = new Map<string, number>();
      for (const key of seen.map(String)) {
        sketch.add(key);
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      const top = sketch.top();
      assert.ok(top.length <= keysMax);
      for (const { key, count, error } of top) {
        const actual = counts.get(key) ?? 0;
        assert.ok(actual <= count && actual >= count - error, `${key}: ${actual} of ${count}-${error}`);
      }
      for (const [key, count] of counts) if (count > seen.length / keysMax) assert.ok(sketch.get(key), key);
    }),
  );
});
