import { createHash, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import type { Random } from '../../base/random.ts';
import type { KeyPair } from './records.ts';

const generate = promisify(generateKeyPair);

const ENCODING = {
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
} as const;

interface Kind {
  /** Of RFC 7518; what `at_hash` and `c_hash` are made with. */
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  generate(): Promise<{ publicKey: string; privateKey: string }>;
}

const rsa = (hash: Kind['hash']): Kind => ({
  hash,
  generate: () => generate('rsa', { modulusLength: 2048, ...ENCODING }),
});
const ecdsa = (namedCurve: string, hash: Kind['hash']): Kind => ({
  hash,
  generate: () => generate('ec', { namedCurve, ...ENCODING }),
});

const KINDS = {
  RS256: rsa('sha256'),
  RS384: rsa('sha384'),
  RS512: rsa('sha512'),
  ES256: ecdsa('P-256', 'sha256'),
  ES384: ecdsa('P-384', 'sha384'),
  ES512: ecdsa('P-521', 'sha512'),
  EdDSA: { hash: 'sha512', generate: () => generate('ed25519', ENCODING) },
} satisfies Record<string, Kind>;

/** Signature algorithms of identity tokens, by their names of RFC 7518 and RFC 8037. */
export type Algorithm = keyof typeof KINDS;

export const ALGORITHMS = Object.keys(KINDS) as readonly Algorithm[];

/** A new key; made in the thread pool, where RSA takes some tenths of a second. */
export async function newKeyPair(algorithm: Algorithm, random: Random): Promise<KeyPair> {
  return { kid: random.uuid(), ...(await KINDS[algorithm].generate()) };
}

/** The left half of the hash, as `at_hash` and `c_hash` have it (OpenID Connect Core, section 3.1.3.6). */
export function halfHash(algorithm: Algorithm, text: string): string {
  const digest = createHash(KINDS[algorithm].hash).update(text).digest();
  return digest.subarray(0, digest.length / 2).toString('base64url');
}
