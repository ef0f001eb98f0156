import { generateKeyPair, type KeyObject } from 'node:crypto';
import { InvalidRequest } from '../../base/errors.ts';
import type { Aead } from '../../crypto/aead.ts';

/** What a key can do, by its type. Absent members are things it cannot do. */
export interface KeyType {
  readonly name: string;
  /** Secret bytes of a new key; absent for key pairs. */
  readonly secretBytes?: number;
  /** Other sizes that may be asked for. */
  readonly secretBytesRange?: readonly [min: number, max: number];
  readonly aead?: Aead;
  readonly mac?: 'hmac' | 'cmac';
  readonly pair?: PairType;
  /** A key for each context can be derived. */
  readonly derives?: boolean;
}

export interface PairType {
  /** Node's name. */
  readonly asymmetricKeyType: string;
  /** As `keys/:name` names it. */
  readonly shownName: string;
  readonly signature?: 'rsa' | 'ecdsa' | 'ed25519' | 'post-quantum';
  readonly encryption?: 'rsa' | 'kem';
  /** Node's name of the curve. */
  readonly namedCurve?: string;
  readonly modulusBits?: number;
  /** Signs in microseconds, less than a way to the thread pool and back costs. */
  readonly quick?: boolean;
}

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export const DEFAULT_KEY_TYPE = 'aes256-gcm96';

const aead = (name: string, cipher: Aead, secretBytes: number): KeyType => ({
  name,
  secretBytes,
  aead: cipher,
  derives: true,
});
const ecdsa = (name: string, shownName: string, namedCurve: string, quick = false): KeyType => ({
  name,
  pair: { asymmetricKeyType: 'ec', shownName, namedCurve, signature: 'ecdsa', quick },
});
const rsa = (modulusBits: number): KeyType => ({
  name: `rsa-${modulusBits}`,
  pair: {
    asymmetricKeyType: 'rsa',
    shownName: `rsa-${modulusBits}`,
    modulusBits,
    signature: 'rsa',
    encryption: 'rsa',
  },
});
const cmac = (bits: number): KeyType => ({ name: `aes${bits}-cmac`, secretBytes: bits / 8, mac: 'cmac' });

const TYPES: ReadonlyMap<string, KeyType> = new Map(
  [
    aead('aes128-gcm96', 'aes-128-gcm', 16),
    aead('aes256-gcm96', 'aes-256-gcm', 32),
    aead('chacha20-poly1305', 'chacha20-poly1305', 32),
    aead('xchacha20-poly1305', 'xchacha20-poly1305', 32),
    {
      name: 'ed25519',
      pair: {
        asymmetricKeyType: 'ed25519',
        shownName: 'ed25519',
        signature: 'ed25519' as const,
        quick: true,
      },
      derives: true,
    },
    ecdsa('ecdsa-p256', 'P-256', 'prime256v1', true),
    ecdsa('ecdsa-p384', 'P-384', 'secp384r1'),
    ecdsa('ecdsa-p521', 'P-521', 'secp521r1'),
    rsa(2048),
    rsa(3072),
    rsa(4096),
    { name: 'hmac', secretBytes: 32, secretBytesRange: [32, 512] as const, mac: 'hmac' as const },
    cmac(128),
    cmac(192),
    cmac(256),
  ].map((type): [string, KeyType] => [type.name, type]),
);

/** Bytes of a coordinate. */
export const EC_BYTES: ReadonlyMap<string, number> = new Map([
  ['ecdsa-p256', 32],
  ['ecdsa-p384', 48],
  ['ecdsa-p521', 66],
]);

/** Families whose members are told apart by `parameter_set`. */
const FAMILIES: ReadonlyMap<string, readonly string[]> = new Map([
  ['ml-dsa', ['44', '65', '87']],
  ['ml-kem', ['512', '768', '1024']],
  [
    'slh-dsa',
    ['sha2', 'shake'].flatMap((hash) =>
      ['128s', '128f', '192s', '192f', '256s', '256f'].map((size) => `slh-dsa-${hash}-${size}`),
    ),
  ],
]);

/** For help and the document of the API. */
export const KEY_TYPE_NAMES: readonly string[] = [...TYPES.keys(), ...FAMILIES.keys()];

/** Throws `InvalidRequest` for what there is not. */
export function keyTypeOf(name: string, parameterSet = ''): KeyType {
  const type = TYPES.get(name);
  if (type) return type;
  const sets = FAMILIES.get(name);
  if (!sets) throw new InvalidRequest(refusal(name));
  if (!sets.includes(parameterSet)) {
    throw new InvalidRequest(`parameter_set of a key of type ${name} must be one of ${sets.join(', ')}`);
  }
  const asymmetricKeyType = parameterSet.startsWith(name) ? parameterSet : `${name}-${parameterSet}`;
  const use = name === 'ml-kem' ? { encryption: 'kem' as const } : { signature: 'post-quantum' as const };
  return { name, pair: { asymmetricKeyType, shownName: asymmetricKeyType, ...use } };
}

function refusal(name: string): string {
  if (name === 'managed_key')
    return 'keys of type managed_key are not supported: there are no managed keys here';
  if (name === 'hybrid') return 'keys of type hybrid are not supported; use ml-dsa or slh-dsa';
  return `unknown key type ${JSON.stringify(name.slice(0, 64))}`;
}

export function canEncrypt(type: KeyType): boolean {
  return type.aead !== undefined || type.pair?.encryption !== undefined;
}

export function canSign(type: KeyType): boolean {
  return type.pair?.signature !== undefined;
}

const RSA_EXPONENT = 65537;

/** In the thread pool: an RSA key takes seconds. */
export function generatePair({ asymmetricKeyType, namedCurve, modulusBits }: PairType): Promise<KeyPair> {
  return new Promise((resolve, reject) => {
    // The options of all types in one: each type takes its own and leaves the others.
    const options = { namedCurve, modulusLength: modulusBits, publicExponent: RSA_EXPONENT };
    generateKeyPair(
      asymmetricKeyType as 'rsa',
      options as { modulusLength: number },
      (error, publicKey, privateKey) => (error ? reject(error) : resolve({ publicKey, privateKey })),
    );
  });
}
