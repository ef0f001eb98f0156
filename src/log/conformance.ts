import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, type TestContext } from 'node:test';
import { type Batch, type Commit, type Log, LogCompacted } from './log.ts';

/** One place where commits are agreed, which logs are opened on. */
export interface LogUnderTest {
  /** A log over what was appended before, by this or an earlier one; as another process would open it. */
  open(): Promise<Log>;
  /** Makes the log forget its commits, not their effect, and returns one opened after that; absent: it keeps them all. */
  compact?(log: Log): Promise<Log>;
  /** Whether a log sees what was appended through another one that is open at the same time. */
  readonly shared: boolean;
  dispose(): Promise<void>;
}

const put = (key: string, text: string) => ({ key, value: Buffer.from(text) });
const remove = (key: string) => ({ key, value: undefined });

/** What every log must do; call it at the top of the log's own test. */
export function logConformance(name: string, make: () => Promise<LogUnderTest>): void {
  describe(`${name} is a log`, () => {
    let place: LogUnderTest;
    beforeEach(async () => {
      place = await make();
    });
    afterEach(() => place.dispose());

    for (const [title, test] of Object.entries({ ...appending, ...fencing, ...following, ...snapshots })) {
      it(title, (context) => test(place, context));
    }
  });
}

type Tests = Record<string, (place: LogUnderTest, context: TestContext) => Promise<void>>;

const appending: Tests = {
  async 'numbers commits from 1, rising by one, in the order of the calls'(place) {
    const log = await place.open();
    assert.equal(log.revision, 0);
    const fence = await log.lead();
    const texts = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
    const revisions = await Promise.all(texts.map((text) => log.append([put('counter', text)], fence)));
    const first = revisions[0]!;
    assert.deepEqual(
      revisions,
      texts.map((_, index) => first + index),
    );
    assert.equal(log.revision, revisions.at(-1));
    assert.deepEqual(await contents(log), { counter: '9' });
  },

  async 'has everything again after it was opened anew'(place) {
    const log = await place.open();
    const fence = await log.lead();
    await log.append([put('kept', 'old'), put('gone', 'x'), put('ключ/\u{1f511}', 'wide')], fence);
    const revision = await log.append([put('kept', 'new'), remove('gone'), remove('never there')], fence);
    await log.close();
    const again = await place.open();
    assert.equal(again.revision, revision);
    assert.deepEqual(await contents(again), { kept: 'new', 'ключ/\u{1f511}': 'wide' });
    assert.equal(await again.append([put('more', 'y')], await again.lead()), again.revision);
    assert.ok(again.revision > revision);
  },

  async 'shows a batch as a whole or not at all'(place) {
    const log = await place.open();
    const fence = await log.lead();
    const appended: Promise<unknown>[] = [];
    for (let n = 0; n < 30; n++) {
      appended.push(log.append([put('left', `${n}`), put('right', `${n}`)], fence));
      const { left, right } = await contents(log);
      assert.equal(left, right);
    }
    await Promise.all(appended);
  },

  async 'keeps empty values, large values and many changes'(place) {
    const log = await place.open();
    const fence = await log.lead();
    const large = 'x'.repeat(1024 * 1024);
    const many = Array.from({ length: 500 }, (_, n) => put(`many/${n}`, `${n}`));
    await log.append([put('empty', ''), put('large', large), ...many], fence);
    const all = await contents(log);
    assert.equal(all.empty, '');
    assert.equal(all.large, large);
    assert.equal(Object.keys(all).length, 502);
  },

  async 'takes nothing once it is closed'(place) {
    const log = await place.open();
    const fence = await log.lead();
    await log.append([put('a', '1')], fence);
    await log.close();
    await assert.rejects(log.append([put('a', '2')], fence), { code: 'append_failed' });
    assert.deepEqual(await contents(await place.open()), { a: '1' });
  },
};

const fencing: Tests = {
  async 'locks out a former leader, also one in another process'(place) {
    const former = await place.open();
    const formerFence = await former.lead();
    await former.append([put('a', 'former')], formerFence);
    const present = await place.open();
    const fence = await present.lead();
    assert.ok(fence.term > formerFence.term);
    await assert.rejects(former.append([put('a', 'too late')], formerFence), { code: 'fence_lost' });
    assert.deepEqual(await contents(present), { a: 'former' });
    await present.append([put('a', 'present')], fence);
    assert.deepEqual(await contents(present), { a: 'present' });
    await former.close();
  },

  async 'locks out an older fence of the same log'(place) {
    const log = await place.open();
    const older = await log.lead();
    const newer = await log.lead();
    await assert.rejects(log.append([put('a', 'older')], older), { code: 'fence_lost' });
    await log.append([put('a', 'newer')], newer);
    assert.deepEqual(await contents(log), { a: 'newer' });
  },

  async 'remembers the term when it is opened anew'(place) {
    const log = await place.open();
    const first = await log.lead();
    await log.close();
    const again = await place.open();
    const second = await again.lead();
    assert.ok(second.term > first.term);
    await assert.rejects(again.append([put('a', '1')], first), { code: 'fence_lost' });
  },

  async 'goes on after what another leader appended meanwhile'(place) {
    const log = await place.open();
    await log.append([put('a', '1')], await log.lead());
    const other = await place.open();
    const revision = await other.append([put('b', '2')], await other.lead());
    const fence = await log.lead();
    assert.equal(await log.append([put('c', '3')], fence), revision + 1);
    assert.deepEqual(await contents(log), { a: '1', b: '2', c: '3' });
    await other.close();
  },
};

