import { InvalidRequest } from '../../base/errors.ts';
import { DIGESTS, type Digest } from '../../crypto/digests.ts';
import { text } from '../../engine/fields.ts';

const DEFAULT = 'sha2-256';
const SHA1: Digest = { node: 'sha1', bytes: 20 };

export const hashFields = {
  algorithm: text({ description: 'As hash_algorithm, which wins.', deprecated: true }),
  hash_algorithm: text({
    description:
      'The hash: sha1, sha2-224 to sha2-512, sha3-224 to sha3-512, or none. sha2-256 if not given.',
  }),
  urlalgorithm: text({ description: 'The hash, in the path; it wins.' }),
};

interface Asked {
  readonly algorithm?: string | undefined;
  readonly hash_algorithm?: string | undefined;
  readonly urlalgorithm?: string | undefined;
}

/** For HMACs. Throws `InvalidRequest`. */
export function hmacDigest(asked: Asked): Digest {
  const name = nameOf(asked);
  const digest = DIGESTS.get(name);
  if (!digest) throw new InvalidRequest(`unsupported algorithm ${JSON.stringify(name)}`);
  return digest;
}

/** For signatures; undefined is `none`. Throws `InvalidRequest`. */
export function signatureDigest(asked: Asked): Digest | undefined {
  const name = nameOf(asked);
  if (name === 'none') return undefined;
  return name === 'sha1' ? SHA1 : hmacDigest(asked);
}

export function isDigestGiven(asked: Asked): boolean {
  return Boolean(asked.urlalgorithm || asked.hash_algorithm || asked.algorithm);
}

function nameOf(asked: Asked): string {
  return asked.urlalgorithm || asked.hash_algorithm || asked.algorithm || DEFAULT;
}
