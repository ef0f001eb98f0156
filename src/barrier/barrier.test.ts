import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { silentLogger } from '../base/logger.ts';
import { seededRandom } from '../base/random.ts';
import { openLocalLog } from '../log/local.ts';
import { MemoryDisk, openMemoryCopy } from '../store/memory.ts';
import { openStore } from '../store/open.ts';
import type { Store, Transaction } from '../store/store.ts';
import { Barrier } from './barrier.ts';
import { KEYRING_KEY } from './keyring.ts';
import { preserveIn } from './quarantine.ts';

const ROOT_KEY = Buffer.alloc(32, 9);
const CANARY = 'canary-5f3a';

interface Fixture {
  disk: MemoryDisk;
  store: Store;
  clock: ManualClock;
  logged: { message: string; details: Record<string, unknown> | undefined }[];
  open(cacheBytesMax?: number): Barrier;
}

async function makeFixture(): Promise<Fixture> {
  const disk = new MemoryDisk();
  const copy = openMemoryCopy({ disk });
  const log = openLocalLog({ copy });
  const store = openStore({ copy, log, fence: await log.lead() });
  const clock = new ManualClock();
  const logged: Fixture['logged'] = [];
  const logger: Logger = {
    ...silentLogger,
    error: (message, details) => logged.push({ message, details }),
    warn: (message, details) => logged.push({ message, details }),
  };
  let seed = 1;
  const open = (cacheBytesMax = 1_000_000) =>
    new Barrier({ clock, random: seededRandom(seed++), logger, preserve: preserveIn(store), cacheBytesMax });
  return { disk, store, clock, logged, open };
}

