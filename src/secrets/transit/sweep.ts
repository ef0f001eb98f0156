import type { View } from '../../barrier/view.ts';
import type { PeriodicWork } from '../../engine/engine.ts';
import { deleteVersion } from './records.ts';

/** Key `sweep/<uid>`: versions that nobody can use any more and that are still to be removed, `from` up to before `below`. */
interface SweepRecord {
  readonly from: number;
  readonly below: number;
}

const SWEEPS = 'sweep/';
/** Versions removed at a time, so that nobody waits for it. */
const SLICE = 500;

/** Removes the versions; of very many the rest soon after. The caller sees to it that none of them is in use. */
export function sweepVersions(view: View, uid: string, from: number, below: number): void {
  const before = view.get<SweepRecord>(SWEEPS + uid);
  sweepSlice(view, uid, {
    from: Math.min(from, before?.from ?? from),
    below: Math.max(below, before?.below ?? below),
  });
}

function sweepSlice(view: View, uid: string, { from, below }: SweepRecord): void {
  const end = Math.min(from + SLICE, below);
  for (let number = from; number < end; number++) deleteVersion(view, uid, number);
  if (end < below) view.put(SWEEPS + uid, { from: end, below });
  else view.delete(SWEEPS + uid);
}

export const sweepWork: PeriodicWork = {
  name: 'remove-old-versions',
  everySeconds: 60,
  async run({ view, persist }) {
    for (;;) {
      const [key] = view.keys(SWEEPS, { limit: 1 });
      const record = key === undefined ? undefined : view.get<SweepRecord>(key);
      if (key === undefined || !record) return;
      sweepSlice(view, key.slice(SWEEPS.length), record);
      await persist();
    }
  },
};
