import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import { seededRandom } from '../base/random.ts';
import { openLocalLog } from '../log/local.ts';
import { MemoryDisk, openMemoryCopy } from '../store/memory.ts';
import { openStore } from '../store/open.ts';
import { Barrier } from './barrier.ts';
import { envelopeTerm } from './envelope.ts';
import { Reencryption } from './reencryption.ts';
import { KeyRotation } from './rotation.ts';
import { openSession, persist } from './session.ts';

const ROOT_KEY = Buffer.alloc(32, 7);
const RECORDS = 500;

async function open(disk: MemoryDisk, clock: ManualClock) {
  const copy = openMemoryCopy({ disk });
  const log = openLocalLog({ copy });
  const store = openStore({ copy, log, fence: await log.lead(), logger: silentLogger });
  const barrier = new Barrier({ clock, random: seededRandom(1) });
  const first = store.begin();
  if (!barrier.isInitialized(first)) {
    barrier.initialize(first, ROOT_KEY);
    await store.durable(first.apply());
  }
  barrier.unseal(store.begin(), ROOT_KEY);
  const session = () => openSession({ store, barrier });
  const common = { barrier, store, openSession: session, clock, log: silentLogger };
  const reencryption = new Reencryption(common);
  const rotation = new KeyRotation({ ...common, reencryption });
  return { store, barrier, session, reencryption, rotation };
}

type World = Awaited<ReturnType<typeof open>>;

let clock: ManualClock;
let disk: MemoryDisk;
let world: World;

beforeEach(async () => {
  clock = new ManualClock();
  disk = new MemoryDisk();
  world = await open(disk, clock);
  const within = world.session();
  for (let n = 0; n < RECORDS; n++) within.view('some/').put(name(n), { n });
  await persist(within);
});

const name = (n: number) => String(n).padStart(4, '0');
const termsInStore = (prefix: string) =>
  new Set([...disk.values].filter(([key]) => key.startsWith(prefix)).map(([, value]) => envelopeTerm(value)));

const goesOn = () => ['running', 'verifying'].includes(world.reencryption.status().state);

/** One slice with its pause, or some. */
async function slices(count: number): Promise<void> {
  for (; count > 0; count--) {
    clock.advance(1000);
    for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => setImmediate(resolve));
  }
}

async function complete(): Promise<void> {
  for (let n = 0; n < 200 && goesOn(); n++) await slices(1);
  assert.equal(world.reencryption.status().state, 'complete');
}

function check({ session }: World, count = RECORDS): void {
  const view = session().view('some/');
  assert.equal(view.list('').length, count);
  for (const key of view.list('')) assert.deepEqual(view.get(key), { n: Number(key) });
}

test('a rotation brings every record under the new key, and says how far it is', async () => {
  const { rotation, reencryption } = world;
  assert.equal(reencryption.status().state, 'idle');
  await rotation.rotate();
  const begun = reencryption.status();
  assert.deepEqual([begun.state, begun.term], ['running', 2]);
  await slices(2);
  const { examined, rewritten, records } = reencryption.status();
  assert.ok(rewritten > 0 && rewritten < RECORDS && examined >= rewritten && records > RECORDS);
  assert.ok(reencryption.remaining > 0 && reencryption.remaining < records);
  await complete();
  const done = reencryption.status();
  assert.ok(done.rewritten >= RECORDS && done.damaged === 0 && done.finished_at !== '');
  assert.equal(reencryption.remaining, 0);
  assert.deepEqual(termsInStore('some/'), new Set([2]));
  check(world);
});

test('it goes on where it was, also after a crash', async () => {
  await world.rotation.rotate();
  await slices(3);
  const before = world.reencryption.status().rewritten;
  // The first one is left as a process is that was killed.
  world = await open(disk, new ManualClock());
  world.rotation.start();
  const { state, rewritten } = world.reencryption.status();
  assert.ok(state === 'running' && rewritten >= before && rewritten < before + 100);
  await world.reencryption.stop();
  world = await open(disk, clock);
  world.rotation.start();
  await complete();
  assert.ok(world.reencryption.status().rewritten < RECORDS + 10, 'nothing was done twice');
  assert.deepEqual(termsInStore('some/'), new Set([2]));
  check(world);
});

test('a rotation whose process ended at once is made good at the next start', async () => {
  await world.store.durable(world.barrier.rotate(world.store.begin()));
  world = await open(disk, clock);
  world.rotation.start();
  await complete();
  assert.deepEqual(termsInStore('some/'), new Set([2]));
});

