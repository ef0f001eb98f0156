import type { Clock } from '../base/clock.ts';
import { Unavailable } from '../base/errors.ts';
import { turn } from '../base/turn.ts';
import type { SnapshotRecord } from '../snapshot-file/format.ts';

/** Read in one go, before requests are let in again. */
const LIST_BYTES = 256 * 1024;
const LIST_MS = 1;
/** Records read between two looks at the clock. */
const LOOK_EVERY = 16;
/** Where others took longer than this of a turn, the server is busy: then so many times as long is left to them. */
const BUSY_MS = 1;
const PAUSE_FACTOR = 2;
const PAUSE_MS_MAX = 100;
/** A past state of the store that nobody reads on is let go after this, because its space cannot be used again until then. */
const STALL_MS_MAX = 5 * 60_000;

/** The records of a snapshot in short lists, no faster than they are taken. `ended` is called once, when they are let go. */
export function inLists(
  records: Generator<SnapshotRecord, void, undefined>,
  clock: Clock,
  ended: () => void,
): AsyncGenerator<SnapshotRecord[], void, undefined> {
  let isHeld = true;
  const release = () => {
    if (!isHeld) return;
    isHeld = false;
    records.return();
    ended();
  };
  // From the beginning on: nobody may ever ask for the first list.
  let cancel = clock.after(STALL_MS_MAX, release);
  return (async function* () {
    try {
      for (;;) {
        cancel();
        if (!isHeld) throw new Unavailable('the snapshot was not read on for too long');
        const { list, more } = readList(records, clock);
        cancel = clock.after(STALL_MS_MAX, release);
        yield list;
        if (!more) return;
        await giveWay(clock);
      }
    } finally {
      cancel();
      release();
    }
  })();
}

async function giveWay(clock: Clock): Promise<void> {
  const startMs = clock.monotonic();
  await turn();
  const othersMs = clock.monotonic() - startMs;
  if (othersMs < BUSY_MS) return;
  await new Promise<void>((resolve) => {
    clock.after(Math.min(othersMs * PAUSE_FACTOR, PAUSE_MS_MAX), resolve);
  });
}

function readList(
  records: Generator<SnapshotRecord, void, undefined>,
  clock: Clock,
): { list: SnapshotRecord[]; more: boolean } {
  const startMs = clock.monotonic();
  const list: SnapshotRecord[] = [];
  let bytes = 0;
  for (;;) {
    const next = records.next();
    if (next.done) return { list, more: false };
    list.push(next.value);
    bytes += next.value.value.length + next.value.key.length;
    const late = list.length % LOOK_EVERY === 0 && clock.monotonic() - startMs >= LIST_MS;
    if (bytes >= LIST_BYTES || late) return { list, more: true };
  }
}
