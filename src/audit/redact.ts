import { isAnyArrayBuffer } from 'node:util/types';

/** How one device hides strings. */
export interface Redactor {
  /** Shows strings as they are (`log_raw`). */
  readonly raw: boolean;
  /** `hmac-sha256:` and 64 hex digits, whatever `raw` says. */
  hash(text: string): string;
}

/** JSON nested deeper than this is cut; requests are limited to less at the door. */
const DEPTH_MAX = 100;
/** Longer binary values are shown by their length only: hashing them would cost more than it tells. */
const BINARY_BYTES_MAX = 1024 * 1024;

/**
 * The JSON text of `value` with every string hashed, at any depth, except under the names in `exempt` (the mount's
 * `audit_non_hmac_*_keys`); numbers, booleans and member names stay readable, as the audit format has it. Goes by the
 * type of each value, so that what is not JSON can never slip through: binary data counts as its base64 text, dates
 * and big integers as their text, and what has no text is left out. Undefined when nothing is left.
 */
export function redactedJson(
  value: unknown,
  redactor: Redactor,
  exempt?: readonly string[],
): string | undefined {
  return valueJson(value, { redactor, exempt: exempt?.length ? exempt : undefined }, false, 0);
}

/** One string as JSON, hashed unless the device is raw. */
export function stringJson(text: string, redactor: Redactor): string {
  return redactor.raw ? JSON.stringify(text) : `"${redactor.hash(text)}"`;
}

interface Walk {
  readonly redactor: Redactor;
  readonly exempt: readonly string[] | undefined;
}

function valueJson(value: unknown, walk: Walk, readable: boolean, depth: number): string | undefined {
  switch (typeof value) {
    case 'string':
      return readable ? JSON.stringify(value) : stringJson(value, walk.redactor);
    case 'number':
      return Number.isFinite(value) ? String(value) : 'null';
    case 'boolean':
      return value ? 'true' : 'false';
    case 'bigint':
      return valueJson(String(value), walk, readable, depth);
    case 'object':
      return value === null ? 'null' : objectJson(value, walk, readable, depth);
    default:
      return undefined;
  }
}

function objectJson(value: object, walk: Walk, readable: boolean, depth: number): string | undefined {
  if (depth >= DEPTH_MAX) return '"[nested too deeply]"';
  if (Array.isArray(value)) return arrayJson(value, walk, readable, depth);
  const bytes = bytesOf(value);
  if (bytes) {
    return bytes.byteLength > BINARY_BYTES_MAX
      ? `"[binary, ${bytes.byteLength} bytes]"`
      : valueJson(bytes.toString('base64'), walk, readable, depth);
  }
  if (value instanceof Date) return valueJson(dateText(value), walk, readable, depth);
  if (value instanceof Map) return membersJson(value, walk, depth);
  if (value instanceof Set) return arrayJson([...value], walk, readable, depth);
  return membersJson(Object.entries(value), walk, depth);
}

function arrayJson(items: readonly unknown[], walk: Walk, readable: boolean, depth: number): string {
  let text = '';
  for (const item of items) text += `,${valueJson(item, walk, readable, depth + 1) ?? 'null'}`;
  return `[${text.slice(1)}]`;
}

function membersJson(members: Iterable<[unknown, unknown]>, walk: Walk, depth: number): string {
  let text = '';
  for (const [key, member] of members) {
    const name = String(key);
    const json = valueJson(member, walk, walk.exempt?.includes(name) ?? false, depth + 1);
    if (json !== undefined) text += `,${JSON.stringify(name)}:${json}`;
  }
  return `{${text.slice(1)}}`;
}

function dateText(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'invalid date' : date.toISOString();
}

function bytesOf(value: object): Buffer | undefined {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (isAnyArrayBuffer(value)) return Buffer.from(value as ArrayBuffer);
  return undefined;
}
