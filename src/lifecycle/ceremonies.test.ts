import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { Barrier } from '../barrier/barrier.ts';
import { ManualClock } from '../base/clock.ts';
import { InvalidRequest, Sealed } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import { systemRandom as random } from '../base/random.ts';
import { openLocalLog } from '../log/local.ts';
import { type Seal, SealUnavailable } from '../seal/seal.ts';
import { localSeal } from '../seal/wrapping-key.ts';
import { openMemoryCopy } from '../store/memory.ts';
import { openStore } from '../store/open.ts';
import { Ceremonies } from './ceremonies.ts';
import { decodeToken } from './generate-root.ts';
import { Lifecycle } from './lifecycle.ts';
import type { Delivery } from './protection.ts';
import { configuredSeal, Seals } from './seals.ts';

const TOKEN = 'hvs.abcdefghijklmnopqrstuvwx';
const DAY_MS = 24 * 60 * 60 * 1000;

async function openNode(seals: readonly Seal[] = []) {
  const clock = new ManualClock();
  const copy = openMemoryCopy();
  const log = openLocalLog({ copy });
  const store = openStore({ copy, log, fence: await log.lead(), logger: silentLogger });
  const barrier = new Barrier({ clock, random });
  let tokensMade = 0;
  const lifecycle: Lifecycle = new Lifecycle({
    store,
    barrier,
    seals: new Seals(seals.map((seal) => configuredSeal(seal))),
    open: () => ({
      initialize() {},
      async start() {},
      async stop() {},
      createRootToken: () => TOKEN,
    }),
    clock,
    random,
    log: silentLogger,
    clusterName: undefined,
    storageType: 'inmem',
    version: '',
    buildDate: '',
  });
  const ceremonies = new Ceremonies({
    lifecycle,
    clock,
    random,
    log: silentLogger,
    async createRootToken() {
      tokensMade++;
      return TOKEN;
    },
  });
  return { clock, lifecycle, ceremonies, tokensMade: () => tokensMade };
}

type Node = Awaited<ReturnType<typeof openNode>>;

async function opens({ lifecycle }: Node, shares: readonly string[]): Promise<boolean> {
  await lifecycle.seal();
  lifecycle.resetShares();
  for (const share of shares) {
    try {
      await lifecycle.submitShare(share);
    } catch (error) {
      assert.ok(error instanceof InvalidRequest);
    }
  }
  lifecycle.resetShares();
  return !lifecycle.sealed;
}

/** Of a point that no share given so far has: the same one would be refused for another reason. */
function wrongShare(given: string): string {
  const point = Buffer.from(given, 'hex').at(-1) === 7 ? '08' : '07';
  return `${random.bytes(32).toString('hex')}${point}`;
}

