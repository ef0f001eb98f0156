import { createHash } from 'node:crypto';
import { InvalidRequest } from '../base/errors.ts';
import { UNASSIGNABLE_POLICIES } from '../policies/defaults.ts';
import { normalPolicyName } from '../policies/names.ts';

/** Characters. */
const NAME_LENGTH_MAX = 512;
/** Of a name in a key; longer ones are there by their hash. */
const KEY_LENGTH_MAX = 600;
const METADATA_PAIRS_MAX = 64;
const METADATA_KEY_BYTES_MAX = 128;
const METADATA_VALUE_BYTES_MAX = 512;
const POLICIES_MAX = 1000;

/** Names of entities and groups are one whatever the case. */
export function normalName(name: string): string {
  return name.normalize('NFC').toLowerCase();
}

/** A name as part of a storage key. `exact`: an alias name, which is the auth method's to spell. */
export function nameKey(name: string, spelling: 'folded' | 'exact' = 'folded'): string {
  const normal = spelling === 'exact' ? name : normalName(name);
  const encoded = encodeURIComponent(normal);
  // No encoded name has a percent sign before a tilde.
  return encoded.length <= KEY_LENGTH_MAX
    ? encoded
    : `%~${createHash('sha256').update(normal).digest('hex')}`;
}

/** Throws `InvalidRequest`. */
export function checkedName(given: string, what: string): string {
  const name = given.normalize('NFC');
  if (name === '') throw new InvalidRequest(`missing ${what} name`);
  if (name.length > NAME_LENGTH_MAX)
    throw new InvalidRequest(`${what} name is longer than ${NAME_LENGTH_MAX}`);
  if (/\p{Cc}/u.test(name) || name.trim() !== name || name.startsWith('/') || name.endsWith('/'))
    throw new InvalidRequest(
      `${what} name begins or ends with a space or slash, or holds a control character`,
    );
  return name;
}

/** Throws `InvalidRequest`. */
export function checkedMetadata(given: Readonly<Record<string, string>>, what = 'metadata') {
  const pairs = Object.entries(given);
  if (pairs.length > METADATA_PAIRS_MAX)
    throw new InvalidRequest(`${what} can have at most ${METADATA_PAIRS_MAX} key/value pairs`);
  for (const [key, value] of pairs) {
    if (key === '' || Buffer.byteLength(key) > METADATA_KEY_BYTES_MAX)
      throw new InvalidRequest(`a key of ${what} must have 1 to ${METADATA_KEY_BYTES_MAX} bytes`);
    if (Buffer.byteLength(value) > METADATA_VALUE_BYTES_MAX)
      throw new InvalidRequest(`a value of ${what} can have at most ${METADATA_VALUE_BYTES_MAX} bytes`);
  }
  return given;
}

/** Policies for an entity or group: normal, sorted, each once; none that would be more than a token may get. */
export function checkedPolicies(given: readonly string[]): string[] {
  const names = [...new Set(given.map(normalPolicyName).filter(Boolean))].sort();
  if (names.length > POLICIES_MAX) throw new InvalidRequest(`policies can be at most ${POLICIES_MAX}`);
  if (names.includes('root')) throw new InvalidRequest('policies cannot contain root');
  const unassignable = names.find((name) => UNASSIGNABLE_POLICIES.has(name));
  if (unassignable) throw new InvalidRequest(`cannot assign policy "${unassignable}"`);
  return names;
}

export function sameMetadata(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>) {
  let count = 0;
  for (const key in b) {
    if (!Object.hasOwn(a, key) || a[key] !== b[key]) return false;
    count++;
  }
  for (const _ in a) count--;
  return count === 0;
}
