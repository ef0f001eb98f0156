import type { Cursor } from './cursor.ts';
import { EntryList, type HclObject, type HclValue } from './tree.ts';

const SPACE = /[ \t\r\n]*/y;
const ORDINARY = /[^"\\\p{Cc}]+|[\x7f-\x9f]+/uy;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])/y;
const WORD = /(?:true|false|null)(?!\w)/y;

/** Strict JSON (RFC 8259) into the tree that the same HCL gives; a member that is null counts as absent. */
export function parseJsonObject(cursor: Cursor): HclObject {
  cursor.match(SPACE);
  const root = parseObject(cursor);
  cursor.match(SPACE);
  if (!cursor.done) cursor.expected('the end of the text');
  return root;
}

function parseObject(cursor: Cursor): HclObject {
  const position = cursor.position();
  cursor.take();
  const list = new EntryList();
  cursor.nested(() =>
    members(cursor, '}', () => {
      const at = cursor.position();
      const key = parseText(cursor, 'a key in double quotes');
      cursor.match(SPACE);
      if (!cursor.skip(':')) cursor.expected(`":" after ${JSON.stringify(key)}`);
      cursor.match(SPACE);
      const value = parseValue(cursor);
      if (value) list.add({ key, value, ...at });
    }),
  );
  return { kind: 'object', entries: list.entries, ...position };
}

function parseList(cursor: Cursor): HclValue {
  const position = cursor.position();
  cursor.take();
  const items: HclValue[] = [];
  cursor.nested(() =>
    members(cursor, ']', () => {
      const at = cursor.position();
      items.push(parseValue(cursor) ?? cursor.fail('null cannot stand in a list', at));
    }),
  );
  return { kind: 'list', items, ...position };
}

/** Comma-separated members up to `close`, which is taken too. */
function members(cursor: Cursor, close: string, parseMember: () => void): void {
  cursor.match(SPACE);
  if (cursor.skip(close)) return;
  for (;;) {
    parseMember();
    cursor.match(SPACE);
    if (cursor.skip(close)) return;
    if (!cursor.skip(',')) cursor.expected(`"," or "${close}"`);
    cursor.match(SPACE);
  }
}

/** Undefined for null. */
function parseValue(cursor: Cursor): HclValue | undefined {
  const position = cursor.position();
  const first = cursor.peek();
  if (first === '{') return parseObject(cursor);
  if (first === '[') return parseList(cursor);
  if (first === '"') return { kind: 'string', value: parseText(cursor, 'a string'), ...position };
  const source = cursor.match(NUMBER);
  if (source !== undefined) {
    const value = Number(source);
    const whole = /^-?\d+$/.test(source);
    if (!Number.isFinite(value) || (whole && !Number.isSafeInteger(value))) {
      cursor.fail(`the number ${source} is out of range`, position);
    }
    return { kind: 'number', value, source, ...position };
  }
  const word = cursor.match(WORD) ?? cursor.expected('a JSON value');
  return word === 'null' ? undefined : { kind: 'boolean', value: word === 'true', ...position };
}

function parseText(cursor: Cursor, what: string): string {
  const start = cursor.offset;
  if (!cursor.skip('"')) cursor.expected(what);
  while (cursor.peek() !== '"') {
    const part = cursor.match(ORDINARY) ?? cursor.match(ESCAPE);
    if (part === undefined) cursor.expected("'\"' or a valid escape in the string");
  }
  cursor.take();
  return String(JSON.parse(cursor.text.slice(start, cursor.offset))).toWellFormed();
}
