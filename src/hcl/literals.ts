import type { Cursor } from './cursor.ts';

const ESCAPES = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
  ['"', '"'],
]);
/** Numeric escapes: how many digits follow, and in which base. */
const NUMERIC_ESCAPES = new Map([
  ['x', { pattern: /[0-9a-fA-F]{2}/y, base: 16 }],
  ['u', { pattern: /[0-9a-fA-F]{4}/y, base: 16 }],
  ['U', { pattern: /[0-9a-fA-F]{8}/y, base: 16 }],
]);
const OCTAL = /[0-3][0-7]{2}/y;
const ORDINARY = /[^"\\\n$]+/y;
const NUMBER = /-?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\p{L}\p{N}_.])/uy;
const HEREDOC_START = /<<(-?)([\p{L}\p{N}_.-]+)[ \t]*\r?\n/uy;

/** A quoted string, with the cursor on its first quote. `${…}` is kept as it stands, quotes within included. */
export function parseString(cursor: Cursor): string {
  const start = cursor.position();
  cursor.take();
  let value = '';
  for (;;) {
    value += cursor.match(ORDINARY) ?? '';
    if (cursor.done || cursor.peek() === '\n') cursor.fail("the string is not closed: expected '\"'", start);
    if (cursor.skip('"')) return value;
    if (cursor.startsWith('${')) value += takeInterpolation(cursor);
    else if (cursor.peek() === '$') value += cursor.take();
    else value += parseEscape(cursor);
  }
}

function takeInterpolation(cursor: Cursor): string {
  const start = cursor.position();
  let taken = cursor.take(2);
  for (let depth = 1; depth > 0; ) {
    if (cursor.done) cursor.fail('the interpolation is not closed: expected "}"', start);
    const next = cursor.take();
    if (next === '{') depth++;
    if (next === '}') depth--;
    taken += next;
  }
  return taken;
}

function parseEscape(cursor: Cursor): string {
  const position = cursor.position();
  cursor.take();
  const octal = cursor.match(OCTAL);
  if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
  const letter = cursor.take();
  const plain = ESCAPES.get(letter);
  if (plain !== undefined) return plain;
  const numeric = NUMERIC_ESCAPES.get(letter);
  if (!numeric) return cursor.fail(`unknown escape ${JSON.stringify(`\\${letter}`)} in the string`, position);
  const digits = cursor.match(numeric.pattern);
  const code = digits === undefined ? Number.NaN : Number.parseInt(digits, numeric.base);
  if (!(code <= 0x10ffff) || (code >= 0xd800 && code <= 0xdfff)) {
    cursor.fail(`the escape "\\${letter}" does not name a character`, position);
  }
  return String.fromCodePoint(code);
}

export function parseNumber(cursor: Cursor): { value: number; source: string } {
  const position = cursor.position();
  const source = cursor.match(NUMBER);
  if (source === undefined) return cursor.fail(`${cursor.found()} is not a number`, position);
  const value = numberOf(source);
  const whole = /^-?\w+$/.test(source) && !/^-?\d+e/i.test(source);
  if (!Number.isFinite(value) || (whole && !Number.isSafeInteger(value))) {
    cursor.fail(`the number ${source} is malformed or out of range`, position);
  }
  return { value, source };
}

/** As HCL 1 reads numbers: `0x1F` is hexadecimal and a leading zero means octal. */
function numberOf(source: string): number {
  const sign = source.startsWith('-') ? -1 : 1;
  const digits = sign < 0 ? source.slice(1) : source;
  if (/^0\d+$/.test(digits)) return /^[0-7]+$/.test(digits) ? sign * Number.parseInt(digits, 8) : Number.NaN;
  return sign * Number(digits);
}

/**
 * `<<EOF` up to the line that holds only `EOF`. With `<<-EOF` the end marker's own indentation is removed from every
 * line, if every line that is not empty has it.
 */
export function parseHeredoc(cursor: Cursor): string {
  const start = cursor.position();
  const header = cursor.match(HEREDOC_START);
  if (header === undefined) return cursor.expected('a heredoc such as <<EOF followed by a line break');
  const indented = header.startsWith('<<-');
  const marker = header.slice(indented ? 3 : 2).trim();
  const lines: string[] = [];
  for (;;) {
    if (cursor.done)
      cursor.fail(`the heredoc is not closed: expected a line holding only "${marker}"`, start);
    const end = cursor.text.indexOf('\n', cursor.offset);
    const line = cursor.text.slice(cursor.offset, end === -1 ? undefined : end);
    if (line.trim() === marker) {
      cursor.take(line.length);
      return withoutIndent(lines, indented ? line.slice(0, line.indexOf(marker)) : '');
    }
    lines.push(cursor.take(line.length + 1));
  }
}

function withoutIndent(lines: readonly string[], indent: string): string {
  const common = lines.every((line) => line.startsWith(indent) || line.trim() === '');
  if (!common) return lines.join('');
  return lines
    .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line.trimStart() || '\n'))
    .join('');
}
