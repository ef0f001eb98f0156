import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { test } from 'node:test';
import { derElements, derOfPem, derSequence, integer, octetString, pemOfDer, sequence } from './der.ts';
import { derFromRaw, rawFromDer } from './ecdsa-encoding.ts';

test('what is put together is taken apart, of any length', () => {
  for (const length of [0, 1, 127, 128, 255, 256, 65535, 65536]) {
    const content = randomBytes(length);
    const [element] = derSequence(sequence(octetString(content))) ?? [];
    assert.deepEqual(element?.content, content);
    const der = octetString(content);
    assert.deepEqual(derOfPem(`text\n${pemOfDer(der, 'THING')}text`, 'THING'), der);
  }
});

test('what is no DER is refused', () => {
  for (const bad of [
    '30',
    '3001',
    '3080',
    '308100',
    '30817f',
    '30820080',
    '3f0100',
    '3085ffffffffff',
    '300102',
  ])
    assert.equal(derSequence(Buffer.from(bad, 'hex')), undefined, bad);
  assert.equal(derElements(Buffer.from('0401', 'hex')), undefined);
  assert.equal(derOfPem('-----BEGIN A-----\n*\n-----END A-----', 'A'), undefined);
  assert.equal(derOfPem('-----BEGIN A-----\nAAAA', 'A'), undefined);
});

test('ECDSA signatures of OpenSSL go over to r || s and back', () => {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-521' });
  for (let n = 0; n < 50; n++) {
    const der = sign('sha256', Buffer.from([n]), key);
    const raw = rawFromDer(der, 66);
    assert.ok(raw);
    assert.deepEqual(derFromRaw(raw), der);
  }
  for (const bad of [
    '',
    '30060201010201',
    '3006020101020181',
    '300702010102020001',
    '3009020101020101020101',
    '3006040101020101',
  ])
    assert.equal(rawFromDer(Buffer.from(bad, 'hex'), 32), undefined, bad);
  assert.equal(rawFromDer(sequence(integer(Buffer.alloc(33, 1)), integer(Buffer.from([1]))), 32), undefined);
});
