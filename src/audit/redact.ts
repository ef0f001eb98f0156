import { isAnyArrayBuffer } from 'node:util/types';
import { Kept } from './kept.ts';

/** How one device hides strings. */
export interface Redactor {
  /** The text as the device's entries have it: hashed or, with `log_raw`, as it is. */
  show(text: string): string;
  /** The same as JSON. Of its own because hashes need no escaping, and there are many of them. */
  showJson(text: string): string;
}

/** JSON nested deeper than this is cut; requests are limited to less at the door. */
const DEPTH_MAX = 100;
/** Longer binary values are shown by their length only: hashing them would cost more than it tells. */
const BINARY_BYTES_MAX = 1024 * 1024;

/**
 * The JSON text of `value` with every string hashed, at any depth, except under the names in `exempt` (the mount's
 * `audit_non_hmac_*_keys`); numbers, booleans and member names stay readable, as the audit format has it. Goes by the
 * type of each value, so that what is not JSON can never slip through: binary data counts as its base64 text, dates
 * and big integers as their text, and what has no text is null. Undefined for undefined.
 */
export function redactedJson(
  value: unknown,
  redactor: Redactor,
  exempt?: readonly string[],
): string | undefined {
  if (value === undefined) return undefined;
  const walk = new Walk(redactor, exempt?.length ? exempt : undefined);
  walk.value(value, false, 0);
  return walk.text;
}

/** Beginnings of members as JSON: the same few names come again and again. */
const beginnings = new Kept((name: string) => `${JSON.stringify(name)}:`);

class Walk {
  text = '';
  readonly #redactor: Redactor;
  readonly #exempt: readonly string[] | undefined;

  constructor(redactor: Redactor, exempt: readonly string[] | undefined) {
    this.#redactor = redactor;
    this.#exempt = exempt;
  }

  value(value: unknown, readable: boolean, depth: number): void {
    switch (typeof value) {
      case 'string':
        this.text += readable ? JSON.stringify(value) : this.#redactor.showJson(value);
        break;
      case 'number':
        this.text += Number.isFinite(value) ? value : 'null';
        break;
      case 'boolean':
        this.text += value ? 'true' : 'false';
        break;
      case 'bigint':
        this.value(String(value), readable, depth);
        break;
      case 'object':
        if (value === null) this.text += 'null';
        else this.#object(value, readable, depth);
        break;
      default:
        this.text += 'null';
    }
  }

  #object(value: object, readable: boolean, depth: number): void {
    if (depth >= DEPTH_MAX) this.text += '"[nested too deeply]"';
    else if (Array.isArray(value)) this.#items(value, readable, depth);
    else if (isPlain(value)) this.#members(value, depth);
    else this.#special(value, readable, depth);
  }

  #special(value: object, readable: boolean, depth: number): void {
    const bytes = bytesOf(value);
    if (bytes && bytes.byteLength > BINARY_BYTES_MAX) this.text += `"[binary, ${bytes.byteLength} bytes]"`;
    else if (bytes) this.value(bytes.toString('base64'), readable, depth);
    else if (value instanceof Date) this.value(dateText(value), readable, depth);
    else if (value instanceof Map) this.#members(Object.fromEntries(value), depth);
    else if (value instanceof Set) this.#items([...value], readable, depth);
    else this.#members(value, depth);
  }

  #items(items: readonly unknown[], readable: boolean, depth: number): void {
    let separator = '[';
    for (const item of items) {
      this.text += separator;
      separator = ',';
      this.value(item, readable, depth + 1);
    }
    this.text += separator === '[' ? '[]' : ']';
  }

  #members(members: object, depth: number): void {
    let separator = '{';
    for (const name of Object.keys(members)) {
      const member: unknown = (members as Record<string, unknown>)[name];
      if (member === undefined) continue;
      this.text += separator + beginnings.get(name);
      separator = ',';
      this.value(member, this.#exempt?.includes(name) ?? false, depth + 1);
    }
    this.text += separator === '{' ? '{}' : '}';
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function dateText(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'invalid date' : date.toISOString();
}

function bytesOf(value: object): Buffer | undefined {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (isAnyArrayBuffer(value)) return Buffer.from(value as ArrayBuffer);
  return undefined;
}
