import { InvalidRequest, TooLarge } from '../base/errors.ts';

/** What a JSON body may hold. Checked over its bytes, before anything is built from them. */
export interface JsonLimits {
  /** Containers inside one another. */
  readonly depthMax: number;
  /** Bytes of one string, a name or a value, as written. */
  readonly stringBytesMax: number;
  /** Members of one object. */
  readonly objectEntriesMax: number;
  /** Elements of one array. */
  readonly arrayElementsMax: number;
  /** Strings, numbers, literals and containers of the whole body. */
  readonly tokensMax: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Counts through the bytes without building anything; whether they are JSON at all is left to `JSON.parse`. Throws
 * `TooLarge` where a limit is passed, and `InvalidRequest` for a number that a double cannot hold: rounding it
 * silently would store another secret than was sent.
 */
export function checkJsonLimits(bytes: Buffer, limits: JsonLimits): void {
  const open: { isObject: boolean; commas: number }[] = [];
  let tokens = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]!;
    if (MEANS_NOTHING[byte] === 1) continue;
    if (byte === QUOTE) {
      const end = stringEnd(bytes, at + 1);
      if (end - at - 1 > limits.stringBytesMax) throw new TooLarge('JSON string exceeds allowed length');
      at = end;
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      open.push({ isObject: byte === OPEN_OBJECT, commas: 0 });
      if (open.length > limits.depthMax) throw new TooLarge('JSON input exceeds allowed nesting depth');
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      open.pop();
      continue;
    } else if (byte === COMMA) {
      countComma(open[open.length - 1], limits);
      continue;
    } else if (byte === MINUS || (byte >= DIGIT_0 && byte <= DIGIT_9)) {
      at = checkNumber(bytes, at);
    }
    tokens += 1;
    if (tokens > limits.tokensMax) throw new TooLarge('JSON input exceeds allowed token count');
  }
}

function countComma(container: { isObject: boolean; commas: number } | undefined, limits: JsonLimits): void {
  if (!container) return;
  container.commas += 1;
  if (container.isObject && container.commas >= limits.objectEntriesMax) {
    throw new TooLarge('JSON object exceeds allowed entry count');
  }
  if (!container.isObject && container.commas >= limits.arrayElementsMax) {
    throw new TooLarge('JSON array exceeds allowed element count');
  }
}

/** Strings longer than this are searched natively; for shorter ones the call costs more than it saves. */
const SHORT_STRING_BYTES = 64;

/** Where the string that began before `from` ends: its closing quote, or the end of the bytes. */
function stringEnd(bytes: Buffer, from: number): number {
  let at = from;
  const shortEnd = Math.min(from + SHORT_STRING_BYTES, bytes.length);
  for (; at < shortEnd; at += bytes[at] === BACKSLASH ? 2 : 1) {
    if (bytes[at] === QUOTE) return at;
  }
  for (let start = at; ; start = at) {
    const quote = bytes.indexOf(QUOTE, start);
    if (quote < 0) return bytes.length;
    let backslashes = 0;
    while (quote - backslashes > start && bytes[quote - backslashes - 1] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return quote;
    at = quote + 1;
  }
}

const NUMBER_LENGTH_MAX = 400;
/** Every whole number of up to 15 digits is held exactly. */
const NUMBER_LENGTH_SAFE = 15;
const WHOLE = /^-?\d+$/;

/** Returns the index of the number's last byte. */
function checkNumber(bytes: Buffer, from: number): number {
  let end = from + 1;
  let hasExponent = false;
  for (; end < bytes.length && IS_NUMBER[bytes[end]!] !== 0; end += 1) {
    if (IS_NUMBER[bytes[end]!] === 2) hasExponent = true;
  }
  if (end - from <= NUMBER_LENGTH_SAFE && !hasExponent) return end - 1;
  const text = bytes.toString('latin1', from, end);
  if (text.length > NUMBER_LENGTH_MAX || !comesBack(text)) {
    throw new InvalidRequest(
      'failed to parse JSON input: a number is too large to be kept exactly; send it as a string',
    );
  }
  return end - 1;
}

/** Whether writing the parsed number again gives the same text, or at least the same whole number. */
function comesBack(text: string): boolean {
  const number = Number(text);
  if (Math.abs(number) === Number.POSITIVE_INFINITY) return false;
  return !WHOLE.test(text) || String(number) === text || BigInt(number) === BigInt(text);
}

/** 1 for what no token begins with: white space, colons, the rest of `true`, `false` and `null`, and what is no JSON. */
const MEANS_NOTHING = Uint8Array.from({ length: 256 }, (_, byte) =>
  /["{}[\],\-0-9tfn]/.test(String.fromCharCode(byte)) ? 0 : 1,
);

/** 1 for what a number consists of, 2 for what begins its exponent. */
const IS_NUMBER = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return /[eE]/.test(character) ? 2 : /[0-9.+-]/.test(character) ? 1 : 0;
});
