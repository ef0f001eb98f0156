import assert from 'node:assert/strict';
import { Barrier } from '../src/barrier/barrier.ts';
import { ManualClock } from '../src/base/clock.ts';
import { createLogger } from '../src/base/logger.ts';
import { seededRandom } from '../src/base/random.ts';
import { Lifecycle } from '../src/lifecycle/lifecycle.ts';
import { type ConfiguredSeal, Seals } from '../src/lifecycle/seals.ts';
import { openLocalLog } from '../src/log/local.ts';
import { MemoryDisk, openMemoryCopy } from '../src/store/memory.ts';
import { openStore } from '../src/store/open.ts';

/** What is open while unsealed, as far as a lifecycle sees it. */
export class Inside {
  starts = 0;
  stops = 0;
  sharesChanged = 0;
  failing: Error | undefined;
  failingStop: Error | undefined;
}

/** A lifecycle over a disk in memory, with nothing inside; opened again on the same disk it is the next start. */
export async function openLifecycle({
  disk = new MemoryDisk(),
  seals = [] as readonly ConfiguredSeal[],
  seed = 1,
} = {}) {
  const clock = new ManualClock();
  const random = seededRandom(seed);
  const copy = openMemoryCopy({ disk });
  const log = openLocalLog({ copy });
  const store = openStore({ copy, log, fence: await log.lead() });
  const barrier = new Barrier({ clock, random });
  const inside = new Inside();
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const lifecycle = new Lifecycle({
    store,
    barrier,
    seals: new Seals(seals),
    open: () => ({
      initialize: (session) => session.view('').put('first', true),
      async start(session) {
        assert.equal(session.view('').get('first'), true);
        inside.starts++;
        if (inside.failing) throw inside.failing;
      },
      async stop() {
        inside.stops++;
        if (inside.failingStop) throw inside.failingStop;
      },
      createRootToken: () => 'hvs.root',
      sharesChanged: () => void inside.sharesChanged++,
    }),
    clock,
    random,
    log: createLogger({ level: 'info', format: 'standard', write, now: () => 0 }),
    clusterName: undefined,
    storageType: 'inmem',
    version: '1.0.0',
    buildDate: '',
  });
  return { disk, store, barrier, inside, lifecycle, clock, lines };
}
