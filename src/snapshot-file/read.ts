import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { isRecord, type UnknownRecord } from '../base/json.ts';
import {
  CHUNK_BYTES_MAX,
  chunkName,
  decodeRecords,
  FORMAT,
  FORMAT_VERSION,
  inOrder,
  JSON_BYTES_MAX,
  MANIFEST,
  META,
  SEALED,
  SnapshotInvalid,
  type SnapshotManifest,
  type SnapshotMeta,
  type SnapshotRecord,
  type SnapshotSeal,
  SUMS,
  sha256,
  sumLine,
} from './format.ts';
import { BLOCK_BYTES, readTarHeader, type TarHeader, tarPadding } from './tar.ts';

const PIECE_BYTES = 128 * 1024;

/** Is told what comes, as it comes; that the file is whole is known only at its end. */
export interface SnapshotSink {
  meta?(meta: SnapshotMeta): void | Promise<void>;
  /** Of one chunk, whose hash was right. */
  records?(records: readonly SnapshotRecord[]): void | Promise<void>;
}

/** What a whole file says of itself; who has the keys can say whether `seal` is one over `digest`. */
export interface ReadSnapshot {
  readonly meta: SnapshotMeta;
  readonly manifest: SnapshotManifest;
  /** SHA-256 of SHA256SUMS, in hex: it stands for every byte of the records. */
  readonly digest: string;
  readonly seal: SnapshotSeal;
}

/** Reads a file to its end. Rejects with `SnapshotInvalid` where it is cut short, damaged or something else. */
export async function readSnapshot(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  sink: SnapshotSink,
): Promise<ReadSnapshot> {
  const gunzip = createGunzip({ chunkSize: PIECE_BYTES });
  let fed = 0;
  const counted = async function* () {
    for await (const piece of source) {
      fed += piece.length;
      yield piece;
    }
  };
  // Its failure destroys `gunzip` with it, so that it comes out there.
  const feeding = pipeline(Readable.from(counted(), { objectMode: true, highWaterMark: 1 }), gunzip).catch(
    () => {},
  );
  const bytes = new Bytes(gunzip[Symbol.asyncIterator]());
  try {
    const read = await readArchive(bytes, sink);
    await bytes.end();
    await feeding;
    if (gunzip.bytesWritten !== fed) throw new SnapshotInvalid('the snapshot goes on after its end');
    return read;
  } catch (error) {
    throw isZlibError(error) ? new SnapshotInvalid(zlibMessage(error)) : error;
  } finally {
    gunzip.destroy();
  }
}

async function readArchive(bytes: Bytes, sink: SnapshotSink): Promise<ReadSnapshot> {
  const files = new Files(bytes);
  const meta = checkMeta(await files.json(META));
  await sink.meta?.(meta);
  const totals = { records: 0, record_bytes: 0, chunks: 0 };
  let last = '';
  let header = await files.next();
  for (; header.name.startsWith('records/'); header = await files.next()) {
    totals.chunks += 1;
    const chunk = await files.chunk(header, totals.chunks);
    const records = decodeRecords(chunk);
    last = checkOrder(records, last, totals.chunks);
    totals.records += records.length;
    totals.record_bytes += chunk.length;
    await sink.records?.(records);
  }
  const manifest = checkManifest(await files.json(MANIFEST, header), totals);
  const digest = await files.sums();
  const seal = checkSeal(await files.json(SEALED), meta);
  await files.end();
  return { meta, manifest, digest, seal };
}

