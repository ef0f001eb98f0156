import { InvalidRequest, TooLarge } from '../base/errors.ts';
import { KEY_BYTES_MAX } from './store.ts';

/** A key this short is within the limit whatever it holds: a UTF-16 unit takes at most three bytes of UTF-8. */
const KEY_LENGTH_SAFE = Math.floor(KEY_BYTES_MAX / 3);

/** Sorts before every storable key. What begins below it is the copy's own: what it knows about itself, and names of its tables. */
export const KEY_FIRST = '\u0002';
const UNIT_FIRST = KEY_FIRST.charCodeAt(0);

/** Throws `InvalidRequest` or `TooLarge` unless `key` can be stored. */
export function checkKey(key: string): void {
  if (key === '' || key.endsWith('/')) {
    throw new InvalidRequest('a storage key must not be empty or end in "/", which names a folder');
  }
  if (!key.isWellFormed() || key.includes('\0') || key.charCodeAt(0) < UNIT_FIRST) {
    throw new InvalidRequest('a storage key must be well-formed text without NUL');
  }
  if (!fits(key)) throw new TooLarge(`a storage key must not be longer than ${KEY_BYTES_MAX} bytes`);
}

/** Whether a record under `key` can exist at all; cheap enough for every read. */
export function canExist(key: string): boolean {
  return key !== '' && key.isWellFormed() && fits(key) && key.charCodeAt(0) >= UNIT_FIRST;
}

function fits(key: string): boolean {
  return (
    key.length <= KEY_LENGTH_SAFE || (key.length <= KEY_BYTES_MAX && Buffer.byteLength(key) <= KEY_BYTES_MAX)
  );
}

/** The first key after `key` itself. */
export function following(key: string): string {
  return `${key}\0`;
}

/** The end (exclusive) of all keys that begin with `prefix`, which is '' or ends in '/'. */
export function prefixEnd(prefix: string): string | undefined {
  return prefix === '' ? undefined : `${prefix.slice(0, -1)}0`;
}

export function checkPrefix(prefix: string): void {
  if (prefix !== '' && !prefix.endsWith('/')) throw new InvalidRequest('a prefix to list must end in "/"');
}

/** Code units from here on are surrogates or above them: only among these UTF-16 order differs from UTF-8 order. */
const HIGH_UNIT = /[\ud800-\uffff]/;

/** Orders keys as their UTF-8 bytes are ordered. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  if (HIGH_UNIT.test(a) && HIGH_UNIT.test(b)) return compareByCodePoint(a, b);
  return a < b ? -1 : 1;
}

/** Whether `a` sorts before `b`. */
export function isBefore(a: string, b: string): boolean {
  return compareKeys(a, b) < 0;
}

function compareByCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return unitRank(x) - unitRank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all others. */
function unitRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
