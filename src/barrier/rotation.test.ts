import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import { seededRandom } from '../base/random.ts';
import { openLocalLog } from '../log/local.ts';
import { openMemoryCopy } from '../store/memory.ts';
import { openStore } from '../store/open.ts';
import { Barrier } from './barrier.ts';
import { Reencryption } from './reencryption.ts';
import { KeyRotation } from './rotation.ts';
import { openSession, persist } from './session.ts';

const DAY = 24 * 60 * 60;

async function open() {
  const clock = new ManualClock();
  const copy = openMemoryCopy();
  const log = openLocalLog({ copy });
  const store = openStore({ copy, log, fence: await log.lead(), logger: silentLogger });
  const rootKey = Buffer.alloc(32, 7);
  const barrier = new Barrier({ clock, random: seededRandom(1) });
  const first = store.begin();
  barrier.initialize(first, rootKey);
  first.apply();
  barrier.unseal(store.begin(), rootKey);
  const session = () => openSession({ store, barrier });
  const common = { barrier, store, openSession: session, clock, log: silentLogger };
  const reencryption = new Reencryption(common);
  const rotation = new KeyRotation({ ...common, reencryption });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { clock, store, barrier, rootKey, session, rotation, settle };
}

test('a key that has reached its age is replaced, and one that has not is kept', async () => {
  const { clock, barrier, session, rotation, settle } = await open();
  const within = session();
  rotation.configure(within, { interval: 2 * DAY });
  await persist(within);
  rotation.start();
  clock.advance(2 * DAY * 1000 - 600_000);
  await settle();
  assert.equal(barrier.keyStatus.term, 1);
  clock.advance(900_000);
  await settle();
  assert.equal(barrier.keyStatus.term, 2);
  await rotation.stop();
});

test('nothing is replaced where that is turned off', async () => {
  const { clock, barrier, session, rotation, settle } = await open();
  const within = session();
  rotation.configure(within, { interval: DAY, enabled: false });
  await persist(within);
  rotation.start();
  clock.advance(10 * DAY * 1000);
  await settle();
  assert.equal(barrier.keyStatus.term, 1);
  await rotation.stop();
});

test('the count of encryptions outlives the process', async () => {
  const { store, barrier, rootKey, session, rotation } = await open();
  rotation.start();
  for (let i = 0; i < 5; i++) {
    const within = session();
    within.view('core/').put('x', { i });
    await persist(within);
  }
  await rotation.stop();
  const { encryptions } = barrier.keyStatus;
  barrier.seal();
  barrier.unseal(store.begin(), rootKey);
  assert.ok(encryptions >= 5);
  assert.equal(barrier.keyStatus.encryptions, encryptions);
});

test('limits that endanger the key or never end are refused', async () => {
  const { session, rotation } = await open();
  for (const change of [
    { operationsMax: 999_999 },
    { operationsMax: 3_865_470_567 },
    { interval: DAY - 1 },
    { interval: -1 },
  ]) {
    assert.throws(() => rotation.configure(session(), change), InvalidRequest);
  }
});
