import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidRequest } from '../base/errors.ts';
import { seededRandom, systemRandom } from '../base/random.ts';
import { checkShareCounts, collectShares, combineShares, decodeShare, splitKey } from './shares.ts';

test('any threshold of shares gives the key, in any order', async () => {
  const random = seededRandom(1);
  const count = fc
    .integer({ min: 2, max: 7 })
    .chain((shares) =>
      fc.tuple(fc.constant(shares), fc.integer({ min: 2, max: shares }), fc.integer({ min: 0, max: 1e6 })),
    );
  await fc.assert(
    fc.asyncProperty(count, async ([shares, threshold, seed]) => {
      const key = random.bytes(32);
      const parts = await splitKey(key, { shares, threshold });
      assert.equal(parts.length, shares);
      for (const part of parts) assert.equal(part.length, 33);
      const shuffled = shuffle(parts, seed).slice(0, threshold);
      assert.deepEqual(await combineShares(shuffled), key);
      if (threshold > 2) assert.notDeepEqual(await combineShares(shuffled.slice(1)), key);
    }),
    { numRuns: 40 },
  );
});

test('shares of other implementations combine: x coordinate last, polynomial 0x11b', async () => {
  // A line through 'A'x32: each byte is 0x41 + 0x53·x; at x = 1 0x12, at x = 2 0x41 ^ 0xa6 = 0xe7.
  const shares = [
    [0x12, 1],
    [0xe7, 2],
  ].map(([y, x]) => Buffer.concat([Buffer.alloc(32, y), Buffer.from([x!])]));
  assert.equal((await combineShares(shares)).toString('latin1'), 'A'.repeat(32));
});

test('one of one is a copy of the key', async () => {
  const key = systemRandom.bytes(32);
  const [share] = await splitKey(key, { shares: 1, threshold: 1 });
  assert.deepEqual(share, key);
  assert.notEqual(share, key);
  assert.deepEqual(await combineShares([share!]), key);
});

test('counts that cannot be are refused', () => {
  for (const [shares, threshold, text] of [
    [0, 1, 'shares must be at least one'],
    [1, 0, 'threshold must be at least one'],
    [2, 3, 'threshold cannot be larger than shares'],
    [2, 1, 'threshold must be greater than one for multiple shares'],
    [256, 3, 'shares must be at most 255'],
    [2.5, 2, 'shares must be at least one'],
  ] as const) {
    assert.throws(() => checkShareCounts({ shares, threshold }), { name: 'InvalidRequest', message: text });
  }
});

test('shares are read from hex and base64, and from nothing else', () => {
  const share = systemRandom.bytes(33);
  const key = systemRandom.bytes(32);
  for (const bytes of [share, key]) {
    assert.deepEqual(decodeShare(bytes.toString('hex')), bytes);
    assert.deepEqual(decodeShare(` ${bytes.toString('base64')}\n`), bytes);
    assert.deepEqual(decodeShare(bytes.toString('base64').replace('=', '')), bytes);
  }
  assert.throws(() => decodeShare('not a key!'), /must be a valid hex or base64 string/);
  assert.throws(() => decodeShare(''), InvalidRequest);
  assert.throws(() => decodeShare('asdf'), /shorter than minimum/);
  assert.throws(() => decodeShare('00'.repeat(34)), /longer than maximum/);
});

test('shares that cannot belong together are an invalid key', async () => {
  const [a, b] = await splitKey(systemRandom.bytes(32), { shares: 2, threshold: 2 });
  const other = Buffer.from(a!);
  other[0]! ^= 1;
  for (const shares of [[a!, other], [a!, b!.subarray(1)], [a!], [], [a!, Buffer.alloc(33)]]) {
    await assert.rejects(combineShares(shares), { message: 'Unseal failed, invalid key' });
  }
});

test('a collector counts each share once, gives the key at the threshold and starts over', async () => {
  const key = systemRandom.bytes(32);
  const shares = await splitKey(key, { shares: 3, threshold: 2 });
  const collector = collectShares({ thresholds: [2], random: systemRandom });
  assert.deepEqual([collector.progress, collector.nonce], [0, '']);
  assert.equal(await collector.submit(shares[0]!.toString('hex')), undefined);
  const { nonce } = collector;
  assert.match(nonce, /^[0-9a-f-]{36}$/);
  assert.equal(await collector.submit(shares[0]!.toString('base64')), undefined);
  assert.deepEqual([collector.progress, collector.nonce], [1, nonce]);
  await assert.rejects(collector.submit('zz'), InvalidRequest);
  assert.equal(collector.progress, 1);
  assert.deepEqual(await collector.submit(shares[2]!.toString('hex')), key);
  assert.deepEqual([collector.progress, collector.nonce], [0, '']);
  await collector.submit(shares[1]!.toString('hex'));
  collector.reset();
  assert.deepEqual([collector.progress, collector.nonce], [0, '']);
});

function shuffle<T>(items: readonly T[], seed: number): T[] {
  const random = seededRandom(seed);
  return items
    .map((item) => ({ item, order: random.below(2 ** 31) }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