const following: Tests = {
  async 'gives followers every commit from where they ask, then those to come'(place) {
    const log = await place.open();
    const fence = await log.lead();
    const start = log.revision;
    const batches: Batch[] = [0, 1, 2, 3].map((n) => [put(`key${n}`, `${n}`), remove('old')]);
    for (const batch of batches.slice(0, 2)) await log.append(batch, fence);
    const followers = [start, start + 1, start + 2].map((from) => take(log, from, start + 4 - from));
    for (const batch of batches.slice(2)) await log.append(batch, fence);
    for (const [index, commits] of (await Promise.all(followers)).entries()) {
      assert.deepEqual(
        commits.map(({ revision }) => revision),
        [1, 2, 3, 4].slice(index).map((n) => start + n),
      );
      assert.deepEqual(commits.map(readable), batches.slice(index).map(readableBatch));
    }
  },

  async 'ends following when asked to, and when the log closes'(place) {
    const log = await place.open();
    const stop = new AbortController();
    const stopped = drain(log.follow(log.revision, stop.signal));
    const closed = drain(log.follow(log.revision, new AbortController().signal));
    stop.abort();
    assert.deepEqual(await stopped, []);
    await log.close();
    assert.deepEqual(await closed, []);
  },

  async 'shows followers what others append'(place, context) {
    if (!place.shared) return context.skip('this log belongs to one process');
    const follower = await place.open();
    const leader = await place.open();
    const fence = await leader.lead();
    const commits = take(follower, leader.revision, 2);
    await leader.append([put('a', '1')], fence);
    await leader.append([put('b', '2')], fence);
    assert.equal((await commits).length, 2);
    await follower.close();
  },

  async 'says so when it no longer keeps what a follower asks for'(place, context) {
    if (!place.compact) return context.skip('this log keeps all its commits');
    const before = await place.open();
    const fence = await before.lead();
    const start = before.revision;
    for (const text of ['1', '2', '3']) await before.append([put('a', text)], fence);
    const log = await place.compact(before);
    await assert.rejects(take(log, start, 1), LogCompacted);
    assert.deepEqual(await contents(log), { a: '3' });
    const next = take(log, log.revision, 1);
    const revision = await log.append([put('a', '4')], await log.lead());
    assert.equal((await next)[0]!.revision, revision);
  },
};

const snapshots: Tests = {
  async 'takes a snapshot as of one revision, whatever is appended meanwhile'(place) {
    const log = await place.open();
    const fence = await log.lead();
    await log.append(
      Array.from({ length: 50 }, (_, n) => put(`k/${n}`, 'before')),
      fence,
    );
    const snapshot = await log.snapshot();
    assert.equal(snapshot.revision, log.revision);
    const seen: string[] = [];
    for await (const { key, value } of snapshot.records) {
      if (seen.length === 10) {
        await log.append([put('k/49', 'after'), remove('k/48'), put('k/new', 'after')], fence);
      }
      seen.push(`${key}=${Buffer.from(value).toString()}`);
    }
    assert.equal(seen.length, 50);
    assert.ok(seen.every((record) => record.endsWith('=before')));
  },

  async 'can be left in the middle of a snapshot'(place) {
    const log = await place.open();
    const fence = await log.lead();
    await log.append([put('a', '1'), put('b', '2')], fence);
    for await (const { key } of (await log.snapshot()).records) {
      assert.equal(key, 'a');
      break;
    }
    await log.append([put('a', '3')], fence);
    assert.deepEqual(await contents(log), { a: '3', b: '2' });
  },
};

async function contents(log: Log): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { key, value } of (await log.snapshot()).records)
    found[key] = Buffer.from(value).toString();
  return found;
}

async function take(log: Log, from: number, count: number): Promise<Commit[]> {
  const stop = new AbortController();
  const commits: Commit[] = [];
  for await (const commit of log.follow(from, stop.signal)) {
    commits.push(commit);
    if (commits.length === count) stop.abort();
  }
  return commits;
}

async function drain<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function readable({ batch }: Commit): Record<string, string | undefined> {
  return readableBatch(batch);
}

function readableBatch(batch: Batch): Record<string, string | undefined> {
  return Object.fromEntries(batch.map(({ key, value }) => [key, value && Buffer.from(value).toString()]));
}