test('a rotation in the midst of it begins it anew', async () => {
  await world.rotation.rotate();
  await slices(3);
  await world.rotation.rotate();
  assert.deepEqual([world.reencryption.status().term, world.reencryption.status().examined], [3, 0]);
  await complete();
  assert.deepEqual(termsInStore('some/'), new Set([3]));
  check(world);
});

test('what changes or goes meanwhile stays changed and gone', async () => {
  const random = seededRandom(7);
  await world.rotation.rotate();
  const gone = new Set<string>();
  while (goesOn()) {
    const within = world.session();
    const key = name(random.below(RECORDS));
    if (random.below(2) === 0) {
      within.view('some/').delete(key);
      gone.add(key);
    } else if (!gone.has(key)) within.view('some/').put(key, { n: Number(key) });
    await slices(random.below(2));
    await persist(within);
  }
  check(world, RECORDS - gone.size);
  assert.deepEqual(termsInStore('some/'), new Set([2]));
});

test('a request that waited while the key was replaced writes under the new one', async () => {
  const within = world.session();
  within.view('some/').put(name(RECORDS), { n: RECORDS });
  await world.rotation.rotate();
  await complete();
  await persist(within);
  assert.deepEqual(termsInStore('some/'), new Set([2]));
  check(world, RECORDS + 1);
});

test('it can be turned off, begun by hand, stopped and gone on with', async () => {
  const { session, rotation, reencryption } = world;
  const within = session();
  rotation.configure(within, { reencrypt: false });
  await persist(within);
  await rotation.rotate();
  rotation.start();
  assert.equal(reencryption.status().state, 'idle');
  await reencryption.begin();
  await slices(2);
  await reencryption.cancel();
  await slices(2);
  const { state, rewritten } = reencryption.status();
  assert.deepEqual([state, rewritten > 0 && rewritten < RECORDS], ['stopped', true]);
  world = await open(disk, clock);
  world.rotation.start();
  await slices(2);
  assert.equal(world.reencryption.status().rewritten, rewritten, 'stopped stays stopped');
  await world.reencryption.begin();
  await complete();
  assert.ok(world.reencryption.status().rewritten < RECORDS + 10);
  check(world);
});

test('a damaged record is counted, left as it is, and keeps older keys from being retired', async () => {
  const damaged = Buffer.from(disk.values.get(`some/${name(3)}`)!);
  damaged[20]! ^= 1;
  const transaction = world.store.begin();
  transaction.put(`some/${name(3)}`, damaged);
  transaction.put('core/plain', Buffer.from('{"not":"encrypted"}'));
  await world.store.durable(transaction.apply());
  await world.rotation.rotate();
  await complete();
  assert.equal(world.reencryption.status().damaged, 1);
  assert.deepEqual(disk.values.get(`some/${name(3)}`), damaged);
  assert.equal(Buffer.from(disk.values.get('core/plain')!).toString(), '{"not":"encrypted"}');
  await assert.rejects(world.reencryption.retire(0), /1 damaged records/);
  const within = world.session();
  within.view('some/').delete(name(3));
  await persist(within);
  await world.reencryption.begin();
  await complete();
  assert.deepEqual(await world.reencryption.retire(0), [1]);
});

test('older keys are retired once nothing needs them and they are old enough', async () => {
  const { rotation, reencryption, barrier } = world;
  const opaque = barrier.sealOpaque('batch', Buffer.from('x'));
  await assert.rejects(reencryption.retire(0), InvalidRequest);
  await rotation.rotate();
  await assert.rejects(reencryption.retire(0), /not complete/);
  await complete();
  await rotation.rotate();
  await complete();
  await assert.rejects(reencryption.retire(24 * 3600), /no key was replaced 24h0m0s ago or earlier/);
  assert.deepEqual(await reencryption.retire(0), [1, 2]);
  assert.equal(barrier.openOpaque('batch', opaque), undefined);
  check(world);
  world = await open(disk, clock);
  assert.deepEqual(
    world.barrier.keyStatuses.map(({ term }) => term),
    [3],
  );
  check(world);
});

test('a key is retired by itself where only it is old enough', async () => {
  const { rotation, reencryption, barrier } = world;
  await rotation.rotate();
  await complete();
  clock.advance(3600_000);
  await rotation.rotate();
  await complete();
  assert.deepEqual(await reencryption.retire(1800), [1]);
  assert.deepEqual(
    barrier.keyStatuses.map(({ term }) => term),
    [2, 3],
  );
});
