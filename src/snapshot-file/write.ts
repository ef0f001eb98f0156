import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import {
  CHUNK_BYTES,
  chunkName,
  encodeRecords,
  MANIFEST,
  META,
  recordBytes,
  SEALED,
  type SnapshotManifest,
  type SnapshotMeta,
  type SnapshotRecord,
  type SnapshotSeal,
  SUMS,
  sha256,
  sumLine,
} from './format.ts';
import { TAR_END, tarHeader, tarPadding } from './tar.ts';

/** Bytes of the file that come out at a time. */
const PIECE_BYTES = 128 * 1024;

export interface SnapshotSource {
  readonly meta: SnapshotMeta;
  /** In the order of their names, in lists of any length. */
  readonly records: AsyncIterable<readonly SnapshotRecord[]> | Iterable<readonly SnapshotRecord[]>;
  /** The code over the SHA-256 (hex) of SHA256SUMS. */
  seal(digest: string): SnapshotSeal;
  /** Milliseconds since the epoch, for the files in the archive. */
  readonly createdAtMs: number;
}

/**
 * The bytes of the file, made no faster than they are taken. What the barrier encrypted does not get shorter, so nothing
 * is compressed: the time is better spent on requests.
 */
export async function* writeSnapshot(source: SnapshotSource): AsyncGenerator<Buffer, void, undefined> {
  const gzip = createGzip({ level: constants.Z_NO_COMPRESSION, chunkSize: PIECE_BYTES });
  const failed = pipeline(Readable.from(archive(source), { objectMode: true, highWaterMark: 1 }), gzip);
  failed.catch(() => {});
  try {
    for await (const piece of gzip) yield piece as Buffer;
    await failed;
  } finally {
    gzip.destroy();
  }
}

async function* archive({ meta, records, seal, createdAtMs }: SnapshotSource): AsyncGenerator<Buffer> {
  const sums: string[] = [];
  const file = (name: string, bytes: Buffer) =>
    Buffer.concat([
      tarHeader({ name, size: bytes.length }, createdAtMs),
      bytes,
      Buffer.alloc(tarPadding(bytes.length)),
    ]);
  const summed = (name: string, bytes: Buffer, digest: string) => {
    sums.push(sumLine(name, digest));
    return file(name, bytes);
  };
  const json = (name: string, value: unknown) => {
    const bytes = Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
    return summed(name, bytes, sha256(bytes));
  };
  yield json(META, meta);
  const totals = { records: 0, record_bytes: 0, chunks: 0 };
  for await (const { count, bytes } of chunks(records)) {
    totals.records += count;
    totals.record_bytes += bytes.length;
    totals.chunks += 1;
    const digest = sha256(bytes);
    yield summed(chunkName(totals.chunks, digest), bytes, digest);
  }
  const manifest: SnapshotManifest = totals;
  yield json(MANIFEST, manifest);
  const allSums = Buffer.from(sums.join(''));
  yield file(SUMS, allSums);
  yield file(SEALED, Buffer.from(`${JSON.stringify(seal(sha256(allSums)))}\n`));
  yield TAR_END;
}

async function* chunks(lists: SnapshotSource['records']): AsyncGenerator<{ count: number; bytes: Buffer }> {
  let collected: SnapshotRecord[] = [];
  let bytes = 0;
  for await (const list of lists) {
    for (const record of list) {
      collected.push(record);
      bytes += recordBytes(record);
      if (bytes < CHUNK_BYTES) continue;
      yield { count: collected.length, bytes: encodeRecords(collected, bytes) };
      collected = [];
      bytes = 0;
    }
  }
  if (collected.length > 0) yield { count: collected.length, bytes: encodeRecords(collected, bytes) };
}
