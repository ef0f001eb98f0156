import { readFileSync } from 'node:fs';
import type { Query } from '../client/client.ts';
import { parseBody } from '../client/reply.ts';
import { LocalError, UsageError } from './errors.ts';
import type { Terminal } from './terminal.ts';

export type InputData = Record<string, unknown>;

/**
 * Data from arguments: `key=value`, `key=@file`, `key=-` (standard input), `key=\@text` for a text that begins with `@`,
 * and whole JSON objects as `@file` or `-`. A key given twice makes a list. Throws `UsageError` and `LocalError`.
 */
export async function readData(words: readonly string[], terminal: Terminal): Promise<InputData> {
  const data: InputData = Object.create(null);
  let inputUsed = false;
  const input = async () => {
    if (inputUsed) throw new UsageError('standard input was used already: "-" may stand only once');
    inputUsed = true;
    return (await terminal.readInput()).toString('utf8');
  };
  for (const word of words) {
    if (word === '-') mergeObject(data, await input(), 'standard input');
    else if (word.startsWith('@') && !word.includes('=')) {
      mergeObject(data, readText(word.slice(1)), word.slice(1));
    } else {
      const at = word.indexOf('=');
      if (at < 0) throw new UsageError(`Failed to parse K=V data: format must be key=value: "${word}"`);
      append(data, word.slice(0, at), await valueFrom(word.slice(at + 1), input));
    }
  }
  return { ...data };
}

/** The same pairs for a request without a body. */
export async function readQuery(words: readonly string[], terminal: Terminal): Promise<Query> {
  const pairs = Object.entries(await readData(words, terminal));
  return Object.fromEntries(
    pairs.map(([name, value]) => [name, Array.isArray(value) ? value.map(String) : String(value)]),
  );
}

/** The text of a file, as it is. Throws `LocalError`. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new LocalError(`Error reading ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A path of the API as people write it: slashes around it and blanks do not count. */
export function cleanPath(path: string): string {
  return path.trim().replace(/^\/+|\/+$/g, '');
}

/** As `cleanPath`, with one slash at the end: how mounts are named. */
export function mountPath(path: string): string {
  return `${cleanPath(path)}/`;
}

async function valueFrom(text: string, input: () => Promise<string>): Promise<string> {
  if (text === '-') return input();
  if (text.startsWith('@')) return readText(text.slice(1));
  return text.startsWith('\\@') ? text.slice(1) : text;
}

function append(data: InputData, name: string, value: string): void {
  const before = data[name];
  if (before === undefined) data[name] = value;
  else data[name] = Array.isArray(before) ? [...before, value] : [before, value];
}

function mergeObject(data: InputData, text: string, source: string): void {
  if (text.trim() === '') throw new LocalError(`Invalid data in ${source}: it is empty, not a JSON object`);
  const object = parseBody(text);
  if (Object.keys(object).length === 0 && !/^\s*\{\s*\}\s*$/.test(text)) {
    throw new LocalError(`Invalid data in ${source}: it is not a JSON object`);
  }
  Object.assign(data, object);
}
