import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLifecycle } from '../../test/lifecycle.ts';
import { InvalidRequest, NotInitialized, Sealed } from '../base/errors.ts';
import { seededRandom } from '../base/random.ts';
import { type Seal, SealUnavailable } from '../seal/seal.ts';
import { localSeal } from '../seal/wrapping-key.ts';
import type { MemoryDisk } from '../store/memory.ts';
import type { Initialization } from './initialization.ts';
import { configuredSeal } from './seals.ts';

const open = ({ seals = [], ...rest }: { disk?: MemoryDisk; seals?: readonly Seal[]; seed?: number } = {}) =>
  openLifecycle({ ...rest, seals: seals.map((seal) => configuredSeal(seal)) });

const STATIC_KEY = Buffer.alloc(32, 9);
const autoSeal = (key = STATIC_KEY): Seal =>
  localSeal({
    type: 'static',
    name: 'static',
    keys: [{ id: 'one', key: Buffer.from(key) }],
    random: seededRandom(5),
  });

/** An automatic seal whose key service is away. */
const awaySeal: Seal = {
  type: 'static',
  name: 'static',
  keyId: 'one',
  wrap: () => Promise.reject(new SealUnavailable('away')),
  unwrap: () => Promise.reject(new SealUnavailable('away')),
  close: () => {},
};

const FIVE = { secret_shares: 5, secret_threshold: 3 };

async function initialized(request: Initialization = FIVE, seals: readonly Seal[] = []) {
  const server = await open({ seals });
  const result = await server.lifecycle.initialize(request);
  const shares = [...((seals.length > 0 ? result.recovery_keys : result.keys) ?? [])];
  return { ...server, result, shares };
}

const invalid = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof InvalidRequest, String(error));
  assert.match(error.message, message);
  return true;
};

test('initialisation gives shares and a root token, once, and leaves the server sealed', async () => {
  const { lifecycle, barrier, result, store } = await initialized();
  assert.equal(result.root_token, 'hvs.root');
  assert.equal(new Set(result.keys).size, 5);
  assert.deepEqual(
    result.keys_base64,
    result.keys?.map((key) => Buffer.from(key, 'hex').toString('base64')),
  );
  assert.deepEqual([lifecycle.initialized, lifecycle.sealed, barrier.sealed], [true, true, true]);
  assert.ok(lifecycle.sealedError() instanceof Sealed);
  await assert.rejects(lifecycle.initialize(FIVE), invalid(/already initialized/));
  for (const key of store.begin().keys('')) {
    const text = Buffer.from(store.begin().get(key)!).toString('latin1');
    for (const share of result.keys ?? []) assert.ok(!text.includes(share));
  }
});

test('of two initialisations at once one is made', async () => {
  const { lifecycle } = await open();
  const both = await Promise.allSettled([lifecycle.initialize(FIVE), lifecycle.initialize(FIVE)]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  );
});

test('impossible requests are refused and leave nothing behind', async () => {
  const { lifecycle, store } = await open();
  const requests: Initialization[] = [
    {},
    { secret_shares: 5 },
    { secret_shares: 5, secret_threshold: 6 },
    { secret_shares: 5, secret_threshold: 1 },
    { secret_shares: -1, secret_threshold: -1 },
    { secret_shares: 1.5, secret_threshold: 1 },
    { secret_shares: 256, secret_threshold: 3 },
    { recovery_shares: 5, recovery_threshold: 3 },
    { ...FIVE, pgp_keys: ['one'] },
    { ...FIVE, pgp_keys: ['a', 'b', 'c', 'd', 'e'] },
    { ...FIVE, root_token_pgp_key: 'not a key' },
  ];
  for (const request of requests)
    await assert.rejects(lifecycle.initialize(request), InvalidRequest, JSON.stringify(request));
  assert.equal(lifecycle.initialized, false);
  assert.ok(lifecycle.sealedError() instanceof NotInitialized);
  assert.deepEqual([...store.begin().keys('')], []);
  await lifecycle.initialize(FIVE);
});

test('any threshold of shares unseals; the same share twice is one', async () => {
  const { lifecycle, inside, shares } = await initialized();
  const state = () => {
    const { progress, sealed, nonce, t, n } = lifecycle.status();
    return [progress, sealed, nonce !== '', t, n];
  };
  assert.deepEqual(state(), [0, true, false, 3, 5]);
  await lifecycle.submitShare(shares[4]!);
  await lifecycle.submitShare(Buffer.from(shares[4]!, 'hex').toString('base64'));
  assert.deepEqual(state(), [1, true, true, 3, 5]);
  await lifecycle.submitShare(shares[1]!);
  await lifecycle.submitShare(shares[3]!);
  assert.deepEqual(state(), [0, false, false, 3, 5]);
  await lifecycle.submitShare(shares[0]!);
  assert.equal(inside.starts, 1);
});

test('a wrong share makes all start over, a malformed one counts for nothing', async () => {
  const { lifecycle, shares } = await initialized();
  const other = await initialized({ secret_shares: 5, secret_threshold: 3 });
  await assert.rejects(lifecycle.submitShare('zz'), InvalidRequest);
  await lifecycle.submitShare(shares[0]!);
  await lifecycle.submitShare(shares[1]!);
  const wrong = `${'00'.repeat(32)}${other.shares[2]!.slice(64)}`;
  await assert.rejects(lifecycle.submitShare(wrong), invalid(/invalid key/));
  assert.deepEqual([lifecycle.sealed, lifecycle.status().progress], [true, 0]);
  for (const share of shares.slice(0, 3)) await lifecycle.submitShare(share);
  assert.equal(lifecycle.sealed, false);
});

