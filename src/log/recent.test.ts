import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LogCompacted } from './log.ts';
import { RecentCommits } from './recent.ts';

const commit = (revision: number, bytes = 1) => ({
  revision,
  batch: [{ key: 'k', value: Buffer.alloc(bytes - 1) }],
});

describe('recent commits', () => {
  async function firstAfter(recent: RecentCommits, from: number): Promise<number> {
    for await (const { revision } of recent.follow(from, new AbortController().signal)) return revision;
    return 0;
  }

  it('keeps no more than its limits, the newest always', async () => {
    const recent = new RecentCommits(0, { commits: 4, bytes: 100 });
    for (let revision = 1; revision <= 10; revision++) recent.add(commit(revision));
    assert.equal(await firstAfter(recent, 9), 10);
    assert.equal(await firstAfter(recent, 6), 7);
    await assert.rejects(firstAfter(recent, 5), LogCompacted);
    recent.add(commit(11, 99));
    assert.equal(await firstAfter(recent, 10), 11);
    await assert.rejects(firstAfter(recent, 8), LogCompacted);
  });

  it('refuses a follower who fell behind while it was slow', async () => {
    const recent = new RecentCommits(0, { commits: 2, bytes: 100 });
    recent.add(commit(1));
    const slow = recent.follow(0, new AbortController().signal);
    assert.equal((await slow.next()).value?.revision, 1);
    for (let revision = 2; revision <= 9; revision++) recent.add(commit(revision));
    await assert.rejects(slow.next(), LogCompacted);
  });

  it('waits for what is ahead of it', async () => {
    const recent = new RecentCommits(7, { commits: 2, bytes: 100 });
    const next = firstAfter(recent, 7);
    recent.add(commit(8));
    assert.equal(await next, 8);
  });
});
