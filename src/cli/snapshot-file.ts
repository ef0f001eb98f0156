import { createReadStream, existsSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Client } from '../client/client.ts';
import { recordBytes } from '../snapshot-file/format.ts';
import { type ReadSnapshot, readSnapshot } from '../snapshot-file/read.ts';
import { LocalError } from './errors.ts';

const READ_BYTES = 256 * 1024;

/** Records and bytes under one beginning of their names. */
export interface Share {
  records: number;
  bytes: number;
}

/** Reads the whole file, without a server and without keys. `depth`: segments of names that shares go by. */
export async function inspectSnapshot(
  path: string,
  depth: number,
): Promise<ReadSnapshot & { readonly shares: ReadonlyMap<string, Share> }> {
  const shares = new Map<string, Share>();
  const read = await readSnapshot(openFile(path)(), {
    records(records) {
      for (const record of records) {
        const name = beginning(record.key, depth);
        let share = shares.get(name);
        if (!share) {
          share = { records: 0, bytes: 0 };
          shares.set(name, share);
        }
        share.records += 1;
        share.bytes += recordBytes(record);
      }
    },
  });
  return { ...read, shares };
}

/** Throws `LocalError` at once where there is no such file. */
export function openFile(path: string): () => AsyncIterable<Buffer> {
  if (!existsSync(path)) throw new LocalError(`there is no file ${path}`);
  return () => createReadStream(path, { highWaterMark: READ_BYTES });
}

/** Takes a snapshot into a file, which is there only when it is whole, verified and on the disk. */
export async function saveSnapshot(client: Client, path: string): Promise<ReadSnapshot> {
  const partial = `${path}.partial`;
  const file = await open(partial, 'w', 0o600);
  try {
    try {
      await client.download('sys/storage/raft/snapshot', (bytes) => writeAll(file, bytes));
      await file.sync();
    } finally {
      await file.close();
    }
    const read = await readSnapshot(openFile(partial)(), {});
    await rename(partial, path);
    await syncFolder(dirname(path));
    return read;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  await file.appendFile(bytes);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}

function beginning(key: string, depth: number): string {
  const segments = key.split('/');
  return segments.length <= depth ? key : `${segments.slice(0, depth).join('/')}/`;
}