describe('with key shares', () => {
  let node: Node;
  let old: string[];
  beforeEach(async () => {
    node = await openNode();
    const made = await node.lifecycle.initialize({ secret_shares: 3, secret_threshold: 2 });
    old = [...made.keys!];
    for (const share of old.slice(0, 2)) await node.lifecycle.submitShare(share);
    assert.equal(node.lifecycle.sealed, false);
  });
  const start = (more = {}) =>
    node.ceremonies.open.unseal.start({ secret_shares: 2, secret_threshold: 2, ...more });

  test('enough old shares give new ones, which alone unseal', async () => {
    const { unseal } = node.ceremonies.open;
    const { nonce } = await start({ secret_shares: 4, secret_threshold: 3 });
    assert.equal((await unseal.update({ key: old[0], nonce })).complete, undefined);
    const made = await unseal.update({ key: old[2], nonce });
    assert.equal(made.keys?.length, 4);
    assert.equal(unseal.status().started, false);
    assert.equal(await opens(node, old), false);
    assert.equal(await opens(node, made.keys!.slice(1)), true);
    assert.equal(node.lifecycle.status().t, 3);
  });

  test('with verification the old shares hold until enough new ones were given back', async () => {
    const { unseal } = node.ceremonies.open;
    const { nonce } = await start({ require_verification: true });
    await unseal.update({ key: old[0], nonce });
    const made = await unseal.update({ key: old[1], nonce });
    await assert.rejects(unseal.update({ key: old[2], nonce }), /already authorized/);
    const first = unseal.verifyStatus().nonce;
    assert.equal(made.verification_nonce, first);
    await unseal.verify({ key: made.keys![0], nonce: first });
    const again = unseal.restartVerification();
    assert.deepEqual([again.progress, again.nonce === first], [0, false]);
    await unseal.verify({ key: made.keys![0], nonce: again.nonce });
    await assert.rejects(unseal.verify({ key: old[0], nonce: again.nonce }), /verification failed/);
    assert.equal(unseal.verifyStatus().progress, 0);
    for (const key of made.keys!) await unseal.verify({ key, nonce: again.nonce });
    assert.equal(unseal.status().started, false);
    assert.equal(await opens(node, old), false);
    assert.equal(await opens(node, made.keys!), true);
  });

  /** Old shares are 2 of 3. Ends with the new ones on their way. */
  async function handOut(counts: { secret_shares: number; secret_threshold: number }) {
    const { unseal } = node.ceremonies.open;
    const { nonce } = await start(counts);
    await unseal.update({ key: old[0], nonce });
    let delivery: Delivery | undefined;
    const made = await unseal.update({ key: old[1], nonce }, (told) => {
      delivery = told;
    });
    return { keys: made.keys!, delivery: delivery! };
  }
  for (const counts of [
    { secret_shares: 2, secret_threshold: 2 },
    { secret_shares: 4, secret_threshold: 3 },
    { secret_shares: 1, secret_threshold: 1 },
  ]) {
    const { secret_shares: n, secret_threshold: t } = counts;
    test(`new shares (${t} of ${n}) that could not be handed out are void, and the old ones hold`, async () => {
      const { keys, delivery } = await handOut(counts);
      await delivery(false);
      assert.equal(await opens(node, keys), false);
      assert.equal(await opens(node, old.slice(1)), true);
      await node.ceremonies.rotateRoot();
      assert.equal(await opens(node, old.slice(1)), true, 'their public key holds as well');
      await delivery(true);
      assert.equal(await opens(node, keys), false, 'who is late changes nothing');
    });

    test(`while nobody knows whether new shares (${t} of ${n}) arrived either open, and then those alone`, async () => {
      for (const arrived of [false, true]) {
        const { keys } = await handOut(counts);
        await assert.rejects(node.ceremonies.rotateRoot(), /not settled/);
        assert.equal(await opens(node, arrived ? keys.slice(-t) : old.slice(1)), true);
        assert.equal(await opens(node, arrived ? old : keys), false);
        assert.equal(await opens(node, arrived ? keys : old), true);
        await node.ceremonies.rotateRoot();
        assert.equal(await opens(node, arrived ? keys : old), true);
        assert.equal(node.lifecycle.status().t, arrived ? t : 2);
      }
    });

    test(`either settle it in a ceremony, too (${t} of ${n})`, async () => {
      for (const arrived of [false, true]) {
        const { keys } = await handOut(counts);
        const { rootToken } = node.ceremonies.open;
        const { nonce } = await rootToken.start({});
        const given = arrived ? keys.slice(-t) : old.slice(1);
        let complete = false;
        for (const key of given) ({ complete } = await rootToken.update({ key, nonce }));
        assert.equal(complete, true);
        assert.equal(await opens(node, arrived ? old : keys), false);
        assert.equal(await opens(node, given), true);
      }
    });
  }

  test('what was not verified leaves no trace', async () => {
    const { unseal } = node.ceremonies.open;
    const { nonce } = await start({ require_verification: true });
    await unseal.update({ key: old[0], nonce });
    const made = await unseal.update({ key: old[1], nonce });
    unseal.cancel(nonce, { bound: true });
    assert.throws(() => unseal.verifyStatus(), /no rekey verification/);
    assert.equal(await opens(node, made.keys!), false);
    assert.equal(await opens(node, old.slice(0, 2)), true);
  });

  test('wrong shares end the attempt, malformed and repeated ones do not', async () => {
    const { unseal } = node.ceremonies.open;
    const { nonce } = await start();
    await unseal.update({ key: old[0], nonce });
    await assert.rejects(unseal.update({ key: old[0], nonce }), /already been provided/);
    await assert.rejects(unseal.update({ key: 'zz', nonce }), InvalidRequest);
    await assert.rejects(unseal.update({ key: undefined, nonce }), /'key' must be specified/);
    assert.equal(unseal.status().progress, 1);
    const wrong = wrongShare(old[0]!);
    await assert.rejects(unseal.update({ key: wrong, nonce }), /invalid key; rekey ended/);
    assert.equal(unseal.status().started, false);
    assert.equal(await opens(node, old.slice(0, 2)), true);
  });

  test('one attempt at a time, bound to its nonce', async () => {
    const { unseal } = node.ceremonies.open;
    await assert.rejects(unseal.update({ key: old[0], nonce: '' }), /no rekey in progress/);
    const { nonce } = await start();
    await assert.rejects(start(), /already in progress/);
    await assert.rejects(unseal.update({ key: old[0], nonce: random.uuid() }), /incorrect nonce/);
    await assert.rejects(unseal.update({ key: old[0], nonce: undefined }), /incorrect nonce/);
    assert.throws(() => unseal.cancel(undefined, { bound: true }), /nonce is needed/);
    assert.throws(() => unseal.cancel('other', { bound: false }), /incorrect nonce/);
    node.clock.advance(10 * 60 * 1000);
    unseal.cancel(undefined, { bound: true });
    assert.equal(unseal.status().started, false);
    assert.notEqual((await start()).nonce, nonce);
  });

  test('an attempt that nobody goes on with is forgotten', async () => {
    const { unseal } = node.ceremonies.open;
    const { nonce } = await start();
    node.clock.advance(DAY_MS - 1);
    await unseal.update({ key: old[0], nonce });
    node.clock.advance(DAY_MS - 1);
    assert.equal(unseal.status().progress, 1);
    node.clock.advance(1);
    assert.equal(unseal.status().started, false);
  });

  test('impossible settings are refused', async () => {
    const { unseal, recovery } = node.ceremonies.open;
    for (const request of [
      {},
      { secret_shares: 1, secret_threshold: 2 },
      { secret_shares: 2, secret_threshold: 2, backup: true },
      { secret_shares: 2, secret_threshold: 2, pgp_keys: ['x'] },
      { secret_shares: 1, secret_threshold: 1, pgp_keys: ['x'] },
    ])
      await assert.rejects(unseal.start(request), InvalidRequest);
    await assert.rejects(recovery.start({ secret_shares: 1, secret_threshold: 1 }), /not supported/);
    assert.equal(unseal.status().started, false);
  });

  test('new shares end what was begun with the old ones', async () => {
    const { open, authenticated } = node.ceremonies;
    await open.rootToken.start({});
    await authenticated.unseal.start({ secret_shares: 1, secret_threshold: 1 });
    const { nonce } = await start();
    for (const key of old.slice(0, 2)) await open.unseal.update({ key, nonce });
    assert.equal(open.rootToken.status().started, false);
    assert.equal(authenticated.unseal.status().started, false);
  });

  test('a root token comes out hidden by the one-time password', async () => {
    const { rootToken } = node.ceremonies.open;
    const { nonce, otp } = await rootToken.start({});
    assert.equal(otp.length, TOKEN.length);
    assert.equal(rootToken.status().otp, '');
    await rootToken.update({ key: old[0], nonce });
    const done = await rootToken.update({ key: old[1], nonce });
    assert.deepEqual([done.complete, done.progress, done.required], [true, 2, 2]);
    assert.equal(decodeToken(done.encoded_token, otp), TOKEN);
    assert.throws(() => decodeToken(done.encoded_token, otp.slice(1)), InvalidRequest);
    assert.equal(rootToken.status().started, false);
  });

  test('wrong shares make no root token', async () => {
    const { rootToken } = node.ceremonies.open;
    await assert.rejects(rootToken.start({ otp: 'short' }), /wrong length/);
    await assert.rejects(rootToken.start({ otp: TOKEN, pgp_key: 'x' }), /only one of/);
    const { nonce } = await rootToken.start({ otp: TOKEN });
    await rootToken.update({ key: old[0], nonce });
    const wrong = wrongShare(old[0]!);
    await assert.rejects(rootToken.update({ key: wrong, nonce }), /invalid key; root generation ended/);
    assert.equal(node.tokensMade(), 0);
    assert.equal(rootToken.status().started, false);
  });

  test('the root key is replaced without the shares, which go on opening it', async () => {
    const { open } = node.ceremonies;
    const { nonce } = await open.unseal.start({ secret_shares: 1, secret_threshold: 1 });
    const [before] = node.lifecycle.protection.records;
    for (let times = 0; times < 2; times++) {
      await node.ceremonies.rotateRoot();
      assert.equal(open.unseal.status().started, false, 'what was begun before is void');
      assert.equal(await opens(node, old.slice(1)), true);
    }
    const [now] = node.lifecycle.protection.records;
    assert.notEqual(now?.ciphertext, before?.ciphertext);
    await assert.rejects(open.unseal.update({ key: old[0], nonce }), /no rekey in progress/);
    const again = await start();
    for (const key of old.slice(0, 2)) await open.unseal.update({ key, nonce: again.nonce });
    await node.ceremonies.rotateRoot();
    assert.equal(await opens(node, old), false, 'it is wrapped for the newest shares alone');
  });

  test('nothing goes on while sealed', async () => {
    await node.lifecycle.seal();
    await assert.rejects(node.ceremonies.rotateRoot(), Sealed);
    await assert.rejects(
      node.ceremonies.step(() => node.ceremonies.open.unseal.status()),
      Sealed,
    );
  });
});

