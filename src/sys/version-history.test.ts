import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Barrier } from '../barrier/barrier.ts';
import { openSession } from '../barrier/session.ts';
import { ManualClock } from '../base/clock.ts';
import { seededRandom } from '../base/random.ts';
import { openLocalLog } from '../log/local.ts';
import { openMemoryCopy } from '../store/memory.ts';
import { openStore } from '../store/open.ts';
import { recordVersion, versionHistory } from './version-history.ts';

test('each version is noted once, with the one before it', async () => {
  const copy = openMemoryCopy();
  const log = openLocalLog({ copy });
  const store = openStore({ copy, log, fence: await log.lead() });
  const barrier = new Barrier({ clock: new ManualClock(), random: seededRandom(1) });
  const rootKey = Buffer.alloc(32, 1);
  const first = store.begin();
  barrier.initialize(first, rootKey);
  first.apply();
  barrier.unseal(store.begin(), rootKey);

  const start = (version: string, startedAtMs: number) => {
    const session = openSession({ store, barrier });
    recordVersion(session, { version, buildDate: '2026-01-02T00:00:00Z', startedAtMs });
    session.apply();
    return versionHistory(session);
  };
  assert.deepEqual(start('1.0.0', 0), {
    keys: ['1.0.0'],
    key_info: {
      '1.0.0': {
        build_date: '2026-01-02T00:00:00Z',
        previous_version: null,
        timestamp_installed: '1970-01-01T00:00:00.000000000Z',
      },
    },
  });
  start('1.1.0', 1000);
  const { keys, key_info: info } = start('1.0.0', 2000);
  assert.deepEqual(keys, ['1.0.0', '1.1.0']);
  assert.equal(info['1.1.0']?.previous_version, '1.0.0');
  assert.equal(info['1.0.0']?.timestamp_installed, '1970-01-01T00:00:00.000000000Z');
});
