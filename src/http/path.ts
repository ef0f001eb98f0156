import { InvalidRequest, TooLarge } from '../base/errors.ts';

const PATH_LENGTH_MAX = 8192;
/** Nothing here needs a change: no escape, no `//`, no segment that begins with a dot. */
const PLAIN = /^(?:\/(?![./])[\w\-.~@:+,=!$&'()*;]*)+$/;
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;
/** What Go calls printable: letters, marks, numbers, punctuation, symbols and the plain space. */
const NOT_PRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;

/**
 * The path of a request target as everything later sees it: percent-decoded exactly once, `//` collapsed, and only
 * then checked, so that no spelling reaches policy or routing in another form than the plain one. A trailing slash
 * stays; it means something on lists. Throws `InvalidRequest` or `TooLarge`.
 */
export function normalisePath(rawPath: string): string {
  if (rawPath.length > PATH_LENGTH_MAX) throw new TooLarge('the path is too long');
  if (PLAIN.test(rawPath)) return rawPath;
  const path = decodeOnce(rawPath).replace(/\/{2,}/g, '/');
  if (!PRINTABLE_ASCII.test(path) && NOT_PRINTABLE.test(path)) {
    throw new InvalidRequest('path cannot contain non-printable characters');
  }
  if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(path)) throw new InvalidRequest('relative paths not supported');
  return path;
}

/** Also refuses escapes that are no UTF-8: two spellings of one replacement character would be one path. */
function decodeOnce(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new InvalidRequest('malformed escape in the path');
  }
}
