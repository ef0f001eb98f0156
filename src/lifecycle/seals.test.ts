import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLifecycle } from '../../test/lifecycle.ts';
import { InvalidRequest } from '../base/errors.ts';
import { seededRandom } from '../base/random.ts';
import { type Seal, SealUnavailable } from '../seal/seal.ts';
import { localSeal } from '../seal/wrapping-key.ts';
import type { MemoryDisk } from '../store/memory.ts';
import { configuredSeal, SEAL_CHECKS } from './seals.ts';

/** A key service of which a test has the keys and the switch. */
class Service {
  down = false;
  version = 1;
  readonly #name: string;
  readonly #type: string;

  constructor(name: string, type = name) {
    this.#name = name;
    this.#type = type;
  }

  /** As configured, at each start. */
  seal(name = this.#name): Seal {
    const local = () => {
      const versions = Array.from({ length: this.version }, (_, at) => this.version - at);
      const [first, ...rest] = versions.map((version) => ({
        id: `v${version}`,
        key: Buffer.alloc(32, `${this.#name}${version}`),
      }));
      return localSeal({ type: this.#type, name, keys: [first!, ...rest], random: seededRandom(7) });
    };
    const check = () => {
      if (this.down) throw new SealUnavailable('away');
    };
    let keyId: string | undefined;
    return {
      type: this.#type,
      name,
      get keyId() {
        return keyId;
      },
      async wrap(rootKey) {
        check();
        const wrapped = await local().wrap(rootKey);
        keyId = wrapped.key_id;
        return wrapped;
      },
      async unwrap(wrapped) {
        check();
        return local().unwrap(wrapped);
      },
      close: () => {},
    };
  }
}

const enabled = (...services: Service[]) => services.map((service) => configuredSeal(service.seal()));
const disabled = (...services: Service[]) =>
  services.map((service) => configuredSeal(service.seal(), { disabled: true }));
const recordsOf = ({ lifecycle }: Awaited<ReturnType<typeof openLifecycle>>) =>
  lifecycle.protection.records.map(({ seal }) => seal);

async function start(disk: MemoryDisk | undefined, seals: ReturnType<typeof enabled>) {
  const server = await openLifecycle({ ...(disk && { disk }), seals, seed: 3 });
  return server;
}

/** Unsealed by itself, with everything settled. */
async function unsealed(disk: MemoryDisk, seals: ReturnType<typeof enabled>) {
  const server = await start(disk, seals);
  await server.lifecycle.unsealAutomatically();
  assert.equal(server.lifecycle.sealed, false);
  await server.lifecycle.sealsRefreshed();
  return server;
}

async function automatic(...services: Service[]) {
  const server = await start(undefined, enabled(...services));
  const { recovery_keys } = await server.lifecycle.initialize({ recovery_shares: 3, recovery_threshold: 2 });
  await server.lifecycle.sealsRefreshed();
  return { ...server, shares: recovery_keys! };
}

async function withShares() {
  const server = await start(undefined, []);
  const { keys } = await server.lifecycle.initialize({ secret_shares: 3, secret_threshold: 2 });
  return { ...server, shares: keys! };
}

const invalid = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof InvalidRequest, String(error));
  assert.match(error.message, message);
  return true;
};

test('any of several seals unseals alone', async () => {
  const [a, b, c] = [new Service('a'), new Service('b'), new Service('c')];
  const { disk } = await automatic(a, b, c);
  for (const working of [a, b, c]) {
    for (const service of [a, b, c]) service.down = service !== working;
    const { lifecycle, lines } = await start(disk, enabled(a, b, c));
    await lifecycle.unsealAutomatically();
    assert.equal(lifecycle.sealed, false);
    assert.ok(lines.some((line) => line.includes('unsealing by an automatic seal')));
  }
});

