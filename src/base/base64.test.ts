import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { bytesOfBase64, bytesOfBase64Url } from './base64.ts';

test('what was encoded comes back, short and long, wrapped or not', () => {
  for (const length of [0, 1, 2, 3, 57, 191, 192, 193, 194, 1000, 1001, 1002]) {
    const bytes = randomBytes(length);
    const text = bytes.toString('base64');
    assert.deepEqual(bytesOfBase64(text), bytes);
    assert.deepEqual(bytesOfBase64(text.replaceAll(/(.{76})/g, '$1\r\n')), bytes);
    assert.deepEqual(bytesOfBase64Url(bytes.toString('base64url')), bytes);
  }
});

test('anything else is refused, short and long', () => {
  const long = 'A'.repeat(400);
  for (const bad of [
    'A',
    'AA',
    'AAA',
    'AA=A',
    'A===',
    '=',
    'AA A',
    'AA-_',
    'AAA\u00e9',
    'AAAA====',
    'AAAA=',
  ]) {
    assert.equal(bytesOfBase64(bad), undefined, bad);
    assert.equal(bytesOfBase64(long + bad), undefined, `long ${bad}`);
  }
  for (const bad of ['A', 'AA==', 'AA+/', 'AA A']) assert.equal(bytesOfBase64Url(bad), undefined, bad);
});
