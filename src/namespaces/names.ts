import { InvalidRequest } from '../base/errors.ts';

/** Where every namespace has something of its own, and what would be misread. */
const RESERVED: ReadonlySet<string> = new Set([
  '.',
  '..',
  'root',
  'sys',
  'audit',
  'auth',
  'cubbyhole',
  'identity',
]);
const NAME_LENGTH_MAX = 128;
const METADATA_PAIRS_MAX = 64;
const METADATA_KEY_LENGTH_MAX = 128;
const METADATA_VALUE_LENGTH_MAX = 512;

/** The name of a new namespace, one path segment. Throws `InvalidRequest`. */
export function checkedName(given: string): string {
  const name = given.replace(/\/$/, '');
  if (name === '') throw new InvalidRequest('namespace name is missing');
  if (name.includes('/')) {
    throw new InvalidRequest('a namespace name holds no slash: create it from the namespace it shall be in');
  }
  if (RESERVED.has(name.toLowerCase()))
    throw new InvalidRequest(`"${name}" is a reserved path and cannot be used as a namespace name`);
  // Policies are written with * and +; the rest would be read in more than one way.
  if (/[\s\p{Cc}*+%\\]/u.test(name) || name !== name.normalize('NFC'))
    throw new InvalidRequest(
      'a namespace name holds no spaces, control characters, *, +, % or backslashes, and is in normal form',
    );
  if (name.length > NAME_LENGTH_MAX)
    throw new InvalidRequest(`a namespace name is at most ${NAME_LENGTH_MAX} characters long`);
  return name;
}

/** Throws `InvalidRequest` where the pairs are too many or too long. */
export function checkedMetadata(pairs: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(pairs);
  if (entries.length > METADATA_PAIRS_MAX)
    throw new InvalidRequest(`custom_metadata has at most ${METADATA_PAIRS_MAX} pairs`);
  for (const [key, value] of entries) {
    if (key === '' || key.length > METADATA_KEY_LENGTH_MAX)
      throw new InvalidRequest(`a key of custom_metadata is 1 to ${METADATA_KEY_LENGTH_MAX} characters long`);
    if (value.length > METADATA_VALUE_LENGTH_MAX)
      throw new InvalidRequest(
        `a value of custom_metadata is at most ${METADATA_VALUE_LENGTH_MAX} characters long`,
      );
  }
  return pairs;
}
