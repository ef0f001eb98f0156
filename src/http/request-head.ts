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
  /** Whether the client can take another reply on this connection, and a chunked one. */
  readonly keepAlive: boolean;
  readonly minorVersion: 0 | 1;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

/** How long the body is (RFC 9112 section 6). */
export type Framing = { readonly kind: 'length'; readonly bytes: number } | { readonly kind: 'chunked' };

const HEADERS_MAX = 256;
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([^ ]+) HTTP\/1\.([01])$/;
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Control characters, and CR or LF that do not stand together: the stuff of request smuggling. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
const UNSAFE = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/;
const NO_BODY: Framing = { kind: 'length', bytes: 0 };

/** Reads one head, up to and with the line break of its last field. Strict: throws `ProtocolError` on any deviation. */
export function parseHead(bytes: Buffer): RequestHead {
  const text = headText(bytes);
  if (UNSAFE.test(text)) throw new ProtocolError(400, 'malformed request: control character in the header');
  const lineEnd = text.indexOf('\r\n');
  const line = REQUEST_LINE.exec(text.slice(0, lineEnd));
  if (!line) throw badRequestLine(text.slice(0, lineEnd));
  const minorVersion = line[3] === '1' ? 1 : 0;
  const headers = parseFields(text, lineEnd + 2);
  checkHost(headers, minorVersion);
  return {
    method: line[1]!,
    target: originForm(line[2]!),
    headers,
    framing: framingOf(headers, minorVersion),
    keepAlive: keepsAlive(headers.connection, minorVersion),
    minorVersion,
    expectsContinue: expectsContinue(headers.expect),
  };
}

/** Latin-1 as HTTP has it, or UTF-8, which Go clients and curl put into paths and namespaces. */
function headText(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  if (!/[\x80-\xff]/.test(text)) return text;
  if (!isUtf8(bytes)) throw new ProtocolError(400, 'malformed request: the header is not UTF-8');
  return bytes.toString();
}

function parseFields(text: string, from: number): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  let count = 0;
  for (let start = from; start < text.length; ) {
    const end = text.indexOf('\r\n', start);
    const colon = text.indexOf(':', start);
    const name = text.slice(start, colon);
    if (colon < 0 || colon > end || !FIELD_NAME.test(name)) {
      throw new ProtocolError(400, 'malformed request: invalid header field');
    }
    count += 1;
    if (count > HEADERS_MAX) throw new ProtocolError(431, 'too many header fields');
    const key = name.toLowerCase();
    const value = trimmed(text, colon + 1, end);
    const earlier = headers[key];
    headers[key] = earlier === undefined ? value : `${earlier}, ${value}`;
    start = end + 2;
  }
  return headers;
}

function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function badRequestLine(line: string): ProtocolError {
  if (/ HTTP\/\d\.\d$/.test(line) && !/ HTTP\/1\.[01]$/.test(line)) {
    return new ProtocolError(505, 'unsupported protocol version');
  }
  return new ProtocolError(400, 'malformed request line');
}

/** RFC 9112 section 3.2: exactly one Host in HTTP/1.1. Two of them, joined by a comma, are no host name either. */
function checkHost(headers: Record<string, string>, minorVersion: 0 | 1): void {
  const host = headers.host;
  if (host === undefined && minorVersion === 1) throw new ProtocolError(400, 'missing required Host header');
  if (host !== undefined && /[^A-Za-z0-9.:[\]_%~!$&'()*+;=-]/.test(host)) {
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
    if (minorVersion === 0)
      throw new ProtocolError(400, 'malformed request: Transfer-Encoding needs HTTP/1.1');
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
