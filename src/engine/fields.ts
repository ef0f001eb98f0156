import { InvalidRequest } from '../base/errors.ts';
import { isRecord, type UnknownRecord } from '../base/json.ts';
import { parseDuration } from './duration.ts';

/**
 * A typed request field. Validation, `?help=1`, the OpenAPI document and the web interface's forms derive from it.
 * `parse` accepts what Vault's clients send for the type (the API is lenient: numbers as text, lists as commas).
 */
export interface Field<T = unknown> {
  readonly type: FieldType;
  readonly description: string;
  /** Value when the request has none; what a GET shows for something never written. */
  readonly default?: T;
  readonly required?: boolean;
  readonly deprecated?: boolean;
  /** Never echoed; forms hide it. */
  readonly secret?: boolean;
  readonly choices?: readonly T[];
  /** Taken by reads, lists and deletions; where a path is also written, other fields are for its body alone. */
  readonly query?: boolean;
  /** For a field in the path: which segment texts route here; others fall to `unsupported path`. */
  readonly segment?: RegExp;
  /** The one spelling of what several spellings name: the input has it, and in a path policy rules for it hold too. */
  canonical?(value: T): T;
  /** Throws an Error whose message completes "error converting input for field …"; never includes the value. */
  parse(value: unknown): T;
}

export type FieldType =
  | 'string'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'duration'
  | 'list'
  | 'pairs'
  | 'map'
  | 'any'
  | 'time';
export type Fields = Record<string, Field>;

/** The parsed input of a path: what was not sent and has no default is undefined. */
export type Input<F extends Fields> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never };

export interface FieldOptions<T> {
  description: string;
  default?: T;
  required?: boolean;
  deprecated?: boolean;
  secret?: boolean;
  choices?: readonly T[];
  query?: boolean;
  segment?: RegExp;
  canonical?(value: T): T;
}
type Sure<T> = FieldOptions<T> & ({ default: T } | { required: true });

interface FieldMaker<T> {
  (options: Sure<T>): Field<T>;
  (options: FieldOptions<T>): Field<T | undefined>;
}

function maker<T>(type: FieldType, convert: (value: unknown) => T): FieldMaker<T> {
  return (options: FieldOptions<T>): Field<T> => ({
    ...options,
    type,
    parse(value) {
      const converted = convert(value);
      const parsed = options.canonical ? options.canonical(converted) : converted;
      if (options.choices && !options.choices.includes(parsed)) {
        throw new Error(`must be one of ${options.choices.join(', ')}`);
      }
      return parsed;
    },
  });
}

/** Text; numbers and booleans are taken as their text. */
export const text = maker<string>('string', toText);
export const integer = maker<number>('integer', toInteger);
export const number = maker<number>('number', toNumber);
export const boolean = maker<boolean>('boolean', toBoolean);
/** Whole seconds; accepts seconds or Go-style durations (`1h30m`, `7d`). */
export const duration = maker<number>('duration', (value) => parseDuration(value));
/** A list of texts; accepts an array or comma-separated text. Items are trimmed, empty ones dropped. */
export const list = maker<string[]>('list', toList);
/** A list of whole numbers; accepts an array or comma-separated text. */
export const integers = maker<number[]>('list', (value) =>
  typeof value === 'number' ? [toInteger(value)] : toList(value).map(toInteger),
);
/** A map of texts; accepts an object, `["k=v"]`, or `k=v,k2=v2`. */
export const pairs = maker<Record<string, string>>('pairs', toPairs);
/** A JSON object, kept as it is; accepts its JSON text too. */
export const map = maker<UnknownRecord>('map', toMap);
/** Any JSON value. */
export const any = maker<unknown>('any', (value) => value);
/** Milliseconds since the epoch; accepts RFC 3339 or Unix seconds. */
export const time = maker<number>('time', toTime);

/** A name in a path, as Vault's generic names: word characters, inner dots and dashes. */
export function name(description: string, spelling: Spelling = {}): Field<string> {
  return text({ description, required: true, segment: /^\w(?:[\w.-]*\w)?$/, ...spelling });
}
/** The rest of the path; may be empty. */
export function restOfPath(description: string, spelling: Spelling = {}): Field<string> {
  return text({ description, default: '', ...spelling });
}
type Spelling = Pick<FieldOptions<string>, 'canonical'>;

