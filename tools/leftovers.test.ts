import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { endLeftovers, findLeftovers } from './leftovers.ts';

const skip = process.platform === 'linux' ? false : 'only Linux shows the environment of other processes';

test('a process that detached itself is found by its environment and ended', { skip }, async () => {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, LEFTOVER_TEST: 'found' },
  });
  const exit = once(child, 'exit');
  const leftovers = await findLeftovers('LEFTOVER_TEST', 'found', 0);
  assert.deepEqual(
    leftovers.map(({ pid }) => pid),
    [child.pid],
  );
  endLeftovers(leftovers);
  await exit;
  assert.deepEqual(await findLeftovers('LEFTOVER_TEST', 'found', 2_000), []);
});
