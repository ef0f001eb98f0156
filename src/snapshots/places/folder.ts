import { createReadStream } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OutsideFailure } from '../../base/errors.ts';
import { readSnapshot } from '../../snapshot-file/read.ts';
import type { Schedule } from '../schedule.ts';
import { type SnapshotPlace, snapshotTime } from './place.ts';

const PARTIAL = '.partial';
const READ_BYTES = 256 * 1024;

/** A folder of this machine. A file has its name only once it is complete, read back and on the disk. */
export function openFolder(schedule: Schedule): SnapshotPlace {
  const { path_prefix: folder, file_prefix, local_max_space } = schedule;
  const isOwn = (name: string) => snapshotTime(file_prefix, name) !== undefined;
  const entries = async () => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return readdir(folder);
  };
  const names = async () => (await entries()).filter(isOwn);
  const spaceLeft = async () => {
    if (local_max_space === 0) return Number.POSITIVE_INFINITY;
    const sizes = await Promise.all((await names()).map((name) => lstat(join(folder, name))));
    return local_max_space - sizes.reduce((sum, { size }) => sum + size, 0);
  };
  return {
    url: (name) => `file://${join(folder, name)}`,
    names,
    async write(name, body, signal) {
      const left = await spaceLeft();
      const path = join(folder, name);
      // Exclusive, so that no link that somebody laid there is followed.
      const file = await open(path + PARTIAL, 'wx', 0o600);
      try {
        await writeWithin(file, body, left, signal).finally(() => file.close());
        await readSnapshot(createReadStream(path + PARTIAL, { highWaterMark: READ_BYTES }), {});
        await rename(path + PARTIAL, path);
        await syncFolder(folder);
      } catch (error) {
        await rm(path + PARTIAL, { force: true });
        throw error;
      }
    },
    remove: (name) => rm(join(folder, name), { force: true }),
    async tidy() {
      for (const name of await entries()) {
        if (name.endsWith(PARTIAL) && isOwn(name.slice(0, -PARTIAL.length)))
          await rm(join(folder, name), { force: true });
      }
    },
  };
}

async function writeWithin(
  file: FileHandle,
  body: AsyncIterable<Buffer>,
  bytesMax: number,
  signal: AbortSignal,
): Promise<void> {
  let written = 0;
  for await (const bytes of body) {
    signal.throwIfAborted();
    written += bytes.length;
    if (written > bytesMax) throw new OutsideFailure('the snapshot does not fit into local_max_space');
    await file.appendFile(bytes);
  }
  await file.sync();
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}
