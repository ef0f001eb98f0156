import type { SnapshotMeta, SnapshotSeal } from '../snapshot-file/format.ts';
import type { StagedRecords, Store, Transaction } from '../store/store.ts';

/**
 * What a store holds that came from a snapshot, until an operator confirms it: as long as it is there, nothing expires by
 * itself. Plain JSON, because a sealed server shows it too. A snapshot of such a store has it as well.
 */
export interface Restored {
  /** RFC 3339. */
  readonly restored_at: string;
  readonly snapshot: SnapshotMeta;
  /** What is left to prove once its keys are there; null where that was done. */
  readonly unproved: { readonly digest: string; readonly seal: SnapshotSeal } | null;
}

export const RESTORED_KEY = 'core/restored';

export async function markRestored(records: StagedRecords, restored: Restored): Promise<void> {
  await records.add([{ key: RESTORED_KEY, value: encode(restored) }]);
}

export function putRestored(transaction: Transaction, restored: Restored): void {
  transaction.put(RESTORED_KEY, encode(restored));
}

function encode(restored: Restored): Buffer {
  return Buffer.from(JSON.stringify(restored));
}

/** Undefined where nothing is to be confirmed; `'damaged'` where it cannot be read: then, too, nothing must expire. */
export function readRestored(transaction: Transaction): Restored | 'damaged' | undefined {
  const bytes = transaction.get(RESTORED_KEY);
  if (!bytes) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as Restored;
  } catch {
    return 'damaged';
  }
}

/** Resolves when it is durable. */
export async function forgetRestored(store: Store): Promise<void> {
  const transaction = store.begin();
  transaction.delete(RESTORED_KEY);
  await store.durable(transaction.apply());
}
