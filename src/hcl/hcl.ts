/**
 * The configuration language of policies and server configuration: HCL 1 as Vault's documentation uses it, and JSON of
 * the same shape, both into one tree whose every node knows its line and column. This folder owns syntax; what keys
 * mean is for its readers (policies/, config/), who take the tree apart with `read.ts`.
 */

import { Cursor } from './cursor.ts';
import { parseJsonObject } from './json.ts';
import { parseHeredoc, parseNumber, parseString } from './literals.ts';
import { EntryList, type HclEntry, type HclObject, type HclValue } from './tree.ts';

export { attributes, type Block, blocks, describe, type Plain, plain } from './read.ts';
export {
  type HclBoolean,
  type HclEntry,
  HclError,
  type HclList,
  type HclNumber,
  type HclObject,
  type HclString,
  type HclValue,
  type Position,
} from './tree.ts';

const SPACE = /[ \t\r\n]+/y;
const LINE_COMMENT = /(?:#|\/\/)[^\n]*/y;
const IDENTIFIER = /[\p{L}_][\p{L}\p{N}_.-]*/uy;

/** Parses HCL, or JSON when the first character is `{`. Throws `HclError`. */
export function parseHcl(text: string): HclObject {
  const cursor = new Cursor(text);
  const nul = text.indexOf('\0');
  if (nul !== -1) {
    cursor.take(nul - cursor.offset);
    cursor.fail('the text holds a NUL character');
  }
  if (/^\ufeff?[ \t\r\n]*\{/.test(text)) return parseJsonObject(cursor);
  const start = cursor.position();
  const entries = parseEntries(cursor, () => cursor.done);
  return { kind: 'object', entries, ...start };
}

function parseEntries(cursor: Cursor, atEnd: () => boolean): HclEntry[] {
  const list = new EntryList();
  skipBlank(cursor);
  while (!atEnd()) {
    list.add(parseEntry(cursor));
    skipBlank(cursor);
    if (cursor.skip(',')) skipBlank(cursor);
  }
  return list.entries;
}

/** `key = value`, `key { … }` or `key "label" … { … }`; the brace may stand on the next line. */
function parseEntry(cursor: Cursor): HclEntry {
  const keys = [parseKey(cursor)];
  for (;;) {
    skipBlank(cursor);
    if (cursor.peek() === '{') break;
    if (cursor.peek() === '=' && keys.length === 1) {
      cursor.take();
      skipBlank(cursor);
      return { ...keys[0]!, value: parseValue(cursor) };
    }
    const sameLine = cursor.position().line === keys.at(-1)!.line;
    if (!sameLine || !/["\p{L}_]/u.test(cursor.peek())) {
      cursor.expected(
        keys.length === 1 ? `"=" or "{" after "${keys[0]!.key}"` : `"{" after "${keys.at(-1)!.key}"`,
      );
    }
    keys.push(parseKey(cursor));
  }
  let value: HclValue = parseObject(cursor);
  for (const label of keys.slice(1).reverse()) {
    value = { kind: 'object', entries: [{ ...label, value }], line: label.line, column: label.column };
  }
  return { ...keys[0]!, value };
}

function parseKey(cursor: Cursor): { key: string; line: number; column: number } {
  const position = cursor.position();
  if (cursor.peek() === '"') return { key: parseString(cursor), ...position };
  const key = cursor.match(IDENTIFIER);
  if (key === undefined) cursor.expected('a key');
  return { key, ...position };
}

function parseValue(cursor: Cursor): HclValue {
  const position = cursor.position();
  const first = cursor.peek();
  if (first === '"') return { kind: 'string', value: parseString(cursor), ...position };
  if (first === '{') return parseObject(cursor);
  if (first === '[') return parseList(cursor);
  if (cursor.startsWith('<<')) return { kind: 'string', value: parseHeredoc(cursor), ...position };
  if (/[-0-9]/.test(first)) return { kind: 'number', ...parseNumber(cursor), ...position };
  const word = /(?:true|false)(?![\p{L}\p{N}_.-])/uy;
  const boolean = cursor.match(word);
  if (boolean === undefined)
    cursor.expected('a value (a quoted string, number, true, false, list or object)');
  return { kind: 'boolean', value: boolean === 'true', ...position };
}

function parseObject(cursor: Cursor): HclObject {
  const position = cursor.position();
  cursor.take();
  const entries = cursor.nested(() =>
    parseEntries(cursor, () => {
      if (cursor.done)
        cursor.fail(`the "{" at ${position.line}:${position.column} is not closed: expected "}"`);
      return cursor.peek() === '}';
    }),
  );
  cursor.take();
  return { kind: 'object', entries, ...position };
}

function parseList(cursor: Cursor): HclValue {
  const position = cursor.position();
  cursor.take();
  const items: HclValue[] = [];
  skipBlank(cursor);
  cursor.nested(() => {
    while (cursor.peek() !== ']') {
      items.push(parseValue(cursor));
      skipBlank(cursor);
      if (!cursor.skip(',') && cursor.peek() !== ']') cursor.expected('"," or "]" in the list');
      skipBlank(cursor);
    }
  });
  cursor.take();
  return { kind: 'list', items, ...position };
}

/** Moves over white space and comments. */
function skipBlank(cursor: Cursor): void {
  for (;;) {
    const moved = cursor.match(SPACE) ?? cursor.match(LINE_COMMENT);
    if (moved !== undefined) continue;
    if (!cursor.startsWith('/*')) return;
    const start = cursor.position();
    const end = cursor.text.indexOf('*/', cursor.offset + 2);
    if (end === -1) cursor.fail('the comment is not closed: expected "*/"', start);
    cursor.take(end + 2 - cursor.offset);
  }
}
