import { type Client, pause } from '../client/client.ts';
import { stringsOf } from '../client/reply.ts';
import type { Context } from './command.ts';

const POLL_MS = 500;
/** Only so many folders are counted, which keeps the counting cheap beside the work. */
const FOLDERS_MAX = 50;
/** Below this many leases it is done before anyone would read a display. */
const WORTH_SHOWING = 200;
/** Queued work that stands still for this many looks goes on without being watched. */
const STILL_MAX = 20;

/**
 * Ends leases, and on a terminal shows how many are left until none is. Who may not count leases gets no display; the
 * work itself is the same.
 */
export async function withLeaseProgress<T>(
  context: Context,
  prefix: string,
  work: () => Promise<T>,
): Promise<T> {
  const { terminal, flags } = context;
  const watching = terminal.error.isTerminal && !flags['non-interactive'];
  const client = await context.client();
  const total = watching ? await countLeases(client, prefix) : 0;
  const running = work();
  if (total < WORTH_SHOWING) return running;
  const state = { done: false, failed: false };
  running.then(
    () => {
      state.done = true;
    },
    () => {
      state.failed = true;
    },
  );
  let left = total;
  for (let still = 0; left > 0 && still < STILL_MAX && !state.failed; ) {
    terminal.error.write(`\r${bar(total - left, total)}`);
    await pause(terminal.clock, POLL_MS);
    const now = await countLeases(client, prefix);
    still = now === left && state.done ? still + 1 : 0;
    left = now;
  }
  terminal.error.write(`\r${bar(total - left, total)}\n`);
  return running;
}

function bar(done: number, total: number): string {
  const width = 30;
  const filled = Math.round((done / total) * width);
  return `Revoking leases [${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${done} of ${total}`;
}

/** Leases below a prefix, or 0 where they may not be listed. */
async function countLeases(client: Client, prefix: string): Promise<number> {
  let count = 0;
  const folders = [`${prefix.replace(/\/$/, '')}/`];
  try {
    for (let visited = 0; folders.length > 0 && visited < FOLDERS_MAX; visited++) {
      const folder = folders.shift()!;
      const reply = await client.find('LIST', `sys/leases/lookup/${folder}`);
      for (const key of stringsOf(reply?.data?.keys)) {
        if (key.endsWith('/')) folders.push(`${folder}${key}`);
        else count++;
      }
    }
  } catch {
    return 0;
  }
  return count;
}
