import { InvalidRequest } from '../../base/errors.ts';

/** Ciphertexts, signatures and codes say which version of the key made them: `vault:v1:<the bytes in base64>`. */
export interface Versioned {
  readonly version: number;
  readonly encoded: string;
}

const PREFIX = 'vault:v';
/** No key gets this old. */
const VERSION_DIGITS_MAX = 10;

export function versioned(version: number, encoded: string): string {
  return `${PREFIX}${version}:${encoded}`;
}

/** All that is told of a ciphertext that cannot be decrypted, as clients know it. */
export const UNAUTHENTIC = 'cipher: message authentication failed';

/** `what` begins the error's text: `ciphertext`. Throws `InvalidRequest`. */
export function parseVersioned(text: string, what: string): Versioned {
  if (!text.startsWith(PREFIX)) throw new InvalidRequest(`invalid ${what}: no prefix`);
  const colon = text.indexOf(':', PREFIX.length);
  if (colon < 0) throw new InvalidRequest(`invalid ${what}: wrong number of fields`);
  const version = text.slice(PREFIX.length, colon);
  if (version.length > VERSION_DIGITS_MAX || !/^[1-9][0-9]*$/.test(version))
    throw new InvalidRequest(`invalid ${what}: version number could not be decoded`);
  return { version: Number(version), encoded: text.slice(colon + 1) };
}