test('a seal that was away when the root key was wrapped is caught up with when it is back', async () => {
  const [a, b] = [new Service('a'), new Service('b')];
  b.down = true;
  const server = await automatic(a, b);
  assert.deepEqual(recordsOf(server), ['a', 'recovery']);
  assert.equal(server.lifecycle.fullyWrapped, false);
  server.lifecycle.sealHealth.start();
  await settled(server);
  assert.equal(server.lifecycle.sealHealth.report().healthy, false);
  b.down = false;
  server.clock.advance(SEAL_CHECKS.intervalUnhealthyMs);
  await settled(server);
  assert.deepEqual(recordsOf(server), ['a', 'b', 'recovery']);
  assert.equal(server.lifecycle.fullyWrapped, true);
  assert.equal(server.lifecycle.sealHealth.report().healthy, true);
  a.down = true;
  await unsealed(server.disk, enabled(a, b));
});

test('a seal that is added is given the root key, one that is taken out loses it', async () => {
  const [a, b] = [new Service('a'), new Service('b')];
  const { disk } = await automatic(a);
  const both = await unsealed(disk, enabled(a, b));
  assert.deepEqual(recordsOf(both), ['a', 'b', 'recovery']);
  const one = await unsealed(disk, enabled(b));
  assert.deepEqual(recordsOf(one), ['b', 'recovery']);
  assert.equal(one.lifecycle.status().type, 'b');
  const former = await start(disk, enabled(a));
  await assert.rejects(former.lifecycle.unsealAutomatically(), /no root key is stored for this seal/);
});

test('a seal that is taken out keeps the root key as long as another one has not got it', async () => {
  const [a, b, c] = [new Service('a'), new Service('b'), new Service('c')];
  const { disk } = await automatic(a, b);
  c.down = true;
  const server = await unsealed(disk, enabled(b, c));
  assert.deepEqual(recordsOf(server), ['a', 'b', 'recovery']);
  c.down = false;
  server.lifecycle.refreshSeals();
  await server.lifecycle.sealsRefreshed();
  assert.deepEqual(recordsOf(server), ['b', 'c', 'recovery']);
});

test('seals are replaced while the server is unsealed', async () => {
  const [a, b] = [new Service('a'), new Service('b')];
  const server = await automatic(a);
  server.lifecycle.useSeals([...enabled(b), ...disabled(a)]);
  await server.lifecycle.sealsRefreshed();
  assert.equal(server.inside.stops, 0);
  assert.deepEqual(recordsOf(server), ['b', 'recovery']);
  await unsealed(server.disk, enabled(b));
});

test('going over from one automatic seal to another needs nobody: the disabled one still unseals', async () => {
  const [a, b] = [new Service('a'), new Service('b')];
  const { disk } = await automatic(a);
  const server = await start(disk, [...enabled(b), ...disabled(a)]);
  assert.equal(server.lifecycle.status().migration, false);
  await server.lifecycle.unsealAutomatically();
  await server.lifecycle.sealsRefreshed();
  assert.deepEqual([recordsOf(server), server.lifecycle.status().type], [['b', 'recovery'], 'b']);
  a.down = true;
  await unsealed(disk, enabled(b));
});

test('another key of the same type and name takes over, though its record looks like its own', async () => {
  const [old, now] = [new Service('old', 'cloud'), new Service('now', 'cloud')];
  const { disk } = await (async () => {
    const server = await start(undefined, [configuredSeal(old.seal('cloud'))]);
    await server.lifecycle.initialize({});
    return server;
  })();
  await unsealed(disk, [
    configuredSeal(now.seal('cloud')),
    configuredSeal(old.seal('cloud-disabled'), { disabled: true }),
  ]);
  old.down = true;
  await unsealed(disk, [configuredSeal(now.seal('cloud'))]);
});

test('a seal may get another name', async () => {
  const a = new Service('a');
  const { disk } = await automatic(a);
  const server = await unsealed(disk, [configuredSeal(a.seal('renamed'))]);
  assert.deepEqual(recordsOf(server), ['renamed', 'recovery']);
});

test('a record by an older key is wrapped anew, at a check too', async () => {
  const a = new Service('a');
  const server = await automatic(a);
  server.lifecycle.sealHealth.start();
  await settled(server);
  a.version = 2;
  server.clock.advance(SEAL_CHECKS.intervalMs);
  await settled(server);
  const [record] = server.lifecycle.protection.records;
  assert.equal(record?.key_id, 'v2');
});

