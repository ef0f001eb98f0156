/**
 * Fields of a stanza as data: wire name, the name the rest of Coffer knows it by, and how its value is read. As in
 * Vault's own files, numbers and booleans may stand in quotes, and lists may be text with commas.
 */

import { parseDuration } from '../base/duration.ts';
import { describe, type HclObject, type HclValue, type Position } from '../hcl/hcl.ts';
import type { Scope } from './findings.ts';

/** Throws `WrongValue`. */
export type Reader<T> = (value: HclValue) => T;

export interface Field<Name extends string, T> {
  readonly name: Name;
  readonly read: Reader<T>;
}
export type FieldTable = Readonly<Record<string, Field<string, unknown>>>;
/** What reading a table gives: only what is set. */
export type Values<Table extends FieldTable> = {
  -readonly [Key in keyof Table as Table[Key]['name']]?: ReturnType<Table[Key]['read']>;
};

export function field<Name extends string, T>(name: Name, read: Reader<T>): Field<Name, T> {
  return { name, read };
}

/** What a stanza may hold beside its fields. */
export interface Known {
  /** Blocks that somebody else reads. */
  readonly blocks?: readonly string[];
  /** Fields that Vault knows and that make no difference here. */
  readonly ignored?: ReadonlySet<string>;
  /** Fields that Vault knows and that would make a difference: leaving them out quietly could open what they close. */
  readonly refused?: ReadonlySet<string>;
}

/** Reads every field of the table; the rest is warned about. Mistakes become findings with file, line and field. */
export function readFields<Table extends FieldTable>(
  body: HclObject,
  table: Table,
  scope: Scope,
  known: Known = {},
): Values<Table> {
  const values: Record<string, unknown> = {};
  for (const entry of body.entries) {
    const { key } = entry;
    const within = scope.inside(key);
    if (Object.hasOwn(table, key)) {
      const { name, read } = table[key]!;
      attempt(within, entry.value, () => {
        values[name] = read(entry.value);
      });
    } else if (known.refused?.has(key)) within.error(entry, 'is not supported');
    else if (!known.blocks?.includes(key) && !known.ignored?.has(key))
      within.warning(entry, 'unknown or unsupported field');
  }
  return values as Values<Table>;
}

/** Runs a reader; a value it cannot read becomes an error of the field. */
export function attempt(scope: Scope, at: Position, read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof WrongValue)) throw error;
    scope.error(at, error.message);
  }
}

/** Reads one value; undefined when it is wrong. */
export function readValue<T>(scope: Scope, value: HclValue, read: Reader<T>): T | undefined {
  let result: T | undefined;
  attempt(scope, value, () => {
    result = read(value);
  });
  return result;
}

export class WrongValue extends Error {}

const expected = (what: string, found: HclValue): WrongValue =>
  new WrongValue(`expected ${what}, found ${shown(found)}`);

function shown(value: HclValue): string {
  return value.kind === 'list' || value.kind === 'object'
    ? describe(value)
    : `${describe(value)} (${value.value})`;
}

export const text: Reader<string> = (value) => {
  if (value.kind === 'string') return value.value;
  throw new WrongValue(`expected a string, found ${describe(value)}`);
};

/** Text that may also be a bare number or boolean: free options. */
export const scalarText: Reader<string> = (value) => {
  if (value.kind === 'list' || value.kind === 'object') throw expected('a string', value);
  return value.kind === 'number' ? value.source : String(value.value);
};

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['1', true],
  ['t', true],
  ['true', true],
  ['0', false],
  ['f', false],
  ['false', false],
  ['', false],
]);

export const boolean: Reader<boolean> = (value) => {
  const given =
    value.kind === 'list' || value.kind === 'object' ? undefined : String(value.value).toLowerCase();
  const known = given === undefined ? undefined : BOOLEANS.get(given);
  if (known === undefined) throw expected('a boolean', value);
  return known;
};

export const integer: Reader<number> = (value) => {
  const number = value.kind === 'number' || value.kind === 'string' ? Number(value.value) : Number.NaN;
  if (!Number.isSafeInteger(number) || (value.kind === 'string' && value.value.trim() === '')) {
    throw expected('a whole number', value);
  }
  return number;
};

export const count: Reader<number> = (value) => {
  const number = integer(value);
  if (number < 0) throw expected('a whole number from 0', value);
  return number;
};

/** Seconds; durations are numbers of seconds or text such as `90s` or `1h30m`. */
export const seconds: Reader<number> = (value) => Math.trunc(milliseconds(value) / 1000);

/** Milliseconds, of the same forms. */
export const milliseconds: Reader<number> = (value) => {
  const wrong = expected('a duration such as 30, "30s" or "1h30m"', value);
  if (value.kind !== 'string' && value.kind !== 'number') throw wrong;
  const short = value.kind === 'string' && /^(\d+)ms$/.exec(value.value.trim());
  try {
    const ms = short ? Number(short[1]) : parseDuration(value.value) * 1000;
    if (ms >= 0) return ms;
  } catch {
    // Said below.
  }
  throw wrong;
};

/** A list of strings, or one string with commas. */
export const texts: Reader<readonly string[]> = (value) => {
  if (value.kind === 'string')
    return value.value
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean);
  if (value.kind !== 'list') throw expected('a list of strings', value);
  return value.items.map(text);
};

/** One of the words, whatever its case. */
export function oneOf<const Words extends readonly string[]>(...words: Words): Reader<Words[number]> {
  return (value) => {
    const given = text(value).toLowerCase();
    const known = words.find((word) => word === given);
    if (known === undefined) throw expected(`one of ${words.join(', ')}`, value);
    return known;
  };
}

/** An address or name without Go's `{{ GetPrivateIP }}` templates, which are not supported. */
export const address: Reader<string> = (value) => {
  const given = text(value);
  if (given.includes('{{')) throw new WrongValue('templates such as {{ GetPrivateIP }} are not supported');
  return given;
};

/** A full URL; '' for none. */
export const url: Reader<string> = (value) => {
  const given = address(value);
  if (given !== '' && (!URL.canParse(given) || new URL(given).host === '')) {
    throw expected('a full URL such as https://127.0.0.1:8200', value);
  }
  return given;
};

/** Strings by name. */
export const textTable: Reader<Readonly<Record<string, string>>> = (value) => {
  const bodies = value.kind === 'list' ? value.items : [value];
  const table: Record<string, string> = Object.create(null);
  for (const body of bodies) {
    if (body.kind !== 'object') throw expected('a table of strings', value);
    for (const entry of body.entries) table[entry.key] = scalarText(entry.value);
  }
  return table;
};
