import { isUtf8 } from 'node:buffer';
import { ProtocolError } from './errors.ts';

/** The request line and the header fields of one message (RFC 9112), before anything in them is interpreted. */
export interface RequestHead {
  readonly method: string;
  /** The request target in origin form: path and query as sent. */
  readonly target: string;
  /** Lower-case names; repeated ones joined by `, `. Null prototype. */
  readonly headers: Record<string, string>;
  readonly framing: Framing;
  /** Whether the client can take another reply on this connection. */
  readonly keepAlive: boolean;
  readonly minorVersion: 0 | 1;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

/** How long the body is (RFC 9112 section 6). */
export type Framing = { readonly kind: 'length'; readonly bytes: number } | { readonly kind: 'chunked' };

const FIELDS_MAX = 256;
const METHOD_LENGTH_MAX = 32;
const NO_BODY: Framing = { kind: 'length', bytes: 0 };
const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const VERSION = 'HTTP/1.';

/** RFC 9110 section 5.6.2: what names and methods consist of. */
const IS_TOKEN = byteTable((byte) => /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(byte)));
/** RFC 9110 section 5.5: what values consist of. No control characters: they are what smuggling is made of. */
const IS_VALUE = byteTable((byte) => byte === TAB || (byte >= SPACE && byte !== 0x7f));
/** What a request target consists of; bytes above ASCII are UTF-8 that Go clients and curl send as it is. */
const IS_TARGET = byteTable((byte) => byte > SPACE && byte !== 0x7f);

function byteTable(holds: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => Number(holds(byte)));
}

/** Reads one head, up to and with the line break of its last field. Strict: throws `ProtocolError` on any deviation. */
export function parseHead(bytes: Buffer): RequestHead {
  const text = bytes.toString('latin1');
  const methodEnd = runEnd(bytes, 0, IS_TOKEN);
  const targetEnd = runEnd(bytes, methodEnd + 1, IS_TARGET);
  const fieldsStart = targetEnd + VERSION.length + 4;
  const minor = bytes[targetEnd + VERSION.length + 1];
  const isGood =
    methodEnd > 0 &&
    methodEnd <= METHOD_LENGTH_MAX &&
    bytes[methodEnd] === SPACE &&
    bytes[targetEnd] === SPACE &&
    text.startsWith(VERSION, targetEnd + 1) &&
    (minor === 0x30 || minor === 0x31) &&
    bytes[fieldsStart - 2] === CR &&
    bytes[fieldsStart - 1] === LF;
  if (!isGood) throw badRequestLine(text);
  const minorVersion = minor === 0x31 ? 1 : 0;
  const headers = parseFields(bytes, text, fieldsStart);
  checkHost(headers.host, minorVersion);
  return {
    method: text.slice(0, methodEnd),
    target: originForm(decoded(bytes, text, methodEnd + 1, targetEnd)),
    headers,
    framing: framingOf(headers, minorVersion),
    keepAlive: keepsAlive(headers.connection, minorVersion),
    minorVersion,
    expectsContinue: expectsContinue(headers.expect),
  };
}

/** The first index at or after `from` whose byte is not in the table. */
function runEnd(bytes: Buffer, from: number, table: Uint8Array): number {
  let at = from;
  while (at < bytes.length && table[bytes[at]!] === 1) at += 1;
  return at;
}

function parseFields(bytes: Buffer, text: string, from: number): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  let count = 0;
  for (let start = from; start < bytes.length; ) {
    const nameEnd = runEnd(bytes, start, IS_TOKEN);
    const lineEnd = runEnd(bytes, nameEnd + 1, IS_VALUE);
    if (nameEnd === start || bytes[nameEnd] !== COLON || bytes[lineEnd] !== CR || bytes[lineEnd + 1] !== LF) {
      throw new ProtocolError(400, 'malformed request: invalid header field');
    }
    count += 1;
    if (count > FIELDS_MAX) throw new ProtocolError(431, 'too many header fields');
    let valueStart = nameEnd + 1;
    let valueEnd = lineEnd;
    while (valueStart < valueEnd && isBlank(bytes[valueStart]!)) valueStart += 1;
    while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1]!)) valueEnd -= 1;
    const name = text.slice(start, nameEnd).toLowerCase();
    const value = decoded(bytes, text, valueStart, valueEnd);
    const earlier = headers[name];
    headers[name] = earlier === undefined ? value : `${earlier}, ${value}`;
    start = lineEnd + 2;
  }
  return headers;
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

