/**
 * How long the store and the barrier take, in microseconds for one operation: `node bench/store.ts`.
 * Records are like KV v2's; the raw LMDB figures are what the rest is measured against.
 */
import { Barrier } from '../src/barrier/barrier.ts';
import { systemClock } from '../src/base/clock.ts';
import { systemRandom } from '../src/base/random.ts';
import { openLocalLog } from '../src/log/local.ts';
import { openLmdbCopy } from '../src/store/lmdb.ts';
import { openStore } from '../src/store/open.ts';
import { temporaryDirectory } from '../src/store/testing.ts';

const RECORDS = 20_000;
const READS = 200_000;

const directory = temporaryDirectory();
const copy = openLmdbCopy({ path: directory.path });
const log = openLocalLog({ copy });
const store = openStore({ copy, log, fence: await log.lead() });
const cached = new Barrier({ clock: systemClock, random: systemRandom, cacheBytesMax: 256 * 1024 * 1024 });
const uncached = new Barrier({ clock: systemClock, random: systemRandom, cacheBytesMax: 0 });

const first = store.begin();
cached.initialize(first, Buffer.alloc(32));
first.apply();
for (const barrier of [cached, uncached]) barrier.unseal(first, Buffer.alloc(32));
const names = Array.from({ length: RECORDS }, (_, n) => `team-${n % 100}/app-${n}`);
const prefix = 'mounts/0b2f7c52-6a0f-4d7e-8f6b-3f1f1f6f2a11/';
const value = { created_time: '2026-01-01T00:00:00.000000000Z', data: { password: 'x'.repeat(200) } };

measure('barrier put (encrypt)', RECORDS, (n) => cached.view(first, prefix).put(names[n]!, value));
await store.durable(first.apply());

const order = names.map((_, n) => names[(n * 7919) % RECORDS]!);
const hot = order.slice(0, 100);
measure('copy get, any of 20,000', READS, (n) => copy.get(prefix + order[n % RECORDS]!));
measure('copy get, 100 hot', READS, (n) => copy.get(prefix + hot[n % 100]!));
measure('store get, 100 hot', READS, (n) => store.begin().get(prefix + hot[n % 100]!));
measure('barrier get, not cached', READS / 4, (n) =>
  uncached.view(store.begin(), prefix).get(order[n % RECORDS]!),
);
measure('barrier get, cached, any', READS, (n) =>
  cached.view(store.begin(), prefix).get(order[n % RECORDS]!),
);
measure('barrier get, cached, 100 hot', READS, (n) => cached.view(store.begin(), prefix).get(hot[n % 100]!));
measure('list 100 folders of 200', 50, () => store.begin().list(prefix));
measure('list 200 names', 500, (n) => store.begin().list(`${prefix}team-${n % 100}/`));
measure('walk 20,000 keys', 5, () => [...store.begin().keys(prefix)]);

for (const concurrency of [1, 16, 256]) {
  const writes = 20 * concurrency + 200;
  const startMs = performance.now();
  let next = 0;
  const writer = async () => {
    while (next < writes) {
      const n = next++ % RECORDS;
      const transaction = store.begin();
      const view = cached.view(transaction, prefix);
      view.put(names[n]!, value);
      view.put(`${names[n]!}/metadata`, value);
      await store.durable(transaction.apply());
    }
  };
  await Promise.all(Array.from({ length: concurrency }, writer));
  print(
    `durable write of 2 records, ${concurrency} at a time`,
    ((performance.now() - startMs) * 1000) / writes,
  );
}
await store.close();
await copy.close();
directory.remove();

/** The best of three rounds: the others had to share the machine. */
function measure(name: string, count: number, work: (n: number) => unknown): void {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const startMs = performance.now();
    for (let n = 0; n < count; n++) work(n);
    best = Math.min(best, ((performance.now() - startMs) * 1000) / count);
  }
  print(name, best);
}

function print(name: string, microseconds: number): void {
  console.log(`${name.padEnd(50)} ${microseconds.toFixed(2).padStart(10)} us`);
}
