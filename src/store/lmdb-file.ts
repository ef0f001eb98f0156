import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';

/*
 * LMDB maps its file into memory and trusts it: opening something else, or a copy that was cut short, ends the process
 * by a signal. So what can be told from the two meta pages is checked before, with lmdb.h's `MDB_meta` at byte 24.
 */
const MAGIC_AT = 24;
const MAGIC = 0xbeefc0de;
const PAGE_BYTES_AT = 0x30;
const FREE_ROOT_AT = 0x58;
const MAIN_ROOT_AT = 0x88;
const TRANSACTION_AT = 0x98;
const META_BYTES = 0xa0;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** Throws unless `directory` holds no LMDB file yet or one that may be opened. */
export function checkLmdbFile(directory: string): void {
  const path = join(directory, 'data.mdb');
  if (!existsSync(path)) return;
  const descriptor = openSync(path, 'r');
  try {
    const { size } = fstatSync(descriptor);
    if (size > 0) checkPages(path, descriptor, size);
  } finally {
    closeSync(descriptor);
  }
}

function checkPages(path: string, descriptor: number, size: number): void {
  const first = readMeta(descriptor, 0);
  if (!first) throw new Error(`${path} is not a store, or its beginning is damaged`);
  const pageBytes = first.readUInt32LE(PAGE_BYTES_AT);
  const second = readMeta(descriptor, pageBytes);
  if (!second) throw new Error(`${path} is damaged: its second page is not readable`);
  const newest = [first, second].reduce((a, b) =>
    b.readBigUInt64LE(TRANSACTION_AT) > a.readBigUInt64LE(TRANSACTION_AT) ? b : a,
  );
  for (const at of [FREE_ROOT_AT, MAIN_ROOT_AT]) {
    const page = newest.readBigUInt64LE(at);
    if (page !== NO_PAGE && (page + 1n) * BigInt(pageBytes) > BigInt(size)) {
      throw new Error(`${path} was cut short: it has ${size} bytes and its root lies in page ${page}`);
    }
  }
}

function readMeta(descriptor: number, position: number): Buffer | undefined {
  const meta = Buffer.alloc(META_BYTES);
  if (readSync(descriptor, meta, 0, META_BYTES, position) < META_BYTES) return undefined;
  return meta.readUInt32LE(MAGIC_AT) === MAGIC ? meta : undefined;
}