export function lowerCase(value: string): string {
  return value.toLowerCase();
}
export function withoutTrailingSlash(value: string): string {
  return value.replace(/\/+$/, '');
}

/**
 * `data` parsed by `fields`. Absent and null members take the default. `partial` (reads, patches and deletions on a path
 * that is also written) does not demand the required ones. Throws `InvalidRequest`.
 */
export function parseInput<F extends Fields>(
  fields: F,
  data: UnknownRecord,
  options: { partial?: boolean } = {},
): Input<F> {
  const input: UnknownRecord = {};
  for (const fieldName in fields) {
    const field = fields[fieldName]!;
    const value = Object.hasOwn(data, fieldName) ? data[fieldName] : undefined;
    if (value === undefined || value === null) {
      if (field.required && field.default === undefined && !options.partial)
        throw new InvalidRequest(`missing ${fieldName}`);
      input[fieldName] = field.default;
      continue;
    }
    try {
      input[fieldName] = field.parse(value);
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'invalid';
      throw new InvalidRequest(
        `Field validation failed: error converting input for field ${JSON.stringify(fieldName)}: ${reason}`,
      );
    }
  }
  return input as Input<F>;
}

function toText(value: unknown): string {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new Error('expected well-formed UTF-8 text');
    return value;
  }
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new Error(`expected text, got ${kind(value)}`);
}

function toNumber(value: unknown): number {
  const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof parsed !== 'number' || !Number.isFinite(parsed))
    throw new Error(`expected a number, got ${kind(value)}`);
  return parsed;
}

function toInteger(value: unknown): number {
  const parsed = toNumber(value);
  if (!Number.isSafeInteger(parsed)) throw new Error('expected a whole number');
  return parsed;
}

const BOOLEANS = new Map<unknown, boolean>([
  ...['1', 't', 'T', 'true', 'TRUE', 'True', 1, true].map((v) => [v, true] as const),
  ...['0', 'f', 'F', 'false', 'FALSE', 'False', 0, false, ''].map((v) => [v, false] as const),
]);

function toBoolean(value: unknown): boolean {
  const parsed = BOOLEANS.get(value);
  if (parsed === undefined) throw new Error(`expected true or false, got ${kind(value)}`);
  return parsed;
}

function toList(value: unknown): string[] {
  const items = Array.isArray(value) ? value.map(toText) : toText(value).split(',');
  return items.map((item) => item.trim()).filter((item) => item !== '');
}

function toPairs(value: unknown): Record<string, string> {
  if (isRecord(value)) return nullRecord(Object.entries(value).map(([key, item]) => [key, toText(item)]));
  const items = Array.isArray(value) ? value.map(toText) : toText(value).split(',').filter(Boolean);
  return nullRecord(
    items.map((item) => {
      const at = item.indexOf('=');
      if (at < 1) throw new Error('expected key=value pairs');
      return [item.slice(0, at).trim(), item.slice(at + 1).trim()];
    }),
  );
}

function toMap(value: unknown): UnknownRecord {
  let parsed = value;
  if (typeof value === 'string') {
    try {
      parsed = JSON.parse(value);
    } catch {
      throw new Error('expected a JSON object');
    }
  }
  if (!isRecord(parsed)) throw new Error(`expected an object, got ${kind(parsed)}`);
  return parsed;
}

function toTime(value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value)) return Math.round(value * 1000);
  if (typeof value === 'string') {
    if (/^\d+$/.test(value)) return Number(value) * 1000;
    const ms = /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : Number.NaN;
    if (!Number.isNaN(ms)) return ms;
  }
  throw new Error('expected an RFC 3339 time or Unix seconds');
}

/** `__proto__` and its like are ordinary keys here. */
function nullRecord(entries: [string, string][]): Record<string, string> {
  const record: Record<string, string> = Object.create(null);
  for (const [key, value] of entries) record[key] = value;
  return record;
}

function kind(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `${typeof value}`;
}
