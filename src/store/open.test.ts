import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { openLocalLog } from '../log/local.ts';
import { type Batch, FenceLost, type Log } from '../log/log.ts';
import { MemoryDisk, openMemoryCopy } from './memory.ts';
import { openStore } from './open.ts';
import { KEY_BYTES_MAX, type StagedRecords, type Store, type Transaction, VALUE_BYTES_MAX } from './store.ts';

const bytes = (text: string) => Buffer.from(text);
const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A store whose flushes happen one by one, when told to. */
class SteppedStore {
  readonly disk = new MemoryDisk();
  readonly flushes: { let: () => void; refuse: () => void }[] = [];
  readonly appended: Batch[] = [];
  store!: Store;
  log!: Log;

  async open(): Promise<this> {
    const copy = openMemoryCopy({ disk: this.disk, flush: (write) => this.#flush(write) });
    this.log = openLocalLog({ copy });
    const lead = this.log.lead();
    await turn();
    this.flushes.shift()!.let();
    const fence = await lead;
    const log: Log = Object.create(this.log, {
      append: {
        value: (batch: Batch, by: typeof fence) => {
          this.appended.push(batch);
          return this.log.append(batch, by);
        },
      },
      replace: { value: (staged: StagedRecords, by: typeof fence) => this.log.replace?.(staged, by) },
      revision: { get: () => this.log.revision },
    });
    this.store = openStore({ copy, log, fence, appendLimits: { changes: 5, bytes: 1000 } });
    return this;
  }

  /** Lets the next commit reach the disk. */
  async commit(): Promise<void> {
    await turn();
    this.flushes.shift()!.let();
    await turn();
  }

  #flush(write: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.flushes.push({
        let: () => {
          write();
          resolve();
        },
        refuse: () => reject(new Error('disk full')),
      });
    });
  }
}

