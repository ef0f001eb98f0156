/**
 * The file that a snapshot is: what lies in it, how it is written, read and verified. This folder owns nothing of where
 * the records come from or go to, and no keys: whoever has the keys seals and proves a file by its digest.
 *
 * It is a gzip-compressed tar archive, because Vault's own clients look into it: they take a snapshot for complete once
 * they have seen a file called `SHA256SUMS.sealed`. In this order, and nothing else:
 *
 *   meta.json                      what was saved, when, of which cluster (`SnapshotMeta`)
 *   records/00000001.SHA256        records in the order of their names, some of them in each file, named by its hash
 *   manifest.json                  how much there is of everything (`SnapshotManifest`)
 *   SHA256SUMS                     of all files so far, as `sha256sum --check` takes it
 *   SHA256SUMS.sealed              a code over SHA256SUMS by a key of the cluster (`SnapshotSeal`)
 *
 * A record is the length of its name (2 bytes), the length of its value (4, both big endian), the name, and the value,
 * which the barrier has encrypted.
 */
import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { InvalidRequest } from '../base/errors.ts';

export const FORMAT = 'coffer-snapshot';
export const FORMAT_VERSION = 1;

/** Bytes of records in one file of the archive; one record may make it longer. */
export const CHUNK_BYTES = 512 * 1024;
/** What a reader takes at most: a chunk that a largest record came last into. */
export const CHUNK_BYTES_MAX = 4 * 1024 * 1024;
export const JSON_BYTES_MAX = 64 * 1024;

export const META = 'meta.json';
export const MANIFEST = 'manifest.json';
export const SUMS = 'SHA256SUMS';
export const SEALED = 'SHA256SUMS.sealed';

export interface SnapshotRecord {
  readonly key: string;
  readonly value: Uint8Array;
}

/** Names are those of the file. */
export interface SnapshotMeta {
  readonly format: typeof FORMAT;
  readonly format_version: number;
  /** Of the server that made it. */
  readonly version: string;
  readonly cluster_id: string;
  readonly cluster_name: string;
  /** RFC 3339. */
  readonly created_at: string;
  /** Where in the order of commits it was taken. */
  readonly revision: number;
  /** Of the barrier's keys, the one whose derived key seals the file. */
  readonly key_term: number;
  /** Which keys unseal a server with these records. */
  readonly seal: { readonly type: string; readonly shares: number; readonly threshold: number };
}

export interface SnapshotManifest {
  readonly records: number;
  readonly record_bytes: number;
  readonly chunks: number;
}

export interface SnapshotSeal {
  readonly algorithm: 'HMAC-SHA256';
  readonly key_term: number;
  /** Base64; of the SHA-256 of SHA256SUMS. */
  readonly mac: string;
}

/** The file is damaged, cut short, or none of ours. */
export class SnapshotInvalid extends InvalidRequest {}

const RECORD_HEADER_BYTES = 6;

export function chunkName(number: number, digest: string): string {
  return `records/${String(number).padStart(8, '0')}.${digest}`;
}

export function sha256(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

export function sumLine(name: string, digest: string): string {
  return `${digest}  ${name}\n`;
}

/** Bytes that a record takes in its chunk. */
export function recordBytes({ key, value }: SnapshotRecord): number {
  return RECORD_HEADER_BYTES + Buffer.byteLength(key) + value.length;
}

export function encodeRecords(records: readonly SnapshotRecord[], bytes: number): Buffer {
  const chunk = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { key, value } of records) {
    const keyBytes = chunk.write(key, at + RECORD_HEADER_BYTES, 'utf8');
    chunk.writeUInt16BE(keyBytes, at);
    chunk.writeUInt32BE(value.length, at + 2);
    chunk.set(value, at + RECORD_HEADER_BYTES + keyBytes);
    at += RECORD_HEADER_BYTES + keyBytes + value.length;
  }
  if (at !== bytes) throw new Error(`records of ${at} bytes in a chunk of ${bytes}`);
  return chunk;
}

/** The records of a chunk, whose values share its memory. Throws `SnapshotInvalid` unless it is exactly some records. */
export function decodeRecords(chunk: Buffer): SnapshotRecord[] {
  const records: SnapshotRecord[] = [];
  for (let at = 0; at < chunk.length; ) {
    if (at + RECORD_HEADER_BYTES > chunk.length)
      throw new SnapshotInvalid('the snapshot holds half a record');
    const valueStart = at + RECORD_HEADER_BYTES + chunk.readUInt16BE(at);
    const end = valueStart + chunk.readUInt32BE(at + 2);
    if (end > chunk.length) throw new SnapshotInvalid('the snapshot holds half a record');
    const name = chunk.subarray(at + RECORD_HEADER_BYTES, valueStart);
    if (!isUtf8(name)) throw new SnapshotInvalid('the snapshot holds a record whose name is no text');
    records.push({ key: name.toString('utf8'), value: chunk.subarray(valueStart, end) });
    at = end;
  }
  return records;
}

/** Whether `a` comes before `b` in the order of their UTF-8 bytes. */
export function inOrder(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
}