/** The files of the archive, in the order in which they must come. */
class Files {
  readonly #bytes: Bytes;
  readonly #sums: string[] = [];

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  async next(): Promise<TarHeader> {
    const header = readTarHeader(await this.#bytes.take(BLOCK_BYTES));
    if (header === 'end') throw new SnapshotInvalid('the snapshot is incomplete');
    if (!header) throw new SnapshotInvalid('this is not a snapshot of Coffer, or it is damaged');
    return header;
  }

  async chunk(header: TarHeader, number: number): Promise<Buffer> {
    if (header.size === 0 || header.size > CHUNK_BYTES_MAX) throw damaged(number);
    const chunk = await this.#content(header);
    const digest = sha256(chunk);
    if (header.name !== chunkName(number, digest)) throw damaged(number);
    this.#sums.push(sumLine(header.name, digest));
    return chunk;
  }

  async json(name: string, given?: TarHeader): Promise<UnknownRecord> {
    const header = given ?? (await this.next());
    if (header.name !== name || header.size > JSON_BYTES_MAX) throw unexpected(header, name);
    const bytes = await this.#content(header);
    if (name !== SEALED) this.#sums.push(sumLine(name, sha256(bytes)));
    try {
      const value: unknown = JSON.parse(bytes.toString('utf8'));
      if (isRecord(value)) return value;
    } catch {
      // Told below.
    }
    throw new SnapshotInvalid(`${name} of the snapshot is damaged`);
  }

  /** The digest of the sums, which must be those of what came before. */
  async sums(): Promise<string> {
    const header = await this.next();
    const expected = Buffer.from(this.#sums.join(''));
    if (header.name !== SUMS || header.size !== expected.length) throw unexpected(header, SUMS);
    const given = await this.#content(header);
    if (!given.equals(expected))
      throw new SnapshotInvalid('the checksums of the snapshot are not those of its content');
    return sha256(given);
  }

  async end(): Promise<void> {
    for (let block = 0; block < 2; block++)
      if (readTarHeader(await this.#bytes.take(BLOCK_BYTES)) !== 'end')
        throw new SnapshotInvalid('the snapshot goes on after its end');
  }

  async #content({ size }: TarHeader): Promise<Buffer> {
    const content = await this.#bytes.take(size);
    const padding = await this.#bytes.take(tarPadding(size));
    if (padding.some((byte) => byte !== 0))
      throw new SnapshotInvalid('the snapshot is damaged between two files');
    return content;
  }
}

/** Bytes that come in pieces, taken in lengths that are wanted. */
class Bytes {
  readonly #pieces: AsyncIterator<Buffer>;
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(pieces: AsyncIterator<Buffer>) {
    this.#pieces = pieces;
  }

  async take(length: number): Promise<Buffer> {
    while (this.#heldBytes < length) {
      const next = await this.#pieces.next();
      if (next.done) throw new SnapshotInvalid('the snapshot is incomplete: it was cut short');
      this.#held.push(next.value);
      this.#heldBytes += next.value.length;
    }
    const all = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held);
    const rest = all.subarray(length);
    this.#held = rest.length > 0 ? [rest] : [];
    this.#heldBytes = rest.length;
    return all.subarray(0, length);
  }

  async end(): Promise<void> {
    const next = await this.#pieces.next();
    if (this.#heldBytes > 0 || !next.done) throw new SnapshotInvalid('the snapshot goes on after its end');
  }
}

function checkMeta(meta: UnknownRecord): SnapshotMeta {
  if (meta.format !== FORMAT) throw new SnapshotInvalid('this is not a snapshot of Coffer');
  if (meta.format_version !== FORMAT_VERSION) {
    throw new SnapshotInvalid(
      `the snapshot has format version ${JSON.stringify(meta.format_version)}, which this version cannot read`,
    );
  }
  const seal = isRecord(meta.seal) ? meta.seal : {};
  const texts = [meta.version, meta.cluster_id, meta.cluster_name, meta.created_at, seal.type];
  const numbers = [meta.revision, meta.key_term, seal.shares, seal.threshold];
  if (!texts.every((text) => typeof text === 'string') || !numbers.every(Number.isSafeInteger))
    throw new SnapshotInvalid(`${META} of the snapshot is damaged`);
  return meta as unknown as SnapshotMeta;
}

function checkManifest(given: UnknownRecord, counted: SnapshotManifest): SnapshotManifest {
  const { records, record_bytes, chunks } = counted;
  if (given.records !== records || given.record_bytes !== record_bytes || given.chunks !== chunks)
    throw new SnapshotInvalid('the snapshot does not hold what its manifest says');
  return counted;
}

function checkSeal(given: UnknownRecord, meta: SnapshotMeta): SnapshotSeal {
  const { algorithm, key_term, mac } = given;
  if (algorithm !== 'HMAC-SHA256' || key_term !== meta.key_term || typeof mac !== 'string')
    throw new SnapshotInvalid(`${SEALED} of the snapshot is damaged`);
  return { algorithm, key_term: meta.key_term, mac };
}

function checkOrder(records: readonly SnapshotRecord[], before: string, chunk: number): string {
  let last = before;
  for (const { key } of records) {
    if (!inOrder(last, key)) throw damaged(chunk);
    last = key;
  }
  return last;
}

function damaged(chunk: number): SnapshotInvalid {
  return new SnapshotInvalid(`chunk ${chunk} of the snapshot is damaged`);
}

function unexpected({ name }: TarHeader, wanted: string): SnapshotInvalid {
  return new SnapshotInvalid(`the snapshot has ${name} where ${wanted} should be`);
}

function isZlibError(error: unknown): error is NodeJS.ErrnoException {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_')
  );
}

function zlibMessage({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'Z_BUF_ERROR') return 'the snapshot is incomplete: it was cut short';
  return /incorrect header check/.test(message)
    ? 'this is not a snapshot: it is not compressed by gzip'
    : 'the snapshot is damaged';
}