test('recovery keys unseal when every seal is gone, and give the root key to the next one', async () => {
  const [a, b, c] = [new Service('a'), new Service('b'), new Service('c')];
  const { disk, shares } = await automatic(a, b);
  a.down = true;
  b.down = true;
  const { lifecycle } = await start(disk, enabled(a, b));
  await assert.rejects(lifecycle.unsealAutomatically(), SealUnavailable);
  for (const share of shares.slice(1)) await lifecycle.submitShare(share);
  assert.equal(lifecycle.sealed, false);
  const replaced = await start(disk, enabled(c));
  await assert.rejects(replaced.lifecycle.unsealAutomatically());
  for (const share of shares.slice(1)) await replaced.lifecycle.submitShare(share);
  await replaced.lifecycle.sealsRefreshed();
  assert.deepEqual(recordsOf(replaced), ['c', 'recovery']);
  await unsealed(disk, enabled(c));
});

test('key shares become recovery keys with -migrate, sealed or not', async () => {
  for (const beforehand of ['sealed', 'unsealed'] as const) {
    const a = new Service('a');
    const { disk, shares } = await withShares();
    const server = await start(disk, beforehand === 'sealed' ? enabled(a) : []);
    const { lifecycle } = server;
    if (beforehand === 'unsealed') {
      for (const share of shares.slice(1)) await lifecycle.submitShare(share);
      lifecycle.useSeals(enabled(a));
    }
    await lifecycle.unsealAutomatically();
    assert.equal(lifecycle.sealed, beforehand === 'sealed');
    assert.deepEqual([lifecycle.status().migration, lifecycle.status().type], [true, 'shamir']);
    for (const share of shares.slice(1)) await lifecycle.submitShare(share, { migrate: true });
    const { migration, recovery_seal, type, t, n, sealed } = lifecycle.status();
    assert.deepEqual([migration, recovery_seal, type, t, n, sealed], [false, true, 'a', 2, 3, false]);
    assert.equal(server.inside.starts, 1);
    assert.equal(server.inside.sharesChanged, beforehand === 'unsealed' ? 1 : 0);
    assert.deepEqual(recordsOf(server), ['a', 'recovery']);
    await unsealed(disk, enabled(a));
    a.down = true;
    const recovered = await start(disk, enabled(a));
    for (const share of shares.slice(0, 2)) await recovered.lifecycle.submitShare(share);
    assert.equal(recovered.lifecycle.sealed, false);
  }
});

test('recovery keys become key shares with -migrate, though the seal is gone', async () => {
  const a = new Service('a');
  const made = await automatic(a);
  a.down = true;
  for (const seals of [disabled(a), []]) {
    const copy = await start(made.disk, seals);
    assert.equal(copy.lifecycle.status().migration, seals.length > 0);
    await copy.lifecycle.unsealAutomatically();
    assert.equal(copy.lifecycle.sealed, true, 'a disabled seal alone does not unseal');
    if (seals.length > 0) continue;
    for (const share of made.shares.slice(1)) await copy.lifecycle.submitShare(share, { migrate: true });
    assert.deepEqual(recordsOf(copy), ['shamir']);
  }
  const after = await start(made.disk, []);
  const { type, recovery_seal, t, n } = after.lifecycle.status();
  assert.deepEqual([type, recovery_seal, t, n], ['shamir', false, 2, 3]);
  for (const share of made.shares.slice(0, 2)) await after.lifecycle.submitShare(share);
  assert.equal(after.lifecycle.sealed, false);
});

test('shares without -migrate unseal and migrate nothing', async () => {
  const a = new Service('a');
  const { disk, shares } = await withShares();
  const server = await start(disk, enabled(a));
  for (const share of shares.slice(1)) await server.lifecycle.submitShare(share);
  await server.lifecycle.sealsRefreshed();
  assert.deepEqual([server.lifecycle.sealed, server.lifecycle.status().migration], [false, true]);
  assert.deepEqual(recordsOf(server), ['shamir']);
  assert.ok(server.lines.some((line) => line.includes('unsealed without the migration')));
});

