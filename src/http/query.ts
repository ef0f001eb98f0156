import { InvalidRequest } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';

const PARAMETERS_MAX = 1000;

/**
 * A query string, or a form body: `+` is a space, escapes are decoded once, a repeated name gives an array. Null
 * prototype. Throws `InvalidRequest` on malformed escapes and on more than 1000 parameters.
 */
export function parseQuery(text: string): UnknownRecord {
  const query: UnknownRecord = Object.create(null);
  if (text === '') return query;
  const pairs = text.split('&', PARAMETERS_MAX + 1);
  if (pairs.length > PARAMETERS_MAX) throw new InvalidRequest('too many parameters');
  for (const pair of pairs) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1));
    const earlier = query[name];
    if (earlier === undefined) query[name] = value;
    else if (Array.isArray(earlier)) earlier.push(value);
    else query[name] = [earlier, value];
  }
  return query;
}

/**
 * Takes a switch such as `list` out of the query, read as Go's `ParseBool` does. Throws `InvalidRequest` when it is
 * there and is neither true nor false.
 */
export function takeSwitch(query: UnknownRecord, name: string): boolean {
  const given = query[name];
  if (given === undefined) return false;
  delete query[name];
  const text = Array.isArray(given) ? given[0] : given;
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(?:|0|f|F|false|FALSE|False)$/.test(text)) return false;
  throw new InvalidRequest(`invalid value of the query parameter ${JSON.stringify(name)}`);
}

function decode(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    throw new InvalidRequest('malformed escape in a parameter');
  }
}
