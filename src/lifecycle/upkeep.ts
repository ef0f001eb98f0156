import type { Logger } from '../base/logger.ts';
import { equalSecrets } from '../crypto/compare.ts';
import { isStale, type Seal, UnwrapFailed, type WrappedKey, wrapProven } from '../seal/seal.ts';
import { RECOVERY } from '../seal/shamir.ts';

export interface UpkeepOptions {
  /** Those that wrap. */
  readonly seals: readonly Seal[];
  readonly records: readonly WrappedKey[];
  /** Stays the caller's. */
  readonly rootKey: Buffer;
  readonly log: Logger;
  /** What came of asking a seal for its record. */
  readonly used: (name: string, error?: Error) => void;
}

/**
 * The records as they should be: one of every seal, by its present key, that gives the root key back. Those of seals that
 * are not configured any more go, once every one that is has its own. Undefined: they are so already.
 */
export async function renewedRecords(options: UpkeepOptions): Promise<WrappedKey[] | undefined> {
  const { seals, records, log } = options;
  const kept: WrappedKey[] = [];
  let complete = true;
  for (const seal of seals) {
    const { record, sound } = await renewed(seal, options);
    if (record) kept.push(record);
    if (!sound) complete = false;
  }
  const mine = new Set(kept.map(({ seal }) => seal));
  const recovery = records.filter(({ seal }) => seal === RECOVERY);
  const foreign = records.filter(({ seal }) => seal !== RECOVERY && !mine.has(seal));
  if (complete)
    for (const { seal } of foreign)
      log.info('a seal is left: the root key is not kept for it any more', { seal });
  const all = [...kept, ...(complete ? [] : foreign), ...recovery];
  const changed = all.length !== records.length || all.some((record) => !records.includes(record));
  return changed ? all : undefined;
}

/** The seal's record, which is replaced only by a better one; `sound`: it was seen to give the root key back. */
async function renewed(
  seal: Seal,
  { records, rootKey, log, used }: UpkeepOptions,
): Promise<{ record: WrappedKey | undefined; sound: boolean }> {
  const own = records.find((record) => record.seal === seal.name && record.type === seal.type);
  try {
    const good = own && !isStale(seal, own) && (await gives(seal, own, rootKey));
    const record = good ? own : await wrapProven(seal, rootKey);
    used(seal.name);
    if (!good)
      log.info('the root key is wrapped by a seal', { seal: seal.name, type: seal.type, key: record.key_id });
    return { record, sound: true };
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    used(seal.name, error);
    log.warn('a seal cannot wrap the root key now; it is tried again', {
      seal: seal.name,
      error: error.message,
    });
    return { record: own, sound: false };
  }
}

/** Rejects when the seal is away. */
async function gives(seal: Seal, record: WrappedKey, rootKey: Buffer): Promise<boolean> {
  try {
    const given = await seal.unwrap(record);
    const same = equalSecrets(given, rootKey);
    given.fill(0);
    return same;
  } catch (error) {
    if (error instanceof UnwrapFailed) return false;
    throw error;
  }
}