describe('barrier', () => {
  let fixture: Fixture;
  let barrier: Barrier;
  let store: Store;
  let transaction: Transaction;
  beforeEach(async () => {
    fixture = await makeFixture();
    store = fixture.store;
    barrier = fixture.open();
    transaction = store.begin();
    barrier.initialize(transaction, ROOT_KEY);
    transaction.apply();
    barrier.unseal(transaction, ROOT_KEY);
  });
  async function put(key: string, value: unknown): Promise<void> {
    barrier.view(transaction, '').put(key, value);
    await store.durable(transaction.apply());
  }
  /** Another barrier over what is on disk, without anything cached. */
  function reopened(rootKey = ROOT_KEY): Barrier {
    const other = fixture.open();
    other.unseal(store.begin(), rootKey);
    return other;
  }

  it('is sealed until it gets the root key', () => {
    const fresh = fixture.open();
    assert.ok(fresh.sealed);
    const view = fresh.view(transaction, '');
    assert.throws(() => view.put('a', 1), { code: 'sealed' });
    assert.throws(() => view.get(KEYRING_KEY), { code: 'sealed' });
    assert.throws(() => fresh.sealOpaque('token', Buffer.from('x')), { code: 'sealed' });
    assert.throws(() => fresh.rotate(transaction), { code: 'sealed' });
    assert.throws(() => fresh.keyStatus, { code: 'sealed' });
    assert.throws(() => fresh.unseal(transaction, Buffer.alloc(32)), { code: 'corrupt_record' });
    assert.throws(() => fresh.unseal(transaction, Buffer.alloc(16)), RangeError);
    assert.ok(fresh.sealed);
    fresh.unseal(transaction, ROOT_KEY);
    assert.ok(!fresh.sealed);
  });

  it('is initialised once', async () => {
    assert.ok(barrier.isInitialized(transaction));
    assert.throws(() => barrier.initialize(transaction, ROOT_KEY), { code: 'invalid_request' });
    const empty = await makeFixture();
    assert.throws(() => empty.open().unseal(empty.store.begin(), ROOT_KEY), { code: 'not_initialized' });
  });

  it('stores nothing readable', async () => {
    await put('secret/a', { password: CANARY });
    assert.deepEqual(reopened().view(store.begin(), 'secret/').get('a'), { password: CANARY });
    for (const value of fixture.disk.values.values()) assert.ok(!Buffer.from(value).includes(CANARY));
  });

  it('binds a record to its name', async () => {
    await put('a', { n: 1 });
    await put('b', { n: 2 });
    fixture.disk.values.set('b', fixture.disk.values.get('a')!);
    assert.throws(() => barrier.view(store.begin(), '').get('b'), { code: 'corrupt_record' });
  });

  it('gives read-only values, fresh after every write, whoever wrote', async () => {
    const view = barrier.view(transaction, '');
    const value = { list: [{ n: 1 }] };
    view.put('a', value);
    value.list[0]!.n = 2;
    const read = view.get<typeof value>('a')!;
    assert.equal(read.list[0]!.n, 1);
    assert.throws(() => {
      read.list[0]!.n = 3;
    }, TypeError);
    assert.equal(view.get('a'), read);
    transaction.discard();
    assert.equal(view.get('a'), undefined);
    await put('a', { n: 1 });
    const other = reopened();
    assert.deepEqual(other.view(store.begin(), '').get('a'), { n: 1 });
    await put('a', { n: 2 });
    assert.deepEqual(other.view(store.begin(), '').get('a'), { n: 2 });
    barrier.view(transaction, '').delete('a');
    transaction.apply();
    assert.equal(other.view(store.begin(), '').get('a'), undefined);
  });

  it('seals: nothing cached, keys overwritten', async () => {
    await put('a', { n: 1 });
    barrier.seal();
    assert.throws(() => barrier.view(store.begin(), '').get('a'), { code: 'sealed' });
    barrier.unseal(store.begin(), ROOT_KEY);
    assert.deepEqual(barrier.view(store.begin(), '').get('a'), { n: 1 });
  });

  it('reads with older keys after a rotation, also after a restart', async () => {
    await put('old', 1);
    const before = barrier.keyStatus;
    assert.equal(before.term, 1);
    assert.equal(before.encryptions, 1);
    fixture.clock.advance(5000);
    await store.durable(barrier.rotate(transaction));
    assert.deepEqual(barrier.keyStatus, { term: 2, installTimeMs: fixture.clock.now(), encryptions: 0 });
    await put('new', 2);
    await store.durable(barrier.saveKeyring(transaction));
    const other = reopened();
    assert.deepEqual(other.keyStatus, { term: 2, installTimeMs: fixture.clock.now(), encryptions: 1 });
    const view = other.view(store.begin(), '');
    assert.deepEqual([view.get('old'), view.get('new')], [1, 2]);
  });

  it('keeps its keys when a rotation cannot be stored', async () => {
    await store.close();
    assert.throws(() => barrier.rotate(transaction), { code: 'unavailable' });
    assert.equal(barrier.keyStatus.term, 1);
  });

  it('takes another root key', async () => {
    await put('a', 1);
    const root = Buffer.alloc(32, 5);
    await store.durable(barrier.rekey(transaction, root));
    assert.throws(() => reopened(), { code: 'corrupt_record' });
    assert.equal(reopened(root).view(store.begin(), '').get('a'), 1);
    root.fill(0);
    await store.durable(barrier.rotate(transaction));
    assert.equal(reopened(Buffer.alloc(32, 5)).keyStatus.term, 2);
  });

  it('seals opaque bytes for one purpose', async () => {
    const sealed = barrier.sealOpaque('batch', Buffer.from(CANARY));
    assert.ok(!sealed.includes(CANARY));
    await store.durable(barrier.rotate(transaction));
    assert.equal(barrier.openOpaque('batch', sealed)?.toString(), CANARY);
    assert.equal(barrier.openOpaque('other', sealed), undefined);
    assert.equal(barrier.openOpaque('batch', sealed.subarray(1)), undefined);
    assert.equal(barrier.openOpaque('batch', Buffer.alloc(0)), undefined);
    await put('a', 1);
    assert.equal(barrier.openOpaque('batch', fixture.disk.values.get('a')!), undefined);
  });

  it('puts a damaged record into quarantine and serves all others', async () => {
    await put('good', { n: 1 });
    await put('bad', { n: 2 });
    const damaged = Buffer.from(fixture.disk.values.get('bad')!);
    damaged[damaged.length - 20]! ^= 1;
    fixture.disk.values.set('bad', damaged);
    const other = reopened();
    for (let time = 0; time < 3; time++) {
      assert.throws(
        () => other.view(store.begin(), '').get('bad'),
        (error: Error) => {
          assert.equal((error as { code?: string }).code, 'corrupt_record');
          assert.ok(!error.message.includes('bad'));
          return true;
        },
      );
      assert.deepEqual(other.view(store.begin(), '').get('good'), { n: 1 });
    }
    assert.deepEqual(other.quarantined(), [{ key: 'bad', atMs: fixture.clock.now() }]);
    assert.equal(other.corruptReads, 3);
    assert.equal(fixture.logged.length, 1);
    assert.deepEqual(fixture.logged[0]!.details, { key: 'bad', bytes: damaged.length });
    await store.durable(store.revision);
    assert.ok(damaged.equals(fixture.disk.values.get('quarantine/bad')!));
    assert.throws(() => other.view(store.begin(), 'quarantine/').get('bad'), { code: 'corrupt_record' });
    assert.equal(store.begin().get('quarantine/quarantine/bad'), undefined);
  });

  it('goes on when the damaged bytes cannot be kept', async () => {
    await put('bad', 1);
    fixture.disk.values.set('bad', Buffer.from('rubbish'));
    await store.close();
    const other = reopened();
    assert.throws(() => other.view(store.begin(), '').get('bad'), { code: 'corrupt_record' });
    assert.equal(fixture.logged.length, 2);
  });

  it('works the same without a cache', async () => {
    await put('a', { n: 1 });
    const bare = fixture.open(0);
    bare.unseal(transaction, ROOT_KEY);
    const view = bare.view(transaction, '');
    view.put('b', { n: 2 });
    assert.deepEqual([view.get('a'), view.get('a'), view.get('b')], [{ n: 1 }, { n: 1 }, { n: 2 }]);
  });

  it('drops what is not used from the cache, and is right all the same', async () => {
    const small = fixture.open(4000);
    small.unseal(transaction, ROOT_KEY);
    const view = small.view(transaction, '');
    for (let n = 0; n < 100; n++) view.put(`k${n}`, { n });
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 100; n += round + 1) assert.deepEqual(view.get(`k${n}`), { n });
    }
  });
});

