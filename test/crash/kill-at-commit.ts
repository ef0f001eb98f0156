/**
 * Loaded before the program (`node --import`): kills the process at a commit, as `KILL_ORDER` (a file) says. `before 1
 * core/keyring`: in place of the first commit from now on that writes a record whose key begins so; `after 2
 * core/keyring`: once the second one is durable, before anybody is told.
 */
import { existsSync, readFileSync } from 'node:fs';
import { openLocalLog } from '../../src/log/local.ts';
import type { Batch, Fence, Log, Revision } from '../../src/log/log.ts';
import { openMemoryCopy } from '../../src/store/memory.ts';

const order = process.env.KILL_ORDER ?? '';
const log: Pick<Log, 'append'> = Object.getPrototypeOf(openLocalLog({ copy: openMemoryCopy() }));
const append = log.append;
let seen = 0;

log.append = async function (this: Log, batch: Batch, fence: Fence): Promise<Revision> {
  const [when, count, key] = existsSync(order) ? readFileSync(order, 'utf8').split(' ') : [];
  const meant = key !== undefined && batch.some((change) => change.key.startsWith(key));
  if (key === undefined) seen = 0;
  else if (meant) seen += 1;
  const due = meant && seen === Number(count);
  if (due && when === 'before') return die();
  const revision = await append.call(this, batch, fence);
  return due ? die() : revision;
};

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
}
