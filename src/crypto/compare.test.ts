import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { equalSecrets } from './compare.ts';

test('equal text and bytes are equal, in any mix', () => {
  assert.equal(equalSecrets('tökén', 'tökén'), true);
  assert.equal(equalSecrets('abc', Buffer.from('abc')), true);
  assert.equal(equalSecrets('', ''), true);
});

test('different content or length is different', () => {
  assert.equal(equalSecrets('abc', 'abd'), false);
  assert.equal(equalSecrets('abc', 'ab'), false);
  assert.equal(equalSecrets('', 'a'), false);
});

test('agrees with ordinary equality of bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ maxLength: 4 }), (a, b) => {
      assert.equal(equalSecrets(a, b), Buffer.compare(a, b) === 0);
    }),
  );
});