test('shares given so far can be forgotten', async () => {
  const { lifecycle, shares } = await initialized();
  await lifecycle.submitShare(shares[0]!);
  await lifecycle.submitShare(shares[1]!);
  lifecycle.resetShares();
  assert.equal(lifecycle.status().progress, 0);
  await lifecycle.submitShare(shares[2]!);
  assert.equal(lifecycle.sealed, true);
});

test('shares that come all at once unseal once', async () => {
  const { lifecycle, inside, shares } = await initialized();
  await Promise.all(shares.map((share) => lifecycle.submitShare(share)));
  assert.deepEqual([lifecycle.sealed, inside.starts, lifecycle.status().progress], [false, 1, 0]);
});

test('one share is the key', async () => {
  const { lifecycle, shares } = await initialized({ secret_shares: 1, secret_threshold: 1 });
  await lifecycle.submitShare(shares[0]!);
  assert.equal(lifecycle.sealed, false);
});

test('nothing is accepted before initialisation', async () => {
  const { lifecycle } = await open();
  await assert.rejects(lifecycle.submitShare('00'.repeat(33)), invalid(/not yet initialized/));
  await lifecycle.unsealAutomatically();
  assert.deepEqual([lifecycle.sealed, lifecycle.status().initialized], [true, false]);
});

test('sealing stops what is open and takes the keys away, also when stopping fails', async () => {
  const { lifecycle, inside, barrier, shares } = await initialized();
  const unseal = () => Promise.all(shares.map((share) => lifecycle.submitShare(share)));
  await unseal();
  await Promise.all([lifecycle.seal(), lifecycle.seal()]);
  assert.deepEqual([lifecycle.sealed, barrier.sealed, inside.stops], [true, true, 1]);
  assert.throws(() => barrier.encrypt('key', Buffer.from('value')), Sealed);
  await unseal();
  inside.failingStop = new Error('stuck');
  await assert.rejects(lifecycle.seal(), /stuck/);
  assert.deepEqual([lifecycle.sealed, barrier.sealed], [true, true]);
});

test('a start that fails leaves the server sealed, and can be tried again', async () => {
  const { lifecycle, inside, barrier, shares } = await initialized();
  inside.failing = new Error('broken');
  inside.failingStop = new Error('stuck');
  await lifecycle.submitShare(shares[0]!);
  await lifecycle.submitShare(shares[1]!);
  await assert.rejects(lifecycle.submitShare(shares[2]!));
  assert.deepEqual([lifecycle.sealed, barrier.sealed, inside.stops], [true, true, 1]);
  inside.failing = undefined;
  for (const share of shares.slice(0, 3)) await lifecycle.submitShare(share);
  assert.equal(lifecycle.sealed, false);
});

test('with an automatic seal the server unseals by itself, at once and at the next start', async () => {
  const { lifecycle, result, disk } = await initialized({}, [autoSeal()]);
  assert.equal(lifecycle.sealed, false);
  assert.deepEqual([result.keys, result.recovery_keys?.length], [[], 5]);
  assert.deepEqual(
    [lifecycle.status().type, lifecycle.status().recovery_seal, lifecycle.status().t],
    ['static', true, 3],
  );
  const again = await open({ disk, seals: [autoSeal()], seed: 2 });
  assert.equal(again.lifecycle.sealed, true);
  await Promise.all([again.lifecycle.unsealAutomatically(), again.lifecycle.unsealAutomatically()]);
  assert.deepEqual([again.lifecycle.sealed, again.inside.starts], [false, 1]);
  assert.deepEqual(again.lifecycle.cluster, lifecycle.cluster);
});

test('recovery keys unseal when the automatic seal is gone', async () => {
  const { disk, shares } = await initialized({ recovery_shares: 3, recovery_threshold: 2 }, [autoSeal()]);
  for (const seal of [awaySeal, autoSeal(Buffer.alloc(32, 1))]) {
    const { lifecycle } = await open({ disk, seals: [seal], seed: 3 });
    await assert.rejects(lifecycle.unsealAutomatically());
    assert.equal(lifecycle.sealed, true);
    await lifecycle.submitShare(shares[2]!);
    await lifecycle.submitShare(shares[0]!);
    assert.equal(lifecycle.sealed, false);
  }
});

test('what belongs to the other kind of seal is refused', async () => {
  const { lifecycle } = await open({ seals: [autoSeal()] });
  await assert.rejects(lifecycle.initialize(FIVE), invalid(/not applicable to seal type/));
  await assert.rejects(
    lifecycle.initialize({ recovery_shares: 2, recovery_threshold: 1 }),
    invalid(/threshold must be greater than one/),
  );
  assert.equal(lifecycle.initialized, false);
});

test('an automatic seal that is away initialises nothing', async () => {
  const { lifecycle, store } = await open({ seals: [awaySeal] });
  await assert.rejects(lifecycle.initialize({}), SealUnavailable);
  assert.deepEqual([...store.begin().keys('')], []);
});

test('the shares are given out even when the first start fails', async () => {
  const server = await open({ seals: [autoSeal()] });
  server.inside.failing = new Error('broken');
  const { recovery_keys, root_token } = await server.lifecycle.initialize({});
  assert.deepEqual([recovery_keys?.length, root_token], [5, 'hvs.root']);
  assert.deepEqual([server.lifecycle.sealed, server.barrier.sealed], [true, true]);
  server.inside.failing = undefined;
  await server.lifecycle.unsealAutomatically();
  assert.equal(server.lifecycle.sealed, false);
});
