/*
 * What an index holds, in clear: version (1 byte, one that no envelope has) | target in UTF-8.
 */
const VERSION = 0;
const EMPTY = Buffer.from([VERSION]);

export function indexEntry(target: string): Uint8Array {
  return target === '' ? EMPTY : Buffer.from(`\0${target}`);
}

/** Undefined for what is no index entry. */
export function indexTarget(stored: Uint8Array): string | undefined {
  if (stored[0] !== VERSION) return undefined;
  return stored.length === 1 ? '' : Buffer.prototype.utf8Slice.call(stored, 1, stored.length);
}
