import { isUtf8 } from 'node:buffer';
import { InvalidRequest, UnsupportedMedia } from '../base/errors.ts';
import { isRecord, type UnknownRecord } from '../base/json.ts';
import { checkJsonLimits, type JsonLimits } from './json-limits.ts';
import { parseQuery } from './query.ts';

/** What a request carries: fields, or bytes that some endpoint knows how to read, or neither. */
export interface ParsedBody {
  readonly body: UnknownRecord | undefined;
  readonly bytes: Buffer | undefined;
}

const FORM = 'application/x-www-form-urlencoded';
const MERGE_PATCH = 'application/merge-patch+json';
const NOTHING: ParsedBody = { body: undefined, bytes: undefined };

/** Bodies that are not the API's JSON. Whatever else a client says, the API has always read as JSON. */
const BINARY_TYPES: ReadonlySet<string> = new Set([
  'application/octet-stream',
  'application/gzip',
  'application/x-gzip',
  'application/ocsp-request',
  'application/pkcs10',
  'application/pkcs7-mime',
  'application/x-pki-message',
  'application/pkix-cert',
]);

/** Reads the body of a POST, PUT or PATCH. Throws `InvalidRequest`, `TooLarge` or `UnsupportedMedia`. */
export function parseBody(
  bytes: Buffer,
  method: string,
  contentType: string | undefined,
  limits: JsonLimits,
): ParsedBody {
  const type = mediaType(contentType);
  if (method === 'PATCH' && type !== MERGE_PATCH) {
    throw new UnsupportedMedia(`PATCH requires Content-Type of ${MERGE_PATCH}, provided ${type}`);
  }
  if (bytes.length === 0) return NOTHING;
  if (BINARY_TYPES.has(type) || isGzip(bytes)) return { body: undefined, bytes };
  if (!isUtf8(bytes)) throw new InvalidRequest('failed to parse JSON input: the body is not UTF-8');
  // `curl -d '{"a":1}'` calls its JSON a form, so a form is only what does not look like JSON.
  if (type === FORM && !/^[ \t\r\n]*[{[]/.test(bytes.toString('latin1', 0, 64))) {
    return { body: parseQuery(bytes.toString()), bytes: undefined };
  }
  checkJsonLimits(bytes, limits);
  return { body: parseJsonObject(bytes.toString()), bytes: undefined };
}

function mediaType(contentType: string | undefined): string {
  if (contentType === undefined) return '';
  const semicolon = contentType.indexOf(';');
  return (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
}

/** Snapshots come without a content type. */
function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function parseJsonObject(text: string): UnknownRecord | undefined {
  const value = parseJson(text);
  if (value === null) return undefined;
  if (!isRecord(value)) throw new InvalidRequest('failed to parse JSON input: the body must be an object');
  // A member called `__proto__` is an own property of what JSON.parse made, and stays one in the copy.
  return Object.assign(Object.create(null), value);
}

function parseJson(text: string): unknown {
  try {
    return /\\u[dD][89a-fA-F]/.test(text) ? JSON.parse(text, refuseLoneSurrogates) : JSON.parse(text);
  } catch (error) {
    if (error instanceof InvalidRequest) throw error;
    throw new InvalidRequest(`failed to parse JSON input: invalid JSON${position(error)}`);
  }
}

function refuseLoneSurrogates(name: string, value: unknown): unknown {
  if (!name.isWellFormed() || (typeof value === 'string' && !value.isWellFormed())) {
    throw new InvalidRequest('failed to parse JSON input: a string is not well-formed Unicode');
  }
  return value;
}

/** The parser's own message quotes the input, which may be a secret: only the place is told. */
function position(error: unknown): string {
  const found = error instanceof Error ? / at position (\d+)/.exec(error.message) : undefined;
  return found ? ` at character ${found[1]}` : '';
}