describe('store', () => {
  let stepped: SteppedStore;
  let store: Store;
  let transaction: Transaction;
  beforeEach(async () => {
    stepped = await new SteppedStore().open();
    store = stepped.store;
    transaction = store.begin();
  });
  function write(changes: Record<string, string | undefined>): number {
    const writer = store.begin();
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) writer.delete(key);
      else writer.put(key, bytes(value));
    }
    return writer.apply();
  }

  it('shows a transaction its own writes, and others only once applied', () => {
    transaction.put('a', bytes('1'));
    assert.equal(text(transaction.get('a')), '1');
    assert.ok(transaction.dirty);
    const other = store.begin();
    assert.equal(other.get('a'), undefined);
    transaction.apply();
    assert.ok(!transaction.dirty);
    assert.equal(text(other.get('a')), '1');
    transaction.delete('a');
    assert.equal(transaction.get('a'), undefined);
    assert.equal(text(other.get('a')), '1');
    transaction.discard();
    assert.equal(text(transaction.get('a')), '1');
  });

  it('acknowledges nothing before it is on disk', async () => {
    const revision = write({ a: '1' });
    const durable = store.durable(revision);
    assert.ok(durable);
    let acknowledged = false;
    void durable.then(() => {
      acknowledged = true;
    });
    await turn();
    assert.equal(acknowledged, false);
    assert.equal(stepped.disk.values.size, 0);
    await stepped.commit();
    assert.equal(acknowledged, true);
    assert.equal(store.durable(revision), undefined);
    assert.equal(text(stepped.disk.values.get('a')), '1');
  });

  it('appends what piles up as one batch', async () => {
    const first = write({ a: '1' });
    await turn();
    const piled = [write({ a: '2', b: '2' }), write({ b: '3', c: '3' }), write({ a: undefined })];
    assert.deepEqual(piled, [first + 1, first + 1, first + 1]);
    assert.equal(store.revision, first + 1);
    await stepped.commit();
    assert.deepEqual(text(stepped.disk.values.get('a')), '1');
    await stepped.commit();
    assert.equal(stepped.appended.length, 2);
    assert.deepEqual(
      stepped.appended[1]!.map(({ key, value }) => [key, text(value)]),
      [
        ['a', undefined],
        ['b', '3'],
        ['c', '3'],
      ],
    );
    assert.equal(stepped.log.revision, first + 1);
  });

  it('bounds what goes out together, but never cuts a batch', async () => {
    write({ a: '1' });
    await turn();
    const large = write(Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`k${n}`, 'x'])));
    const next = write({ z: '1' });
    assert.equal(next, large + 1);
    await stepped.commit();
    await stepped.commit();
    assert.equal(stepped.disk.values.size, 10);
    assert.ok(store.durable(next));
    await stepped.commit();
    assert.equal(store.durable(next), undefined);
  });

  it('depends on pending state exactly when it saw some', async () => {
    const revision = write({ 'a/1': 'x', 'b/1': 'x' });
    await stepped.commit();
    const pending = write({ 'a/1': undefined, 'a/2': 'y' });
    assert.equal(pending, revision + 1);
    const depends = (read: (reader: Transaction) => void): number => {
      const reader = store.begin();
      read(reader);
      return reader.dependsOn;
    };
    assert.equal(
      depends((reader) => reader.get('b/1')),
      0,
    );
    assert.equal(
      depends((reader) => reader.list('b/')),
      0,
    );
    assert.equal(
      depends((reader) => [...reader.keys('b/')]),
      0,
    );
    assert.equal(
      depends((reader) => reader.get('a/1')),
      pending,
    );
    assert.equal(
      depends((reader) => reader.list('a/')),
      pending,
    );
    assert.equal(
      depends((reader) => reader.list('')),
      pending,
    );
    assert.equal(
      depends((reader) => reader.keys('a/')),
      0,
    );
    assert.equal(
      depends((reader) => [...reader.keys('a/', { after: 'a/2' })]),
      0,
    );
    const overwriting = store.begin();
    overwriting.put('a/1', bytes('own'));
    overwriting.put('a/2', bytes('own'));
    overwriting.get('a/1');
    assert.deepEqual(overwriting.list('a/'), ['1', '2']);
    assert.equal(overwriting.dependsOn, 0);
    await stepped.commit();
    assert.equal(
      depends((reader) => reader.list('a/')),
      0,
    );
  });

  it('keeps a key pending that was written again while its first value was committed', async () => {
    write({ a: '1' });
    await turn();
    const second = write({ a: '2' });
    await stepped.commit();
    assert.equal(text(transaction.get('a')), '2');
    assert.equal(transaction.dependsOn, second);
    await stepped.commit();
    assert.equal(text(store.begin().get('a')), '2');
  });

  it('an empty transaction depends on what it read, and appends nothing', async () => {
    assert.equal(transaction.apply(), 0);
    const revision = write({ a: '1' });
    transaction.get('a');
    assert.equal(transaction.apply(), revision);
    await stepped.commit();
    assert.equal(stepped.appended.length, 1);
  });

  it('drops what is pending and tells everybody when a commit fails', async () => {
    write({ a: 'durable' });
    await stepped.commit();
    const failures: Error[] = [];
    store.onFailure((error) => failures.push(error));
    const failing = write({ a: 'lost', b: 'lost' });
    const waiting = store.durable(failing)!;
    await turn();
    const behind = store.durable(write({ c: 'lost' }))!;
    stepped.flushes.shift()!.refuse();
    await assert.rejects(waiting, { code: 'unavailable' });
    await assert.rejects(behind, { code: 'unavailable' });
    await assert.rejects(store.durable(failing)!, { code: 'unavailable' });
    assert.equal(failures.length, 1);
    assert.equal(text(transaction.get('a')), 'durable');
    assert.deepEqual(transaction.list(''), ['a']);
    assert.throws(() => write({ d: 'x' }), { code: 'unavailable' });
    assert.equal(stepped.flushes.length, 0);
  });

  it('fails when somebody else leads', async () => {
    const failures: Error[] = [];
    store.onFailure((error) => failures.push(error));
    stepped.disk.term += 1;
    const waiting = store.durable(write({ a: '1' }))!;
    await turn();
    stepped.flushes.shift()!.let();
    await assert.rejects(waiting, { code: 'unavailable' });
    assert.ok(failures[0] instanceof FenceLost);
    assert.equal(stepped.disk.values.size, 0);
  });

  it('merges many keys of all three layers', async () => {
    const names = Array.from({ length: 300 }, (_, n) => `k/${String(n).padStart(3, '0')}`);
    // Of seven keys four are in the copy, two pending, one is written here; some are in all of them.
    const layer = (from: number, to: number) =>
      names.filter((_, n) => (n % 7 >= from && n % 7 < to) || n % 50 === 0);
    write(Object.fromEntries(layer(0, 4).map((key) => [key, 'copy'])));
    await stepped.commit();
    const pending = write(Object.fromEntries(layer(4, 6).map((key) => [key, 'pending'])));
    for (const key of layer(6, 7)) transaction.put(key, bytes('own'));
    assert.deepEqual([...transaction.keys('k/')], names);
    assert.equal(transaction.dependsOn, pending);
    assert.equal(text(transaction.get('k/150')), 'own');
  });

  it('walks on while what it walks over is written and committed', async () => {
    const names = Array.from({ length: 40 }, (_, n) => `k/${String(n).padStart(2, '0')}`);
    const even = names.filter((_, n) => n % 2 === 0);
    write(Object.fromEntries(even.map((key) => [key, 'copy'])));
    await stepped.commit();
    const changed = write({ 'k/01': 'put', 'k/02': undefined, 'k/07': 'put', 'k/08': undefined });
    const walk = transaction.keys('k/')[Symbol.iterator]();
    const seen = [walk.next().value, walk.next().value];
    await stepped.commit();
    const later = write({ 'k/10': undefined });
    seen.push(walk.next().value);
    assert.equal(transaction.dependsOn, changed);
    for (let next = walk.next(); !next.done; next = walk.next()) seen.push(next.value);
    const expected = [...even.filter((key) => !['k/02', 'k/08', 'k/10'].includes(key)), 'k/01', 'k/07'];
    assert.deepEqual(seen, expected.sort());
    assert.equal(transaction.dependsOn, later);
  });

  it('puts other records in the place of all, for those who begin after it', async () => {
    const { store } = stepped;
    const before = store.begin();
    before.put('old', bytes('1'));
    const commit = store.durable(before.apply());
    await stepped.commit();
    await commit;
    const staged = await store.stage();
    await staged.add([{ key: 'new', value: bytes('2') }]);
    const pending = store.begin();
    pending.put('pending', bytes('3'));
    const last = store.durable(pending.apply());
    const replaced = store.replace(staged);
    before.put('late', bytes('4'));
    assert.throws(() => before.apply(), { code: 'unavailable' });
    assert.equal(text(store.begin().get('old')), '1');
    await stepped.commit();
    await last;
    await stepped.commit();
    await replaced;
    assert.throws(() => before.get('old'), { code: 'unavailable' });
    assert.throws(() => before.list(''), { code: 'unavailable' });
    const after = store.begin();
    assert.deepEqual(after.list(''), ['new']);
    after.put('newer', bytes('5'));
    const newest = store.durable(after.apply());
    await stepped.commit();
    await newest;
    assert.deepEqual(store.begin().list(''), ['new', 'newer']);
  });

  it('fails as a whole when other records could not be put in the place of all', async () => {
    const { store } = stepped;
    let failed = false;
    store.onFailure(() => {
      failed = true;
    });
    const replaced = store.replace(await store.stage());
    await turn();
    stepped.flushes.shift()!.refuse();
    await assert.rejects(replaced, { code: 'unavailable' });
    assert.ok(failed);
  });

  it('closes after the last commit', async () => {
    const revision = write({ a: '1' });
    const closed = store.close();
    await stepped.commit();
    await closed;
    assert.equal(store.durable(revision), undefined);
    assert.throws(() => write({ a: '2' }), { code: 'unavailable' });
  });

  it('refuses keys and values that cannot be stored', () => {
    for (const key of ['', 'a\0b', '\ud800', 'a/', '/']) {
      assert.throws(() => transaction.put(key, bytes('x')), { code: 'invalid_request' }, JSON.stringify(key));
      assert.throws(() => transaction.delete(key), { code: 'invalid_request' });
      assert.equal(transaction.get(key), undefined);
    }
    for (const key of ['x'.repeat(KEY_BYTES_MAX + 1), 'é'.repeat(KEY_BYTES_MAX / 2 + 1)]) {
      assert.throws(() => transaction.put(key, bytes('x')), { code: 'too_large' });
    }
    transaction.put('é'.repeat(KEY_BYTES_MAX / 2), Buffer.alloc(VALUE_BYTES_MAX));
    assert.throws(() => transaction.put('a', Buffer.alloc(VALUE_BYTES_MAX + 1)), { code: 'too_large' });
    assert.throws(() => transaction.list('a'), { code: 'invalid_request' });
  });
});

