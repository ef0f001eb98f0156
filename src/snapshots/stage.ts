import { InvalidRequest, TooLarge } from '../base/errors.ts';
import { SnapshotInvalid, type SnapshotRecord } from '../snapshot-file/format.ts';
import { checkKey } from '../store/keys.ts';
import { type StagedRecords, VALUE_BYTES_MAX } from '../store/store.ts';

/** Written in one commit: few enough that requests do not notice, so many that the disk is not the limit. */
const COMMIT_BYTES = 1024 * 1024;

export interface Staging {
  add(records: readonly SnapshotRecord[]): Promise<void>;
  end(): Promise<void>;
}

/** Writes records of a file as staged ones, after a look at whether they can be records at all. */
export function stageRecords(staged: StagedRecords): Staging {
  let waiting: SnapshotRecord[] = [];
  let bytes = 0;
  const flush = async () => {
    const records = waiting;
    waiting = [];
    bytes = 0;
    await staged.add(records);
  };
  return {
    async add(records) {
      for (const record of records) {
        check(record);
        bytes += record.value.length + record.key.length;
        waiting.push(record);
      }
      if (bytes >= COMMIT_BYTES) await flush();
    },
    end: flush,
  };
}

function check({ key, value }: SnapshotRecord): void {
  try {
    checkKey(key);
  } catch (error) {
    if (error instanceof InvalidRequest || error instanceof TooLarge)
      throw new SnapshotInvalid(`the snapshot has a record that cannot be: ${error.message}`);
    throw error;
  }
  if (value.length > VALUE_BYTES_MAX)
    throw new SnapshotInvalid('the snapshot has a record that is too large');
}
