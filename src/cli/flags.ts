import { parseDuration } from '../base/duration.ts';
import { UsageError } from './errors.ts';

/** A flag of a command: what it holds, how its text is read, and what help says about it. */
export interface Flag<V> {
  readonly kind: 'string' | 'bool' | 'int' | 'duration' | 'key=value';
  readonly usage: string;
  readonly initial: V;
  /** Shown by help. */
  readonly defaultText?: string | undefined;
  readonly aliases?: readonly string[];
  /** Environment variables that stand in for the flag; shown by help. */
  readonly environment?: string;
  /** Values that completion offers. */
  readonly values?: readonly string[];
  /** The value after one more `-name=text`. Throws an `Error` that says what is wrong with the text. */
  add(before: V, text: string): V;
}

/** Flags by their name on the command line. Their values differ in type, which `FlagValues` recovers. */
export type FlagTable = Readonly<Record<string, Flag<unknown>>>;
export type FlagValues<T> = { readonly [K in keyof T]: T[K] extends Flag<infer V> ? V : never };

interface Description {
  readonly usage: string;
  readonly aliases?: readonly string[];
  readonly environment?: string;
  readonly values?: readonly string[];
}

/** A flag whose absence means something. */
export function string(about: Description): Flag<string | undefined> {
  return { ...about, kind: 'string', initial: undefined, add: (_before, text) => text };
}
export function stringOr(initial: string, about: Description): Flag<string> {
  return { ...about, kind: 'string', initial, defaultText: initial, add: (_before, text) => text };
}
/** May be given several times. */
export function strings(about: Description): Flag<readonly string[]> {
  return { ...about, kind: 'string', initial: [], add: (before, text) => [...before, text] };
}
export function boolean(about: Description): Flag<boolean> {
  return { ...about, kind: 'bool', initial: false, add: (_before, text) => readTruth(text) };
}
export function booleanOr(initial: boolean, about: Description): Flag<boolean> {
  return {
    ...about,
    kind: 'bool',
    initial,
    defaultText: String(initial),
    add: (_before, text) => readTruth(text),
  };
}
export function optionalBoolean(about: Description): Flag<boolean | undefined> {
  return { ...about, kind: 'bool', initial: undefined, add: (_before, text) => readTruth(text) };
}
export function integer(about: Description): Flag<number | undefined> {
  return { ...about, kind: 'int', initial: undefined, add: (_before, text) => readInteger(text) };
}
export function integerOr(initial: number, about: Description): Flag<number> {
  return {
    ...about,
    kind: 'int',
    initial,
    defaultText: String(initial),
    add: (_before, text) => readInteger(text),
  };
}
/** In seconds; negative values keep their meaning for the server. */
export function duration(about: Description): Flag<number | undefined> {
  return { ...about, kind: 'duration', initial: undefined, add: (_before, text) => parseDuration(text) };
}
export function durationOr(initial: number, about: Description): Flag<number> {
  const defaultText = `${initial}s`;
  return { ...about, kind: 'duration', initial, defaultText, add: (_before, text) => parseDuration(text) };
}
/** `-name=key=value`, several times. */
export function pairs(about: Description): Flag<Readonly<Record<string, string>>> {
  return {
    ...about,
    kind: 'key=value',
    initial: {},
    add: (before, text) => ({ ...before, ...readPair(text) }),
  };
}

export interface ParsedFlags {
  readonly values: Readonly<Record<string, unknown>>;
  /** Names of the flags that were given. */
  readonly given: ReadonlySet<string>;
  readonly arguments: readonly string[];
}

/**
 * Reads flags as Go's flag package does: `-name=value`, `-name value`, one dash or two; a truth flag takes its value only
 * after `=`; the first other word, or `--`, ends them. Throws `UsageError`.
 */
export function parseFlags(table: FlagTable, argv: readonly string[]): ParsedFlags {
  const names = flagNames(table);
  const values = new Map<string, unknown>(Object.entries(table).map(([name, flag]) => [name, flag.initial]));
  const given = new Set<string>();
  let at = 0;
  for (; at < argv.length; at++) {
    const word = argv[at]!;
    if (!word.startsWith('-') || word === '-') break;
    if (word === '--') return { values: Object.fromEntries(values), given, arguments: argv.slice(at + 1) };
    const [, written = '', , inline] = /^--?([^=]*)(=([\s\S]*))?$/.exec(word) ?? [];
    const name = names.get(written);
    const flag = name === undefined ? undefined : table[name];
    if (name === undefined || flag === undefined)
      throw new UsageError(`flag provided but not defined: -${written}`);
    let text = inline;
    if (text === undefined) text = flag.kind === 'bool' ? 'true' : argv[++at];
    if (text === undefined) throw new UsageError(`flag needs an argument: -${written}`);
    values.set(name, addValue(flag, values.get(name), written, text));
    given.add(name);
  }
  return { values: Object.fromEntries(values), given, arguments: argv.slice(at) };
}

/** Each name and alias of a table, with the name under which its value is found. */
export function flagNames(table: FlagTable): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [name, flag] of Object.entries(table)) {
    for (const one of [name, ...(flag.aliases ?? [])]) names.set(one, name);
  }
  return names;
}

/** A duration as the API takes it. */
export function apiDuration(seconds: number): string {
  return `${seconds}s`;
}

function addValue(flag: Flag<unknown>, before: unknown, name: string, text: string): unknown {
  try {
    return flag.add(before, text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`invalid value ${JSON.stringify(text)} for flag -${name}: ${why}`);
  }
}

function readTruth(text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new Error('must be true or false');
}

function readInteger(text: string): number {
  const value = Number(text);
  if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new Error('must be a whole number');
}

function readPair(text: string): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new Error('must be of the form key=value');
  return { [text.slice(0, at)]: text.slice(at + 1) };
}