test('a migration that cannot be done changes nothing', async () => {
  const a = new Service('a');
  a.down = true;
  const { disk, shares, store } = await withShares();
  const none = await start(disk, []);
  const migrate = { migrate: true };
  await assert.rejects(none.lifecycle.submitShare(shares[0]!, migrate), invalid(/no migration seal found/));
  const before = [...store.begin().keys('core/')].map((key) => [key, store.begin().get(key)]);
  const server = await start(disk, enabled(a));
  await server.lifecycle.submitShare(shares[0]!, migrate);
  await assert.rejects(server.lifecycle.submitShare(shares[1]!), invalid(/with and without migrate/));
  await assert.rejects(server.lifecycle.submitShare(shares[1]!, migrate), invalid(/does not work now/));
  assert.equal(server.lifecycle.sealed, true);
  const stranger = await openLifecycle({ seed: 99 });
  const { keys } = await stranger.lifecycle.initialize({ secret_shares: 3, secret_threshold: 2 });
  a.down = false;
  for (const [at, share] of keys!.slice(0, 2).entries())
    if (at === 0) await server.lifecycle.submitShare(share, migrate);
    else await assert.rejects(server.lifecycle.submitShare(share, migrate), invalid(/invalid key/));
  const after = [...server.store.begin().keys('core/')].map((key) => [key, server.store.begin().get(key)]);
  assert.deepEqual(after, before);
});

test('checks tell which seals work, and warn when only one still does', async () => {
  const [a, b] = [new Service('a'), new Service('b')];
  const server = await automatic(a, b);
  const { lifecycle, clock, lines } = server;
  lifecycle.sealHealth.start();
  await settled(server);
  const ok = lifecycle.sealHealth.report();
  assert.deepEqual([ok.healthy, ok.working, ok.warning], [true, 2, undefined]);
  a.down = true;
  clock.advance(SEAL_CHECKS.intervalMs);
  await settled(server);
  const sinceMs = clock.now();
  const one = lifecycle.sealHealth.report();
  assert.deepEqual([one.healthy, one.working], [false, 1]);
  assert.match(one.warning ?? '', /only one of 2 seals still works/);
  assert.equal(one.unhealthy_since, `${new Date(sinceMs).toISOString().slice(0, -1)}000000Z`);
  assert.deepEqual(
    one.backends.map(({ name, healthy, error }) => [name, healthy, error]),
    [
      ['a', false, 'away'],
      ['b', true, undefined],
    ],
  );
  assert.ok(lines.some((line) => line.includes('[ERROR]') && line.includes('only one of 2')));
  clock.advance(SEAL_CHECKS.intervalUnhealthyMs);
  await settled(server);
  assert.equal(lifecycle.sealHealth.report().unhealthy_since, one.unhealthy_since, 'since the first failure');
  a.down = false;
  clock.advance(SEAL_CHECKS.intervalUnhealthyMs);
  await settled(server);
  assert.equal(lifecycle.sealHealth.report().healthy, true);
  lifecycle.sealHealth.stop();
});

test('a seal that wraps but does not have this server’s root key is no seal that works', async () => {
  const [a, other] = [new Service('a', 'cloud'), new Service('b', 'cloud')];
  const server = await start(undefined, [configuredSeal(a.seal('cloud'))]);
  await server.lifecycle.initialize({});
  const { lifecycle } = await start(server.disk, [configuredSeal(other.seal('cloud'))]);
  lifecycle.sealHealth.start();
  await assert.rejects(lifecycle.unsealAutomatically());
  const [backend] = lifecycle.sealHealth.report().backends;
  assert.deepEqual([backend?.healthy, backend?.error], [false, 'the key does not fit']);
  lifecycle.sealHealth.stop();
});

/** Checks that were due have come back, and what came of them is kept. */
async function settled({ lifecycle }: { lifecycle: { sealsRefreshed(): Promise<void> } }): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  await lifecycle.sealsRefreshed();
  await lifecycle.sealsRefreshed();
}
