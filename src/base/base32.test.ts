import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromBase32, toBase32 } from './base32.ts';

test('the vectors of RFC 4648, and back', () => {
  for (const [text, encoded] of [
    ['', ''],
    ['f', 'MY'],
    ['fo', 'MZXQ'],
    ['foo', 'MZXW6'],
    ['foob', 'MZXW6YQ'],
    ['fooba', 'MZXW6YTB'],
    ['foobar', 'MZXW6YTBOI'],
  ] as const) {
    assert.equal(toBase32(Buffer.from(text)), encoded);
    assert.equal(fromBase32(encoded)?.toString(), text);
  }
  assert.equal(fromBase32('mzxw6===')?.toString(), 'foo');
  for (const wrong of ['M1', 'MZ XQ', 'é']) assert.equal(fromBase32(wrong), undefined);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      assert.deepEqual(fromBase32(toBase32(bytes)), Buffer.from(bytes));
    }),
  );
});
