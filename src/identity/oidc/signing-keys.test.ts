import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { seededRandom } from '../../base/random.ts';
import { ALGORITHMS, halfHash, newKeyPair } from './algorithms.ts';
import type { SigningKey } from './records.ts';
import {
  cacheSeconds,
  firstPairs,
  jwks,
  mayUse,
  publishedKeys,
  rotated,
  signClaims,
} from './signing-keys.ts';

const random = seededRandom(1);

test('a token of each algorithm is verified by the published keys', async () => {
  for (const algorithm of ALGORITHMS) {
    const pairs = await firstPairs({ algorithm, rotationPeriod: 60 }, { random, nowMs: 0 });
    const key: SigningKey = {
      name: 'k',
      algorithm,
      rotationPeriod: 60,
      verificationTtl: 60,
      allowedClientIds: [],
      pairs,
    };
    const token = await signClaims(algorithm, pairs.current, { sub: 'ann' });
    const published = jwks(publishedKeys([key], 0));
    assert.doesNotMatch(JSON.stringify(published), /"[dpq]":/);
    const { payload } = await jwtVerify(token, createLocalJWKSet(published as never));
    assert.equal(payload.sub, 'ann', algorithm);
  }
});

test('rotation publishes what signed before for its time, and forgets the private half', async () => {
  const pairs = await firstPairs({ algorithm: 'ES256', rotationPeriod: 100 }, { random, nowMs: 0 });
  const key = {
    name: 'k',
    algorithm: 'ES256',
    rotationPeriod: 100,
    verificationTtl: 50,
    allowedClientIds: ['*'],
    pairs,
  } as const;
  const next = rotated(key, await newKeyPair('ES256', random), { nowMs: 100_000 });
  assert.equal(next.pairs?.current.kid, pairs.next.kid);
  assert.equal(next.pairs?.rotateAtMs, 200_000);
  const kids = (nowMs: number) => publishedKeys([next], nowMs).map(({ kid }) => kid);
  assert.ok(kids(149_999).includes(pairs.current.kid));
  assert.ok(!kids(150_000).includes(pairs.current.kid));
  assert.ok(!JSON.stringify(next).includes(JSON.stringify(pairs.current.privateKey)));
  assert.equal(cacheSeconds([next], 150_000), 50);
  const gone = rotated(next as never, await newKeyPair('ES256', random), { nowMs: 1, verificationTtl: 0 });
  assert.ok(!publishedKeys([gone], 1).some(({ kid }) => kid === next.pairs?.current.kid));
});

test('who may use a key', () => {
  assert.ok(mayUse({ allowedClientIds: ['*'] }, 'a'));
  assert.ok(mayUse({ allowedClientIds: ['a'] }, 'a'));
  assert.ok(!mayUse({ allowedClientIds: [] }, 'a'));
});

test('at_hash is the left half of the hash of the signature algorithm', () => {
  const expected = createHash('sha256').update('token').digest().subarray(0, 16).toString('base64url');
  assert.equal(halfHash('RS256', 'token'), expected);
  assert.equal(Buffer.from(halfHash('EdDSA', 'token'), 'base64url').length, 32);
});
