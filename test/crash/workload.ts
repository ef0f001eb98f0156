import assert from 'node:assert/strict';
import { Barrier } from '../../src/barrier/barrier.ts';
import type { View } from '../../src/barrier/view.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import type { DurableCopy } from '../../src/log/copy.ts';
import { openLocalLog } from '../../src/log/local.ts';
import { openStore } from '../../src/store/open.ts';
import type { Store, Transaction } from '../../src/store/store.ts';

/*
 * Writers that move money between accounts and keep a journal, all in one batch each: whatever happens, the sum stays
 * what it was, a writer's counter and its journal agree, and nothing that was acknowledged is missing.
 */

const WRITERS = 8;
const ACCOUNTS = 20;
const BALANCE = 1000;
const ROOT_KEY = Buffer.alloc(32, 7);

/** What somebody was told: for each writer, its newest number. */
export type Told = Map<number, number>;

type Tell = (writer: number, n: number) => void;

export interface World {
  store: Store;
  barrier: Barrier;
}

export async function openWorld(copy: DurableCopy, random: Random): Promise<World> {
  const log = openLocalLog({ copy });
  const store = openStore({ copy, log, fence: await log.lead() });
  const barrier = new Barrier({ clock: systemClock, random });
  const transaction = store.begin();
  if (!barrier.isInitialized(transaction)) {
    barrier.initialize(transaction, ROOT_KEY);
    await store.durable(transaction.apply());
  }
  barrier.unseal(transaction, ROOT_KEY);
  const accounts = barrier.view(transaction, 'accounts/');
  if (accounts.get('0') === undefined) {
    for (let n = 0; n < ACCOUNTS; n++) accounts.put(`${n}`, BALANCE);
    await store.durable(transaction.apply());
  }
  return { store, barrier };
}

/** Writes and reads until the store fails or `stop` says so; tells what is durable. */
export async function work(world: World, random: Random, tell: Tell, stop: () => boolean): Promise<void> {
  let failed = false;
  world.store.onFailure(() => {
    failed = true;
  });
  const ended = () => failed || stop();
  const writers = Array.from({ length: WRITERS }, (_, writer) => write(world, random, writer, tell, ended));
  const everybody = [...writers, read(world, random, tell, ended)];
  await Promise.all(everybody.map((one) => one.catch(ignoreUnavailable)));
}

function ignoreUnavailable(error: { code?: string }): void {
  if (error.code !== 'unavailable') throw error;
}

async function write(
  { store, barrier }: World,
  random: Random,
  writer: number,
  tell: Tell,
  stop: () => boolean,
): Promise<void> {
  while (!stop()) {
    const transaction = store.begin();
    const n = transfer(barrier.view(transaction, ''), random, writer);
    if (random.below(16) === 0) transaction.discard();
    else {
      await store.durable(transaction.apply());
      tell(writer, n);
    }
    if (random.below(4) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** One batch; returns its number. */
function transfer(view: View, random: Random, writer: number): number {
  const from = random.below(ACCOUNTS);
  const to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
  const amount = random.below(10);
  view.put(`accounts/${from}`, view.get<number>(`accounts/${from}`)! - amount);
  view.put(`accounts/${to}`, view.get<number>(`accounts/${to}`)! + amount);
  const n = (view.get<number>(`counter/${writer}`) ?? 0) + 1;
  view.put(`counter/${writer}`, n);
  view.put(`journal/${writer}/${n}`, { from, to, amount, filling: 'x'.repeat(random.below(3000)) });
  if (n > 50) view.delete(`journal/${writer}/${n - 50}`);
  return n;
}

/** A reply that saw a pending write promises it as much as the writer's own. */
async function read(
  { store, barrier }: World,
  random: Random,
  tell: Tell,
  stop: () => boolean,
): Promise<void> {
  while (!stop()) {
    const transaction = store.begin();
    const writer = random.below(WRITERS);
    const n = barrier.view(transaction, 'counter/').get<number>(`${writer}`) ?? 0;
    await store.durable(transaction.dependsOn);
    tell(writer, n);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Looks at everything after a crash. */
export function check({ store, barrier }: World, told: Told): void {
  const transaction: Transaction = store.begin();
  const view = barrier.view(transaction, '');
  let sum = 0;
  for (let n = 0; n < ACCOUNTS; n++) sum += view.get<number>(`accounts/${n}`)!;
  assert.equal(sum, ACCOUNTS * BALANCE, 'half a batch is visible: the sum changed');
  for (let writer = 0; writer < WRITERS; writer++) {
    const n = view.get<number>(`counter/${writer}`) ?? 0;
    assert.ok(n >= (told.get(writer) ?? 0), `writer ${writer} was told ${told.get(writer)} and ${n} is left`);
    const journal = view.list(`journal/${writer}/`).map(Number);
    const expected = Array.from({ length: Math.min(n, 50) }, (_, index) => n - index);
    assert.deepEqual(new Set(journal), new Set(expected), `journal of writer ${writer}`);
    for (const entry of journal) assert.ok(view.get(`journal/${writer}/${entry}`));
  }
  assert.deepEqual(barrier.quarantined(), []);
}