describe('listing', () => {
  async function filled(keys: Iterable<string>): Promise<Transaction> {
    const copy = openMemoryCopy();
    await copy.apply(
      Array.from(keys, (key) => ({ key, value: bytes('x') })),
      1,
    );
    const log = openLocalLog({ copy });
    return openStore({ copy, log, fence: await log.lead() }).begin();
  }

  it('gives names in order, folders once, in pages', async () => {
    const reader = await filled(['a', 'a.b', 'a/1', 'a/2/x', 'a0', 'b/1', 'c']);
    assert.deepEqual(reader.list(''), ['a', 'a.b', 'a/', 'a0', 'b/', 'c']);
    assert.deepEqual(reader.list('a/'), ['1', '2/']);
    assert.deepEqual(reader.list('', { after: 'a.b', limit: 2 }), ['a/', 'a0']);
    assert.deepEqual(reader.list('', { after: 'a/', limit: 2 }), ['a0', 'b/']);
    assert.deepEqual(reader.list('', { after: 'a' }), ['a.b', 'a/', 'a0', 'b/', 'c']);
    assert.deepEqual(reader.list('', { limit: 0 }), []);
    assert.deepEqual(reader.list('none/'), []);
  });

  it('passes over the inside of large folders', async () => {
    const folders = Array.from({ length: 20 }, (_, folder) => `f${String(folder).padStart(2, '0')}/`);
    const reader = await filled(
      folders.flatMap((folder) => Array.from({ length: 5000 }, (_, n) => `${folder}${n}`)),
    );
    assert.deepEqual(reader.list(''), folders);
    assert.equal(reader.list('f07/').length, 5000);
    assert.equal([...reader.keys('')].length, 100_000);
  });

  it('may be changed while it is walked', async () => {
    const reader = await filled(Array.from({ length: 1000 }, (_, n) => `k/${String(n).padStart(4, '0')}`));
    let seen = 0;
    for (const key of reader.keys('k/')) {
      seen += 1;
      reader.delete(key);
    }
    assert.equal(seen, 1000);
    assert.deepEqual(reader.list(''), []);
  });
});
