import { InvalidRequest } from '../base/errors.ts';

/** Characters of a policy's name. */
const NAME_LENGTH_MAX = 512;

/** Policy names go without case, so that `Root` is `root` everywhere. */
export function normalPolicyName(name: string): string {
  return name.normalize('NFC').trim().toLowerCase();
}

/** A name for a new or changed policy, normalised. Throws `InvalidRequest`. */
export function checkedPolicyName(given: string): string {
  const name = normalPolicyName(given);
  if (name === '') throw new InvalidRequest('policy name is missing');
  if (name.length > NAME_LENGTH_MAX)
    throw new InvalidRequest(`policy name is longer than ${NAME_LENGTH_MAX}`);
  if (/[\p{Cc},]/u.test(name) || name.startsWith('/') || name.endsWith('/')) {
    throw new InvalidRequest(
      'policy name holds a comma or control character, or begins or ends with a slash',
    );
  }
  return name;
}