/** Part of the head as UTF-8; `text` is the head as Latin-1, of which plain ASCII is cut without copying. */
function decoded(bytes: Buffer, text: string, from: number, to: number): string {
  for (let at = from; at < to; at += 1) {
    if (bytes[at]! < 0x80) continue;
    const part = bytes.subarray(from, to);
    if (!isUtf8(part)) throw new ProtocolError(400, 'malformed request: the header is not UTF-8');
    return part.toString();
  }
  return text.slice(from, to);
}

function badRequestLine(text: string): ProtocolError {
  if (/^[^\r\n]* HTTP\/\d\.\d\r\n/.test(text) && !/^[^\r\n]* HTTP\/1\.[01]\r\n/.test(text)) {
    return new ProtocolError(505, 'unsupported protocol version');
  }
  return new ProtocolError(400, 'malformed request line');
}

/** RFC 9112 section 3.2: exactly one Host in HTTP/1.1. Two of them, joined by a comma, are no host name either. */
function checkHost(host: string | undefined, minorVersion: 0 | 1): void {
  if (host === undefined && minorVersion === 1) throw new ProtocolError(400, 'missing required Host header');
  if (host !== undefined && !/^[A-Za-z0-9.:[\]_%~!$&'()*+;=-]*$/.test(host)) {
    throw new ProtocolError(400, 'malformed Host header');
  }
}

/** RFC 9112 section 3.2.2: a server takes the absolute form too; proxies send it. */
function originForm(target: string): string {
  if (target.startsWith('/')) return target;
  const absolute = /^https?:\/\/[^/?#]+(.*)$/i.exec(target);
  if (!absolute) throw new ProtocolError(400, 'malformed request target');
  const rest = absolute[1]!;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/**
 * RFC 9112 section 6.3, without its leniencies: both Transfer-Encoding and Content-Length, a repeated length, or an
 * encoding other than `chunked` end the connection, because a proxy in front may have read them differently.
 */
function framingOf(headers: Record<string, string>, minorVersion: 0 | 1): Framing {
  const encoding = headers['transfer-encoding'];
  const length = headers['content-length'];
  if (encoding !== undefined) {
    if (length !== undefined) {
      throw new ProtocolError(400, 'malformed request: both Transfer-Encoding and Content-Length');
    }
    if (minorVersion === 0) {
      throw new ProtocolError(400, 'malformed request: Transfer-Encoding needs HTTP/1.1');
    }
    if (encoding.toLowerCase() !== 'chunked') throw new ProtocolError(501, 'unsupported transfer encoding');
    return { kind: 'chunked' };
  }
  if (length === undefined) return NO_BODY;
  if (!/^\d{1,15}$/.test(length)) throw new ProtocolError(400, 'malformed request: bad Content-Length');
  return { kind: 'length', bytes: Number(length) };
}

function keepsAlive(connection: string | undefined, minorVersion: 0 | 1): boolean {
  if (connection === undefined) return minorVersion === 1;
  const tokens = connection
    .toLowerCase()
    .split(',')
    .map((token) => token.trim());
  return !tokens.includes('close') && (minorVersion === 1 || tokens.includes('keep-alive'));
}

function expectsContinue(expect: string | undefined): boolean {
  if (expect === undefined) return false;
  if (expect.toLowerCase() !== '100-continue') throw new ProtocolError(417, 'unsupported expectation');
  return true;
}
