import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import { openLmdbCopy } from '../../src/store/lmdb.ts';
import { temporaryDirectory } from '../../src/store/testing.ts';
import { check, openWorld, type Told } from './workload.ts';

const WRITER = fileURLToPath(new URL('./writer.ts', import.meta.url));

const rounds = Number(process.env.COFFER_CRASH_ROUNDS ?? 12);
const seed = Number(process.env.COFFER_SEED ?? systemRandom.below(2 ** 31));

it(`loses nothing acknowledged and shows no half batch when it is killed ${rounds} times`, async () => {
  const directory = temporaryDirectory();
  const random = seededRandom(seed);
  const told: Told = new Map();
  let replies = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      replies += await workUntilKilled(directory.path, random.below(random.below(4) === 0 ? 20 : 200), told);
      const copy = openLmdbCopy({ path: directory.path });
      check(await openWorld(copy, systemRandom), told);
      await copy.close();
    }
    assert.ok(replies > rounds, `only ${replies} replies: the test did not test`);
  } catch (error) {
    throw new Error(`COFFER_SEED=${seed}: ${(error as Error).message}`, { cause: error });
  } finally {
    directory.remove();
  }
});

/** Starts a writer, kills it `delayMs` after its first reply, and notes what it was told; returns how often. */
async function workUntilKilled(path: string, delayMs: number, told: Told): Promise<number> {
  const child = spawn(process.execPath, [WRITER, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let replies = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (replies === 0) setTimeout(() => child.kill('SIGKILL'), delayMs);
    replies += 1;
    const [writer, n] = line.split(' ').map(Number);
    // A line that the kill cut short only tells less.
    if (writer !== undefined && n !== undefined) told.set(writer, Math.max(told.get(writer) ?? 0, n));
  }
  const [, signal] = await ended;
  assert.equal(signal, 'SIGKILL', 'the writer ended by itself');
  return replies;
}