describe('with an automatic seal', () => {
  let node: Node;
  let old: string[];
  let away = false;
  beforeEach(async () => {
    away = false;
    const inner = localSeal({
      type: 'test',
      name: 'cloud',
      keys: [{ id: '1', key: random.bytes(32) }],
      random,
    });
    const cloud: Seal = {
      ...inner,
      wrap: (key) => (away ? Promise.reject(new SealUnavailable('away')) : inner.wrap(key)),
    };
    node = await openNode([cloud]);
    const made = await node.lifecycle.initialize({ recovery_shares: 2, recovery_threshold: 2 });
    old = [...made.recovery_keys!];
  });
  async function opensByItself(): Promise<boolean> {
    await node.lifecycle.seal();
    await node.lifecycle.unsealAutomatically();
    return !node.lifecycle.sealed;
  }

  test('new recovery shares unseal, the old ones do not, and the seal still does', async () => {
    const { recovery } = node.ceremonies.open;
    const { nonce } = await recovery.start({ secret_shares: 3, secret_threshold: 3 });
    await recovery.update({ key: old[0], nonce });
    const made = await recovery.update({ key: old[1], nonce });
    assert.equal(await opens(node, old), false);
    assert.equal(await opens(node, made.keys!), true);
    assert.equal(await opensByItself(), true);
  });

  test('recovery shares that could not be handed out are void; where nobody knows, either are good', async () => {
    const { recovery } = node.ceremonies.open;
    for (const told of [false, undefined]) {
      const { nonce } = await recovery.start({ secret_shares: 3, secret_threshold: 3 });
      await recovery.update({ key: old[0], nonce });
      let delivery: Delivery | undefined;
      const made = await recovery.update({ key: old[1], nonce }, (each) => {
        delivery = each;
      });
      if (told !== undefined) await delivery!(told);
      assert.equal(await opensByItself(), true);
      assert.equal(await opens(node, told === undefined ? made.keys! : old), true);
      assert.equal(await opens(node, told === undefined ? old : made.keys!), false);
      assert.equal(await opensByItself(), true);
    }
  });

  test('the root key is replaced and everything that opened still opens', async () => {
    const { unseal } = node.ceremonies.open;
    const before = JSON.stringify(node.lifecycle.protection.records);
    await assert.rejects(unseal.start({ secret_shares: 2, secret_threshold: 2 }), /must be set to 1/);
    const { nonce } = await unseal.start({ secret_shares: 1, secret_threshold: 1 });
    await unseal.update({ key: old[0], nonce });
    const made = await unseal.update({ key: old[1], nonce });
    assert.deepEqual([made.complete, made.keys], [true, null]);
    assert.notEqual(JSON.stringify(node.lifecycle.protection.records), before);
    assert.equal(await opens(node, old), true);
    assert.equal(await opensByItself(), true);
  });

  test('it is replaced without recovery shares, too, and they as well as the seal still open it', async () => {
    const before = JSON.stringify(node.lifecycle.protection.records);
    await node.ceremonies.rotateRoot();
    assert.equal(await opensByItself(), true);
    assert.equal(await opens(node, old), true);
    const { recovery } = node.ceremonies.open;
    const { nonce } = await recovery.start({ secret_shares: 1, secret_threshold: 1 });
    await recovery.update({ key: old[0], nonce });
    const made = await recovery.update({ key: old[1], nonce });
    await node.ceremonies.rotateRoot();
    assert.equal(await opens(node, made.keys!), true);
    assert.notEqual(JSON.stringify(node.lifecycle.protection.records), before);
    away = true;
    await assert.rejects(node.ceremonies.rotateRoot(), /"cloud" cannot wrap.*nothing was changed/);
    assert.equal(await opens(node, made.keys!), true);
    assert.equal(await opensByItself(), true);
  });

  test('a seal that is away loses nothing', async () => {
    const { unseal } = node.ceremonies.open;
    const { nonce } = await unseal.start({ secret_shares: 1, secret_threshold: 1 });
    away = true;
    await unseal.update({ key: old[0], nonce });
    await assert.rejects(unseal.update({ key: old[1], nonce }), /"cloud" cannot wrap.*nothing was changed/);
    assert.equal(await opensByItself(), true);
    assert.equal(await opens(node, old), true);
  });
});