describe('view', () => {
  let barrier: Barrier;
  let transaction: Transaction;
  beforeEach(async () => {
    const fixture = await makeFixture();
    barrier = fixture.open();
    transaction = fixture.store.begin();
    barrier.initialize(transaction, ROOT_KEY);
    transaction.apply();
    barrier.unseal(transaction, ROOT_KEY);
  });

  it('stays under its prefix', () => {
    const whole = barrier.view(transaction, '');
    const view = barrier.view(transaction, 'mount/1/');
    const inner = view.under('roles/');
    for (const key of ['a', '../a', '/a', 'b/c']) inner.put(key, { key });
    whole.put('mount/10/x', {});
    assert.deepEqual(inner.get('../a'), { key: '../a' });
    assert.deepEqual(
      [...whole.keys('mount/1/')],
      ['mount/1/roles/../a', 'mount/1/roles//a', 'mount/1/roles/a', 'mount/1/roles/b/c'],
    );
    assert.deepEqual(inner.list(''), ['../', '/', 'a', 'b/']);
    assert.deepEqual([...inner.keys('', { after: '/a', limit: 1 })], ['a']);
    assert.deepEqual([...inner.keys('b/')], ['b/c']);
    assert.deepEqual(view.list('', { limit: 1 }), ['roles/']);
    inner.delete('a');
    assert.equal(inner.get('a'), undefined);
    assert.throws(() => view.under('roles'), RangeError);
    assert.throws(() => barrier.view(transaction, 'mount'), RangeError);
  });

  it('takes JSON, up to a limit', () => {
    const view = barrier.view(transaction, '');
    for (const value of [null, 0, '', false, [], {}, 'é\u{10000}']) {
      view.put('a', value);
      assert.deepEqual(view.get('a'), value);
    }
    assert.throws(() => view.put('a', undefined), TypeError);
    assert.throws(() => view.put('', 1), { code: 'invalid_request' });
    assert.throws(() => view.put('a\0', 1), { code: 'invalid_request' });
    assert.throws(() => view.put('x'.repeat(2000), 1), { code: 'too_large' });
    view.put('a', 'x'.repeat(1024 * 1024 - 2));
    assert.throws(() => view.put('a', 'x'.repeat(1024 * 1024 - 1)), { code: 'too_large' });
    assert.throws(() => view.put('a', 'é'.repeat(600 * 1024)), { code: 'too_large' });
  });

  it('has __proto__ as a name like any other', () => {
    const view = barrier.view(transaction, '');
    view.put('__proto__', JSON.parse('{"__proto__": {"x": 1}}'));
    assert.deepEqual(Object.keys(view.get<object>('__proto__')!), ['__proto__']);
    assert.deepEqual(view.list(''), ['__proto__', 'core/']);
  });
});
