import {
  constants,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  privateDecrypt,
  sign,
  verify,
} from 'node:crypto';
import { bytesOfBase64 } from '../../base/base64.ts';
import { InvalidRequest } from '../../base/errors.ts';
import { unwrapKey } from '../../crypto/key-wrap.ts';
import { zero } from '../../crypto/zero.ts';
import type { KeyType, PairType } from './key-types.ts';
import { type Material, materialOfPair } from './new-key.ts';

/** What a wrapping key of 4096 bits encrypts to: the first part of an import. */
const WRAPPED_AES_KEY_BYTES = 512;
const AES_KEY_BYTES = 32;

export const OAEP_HASHES: ReadonlyMap<string, string> = new Map(
  ['SHA1', 'SHA224', 'SHA256', 'SHA384', 'SHA512'].map((name) => [name, name.toLowerCase()]),
);

export interface WrappedMaterial {
  /** Base64: an AES key under the wrapping key by RSA-OAEP, then the material under the AES key by AES-KWP. */
  readonly ciphertext: string;
  /** Of OAEP. */
  readonly hashFunction: string;
}

/** The material, which the caller owns. Throws `InvalidRequest`, with one text for all that may be wrong inside. */
export function openWrapped(wrappingKey: KeyObject, { ciphertext, hashFunction }: WrappedMaterial): Buffer {
  const oaepHash = OAEP_HASHES.get(hashFunction.toUpperCase().replace('-', ''));
  if (!oaepHash)
    throw new InvalidRequest(`unsupported hash_function ${JSON.stringify(hashFunction.slice(0, 32))}`);
  const bytes = bytesOfBase64(ciphertext);
  if (!bytes || bytes.length <= WRAPPED_AES_KEY_BYTES)
    throw new InvalidRequest(
      'ciphertext must be base64 of a wrapped AES key and the key material wrapped by it',
    );
  const aesKey = unlessInvalid(() =>
    privateDecrypt(
      { key: wrappingKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash },
      bytes.subarray(0, WRAPPED_AES_KEY_BYTES),
    ),
  );
  const material =
    aesKey?.length === AES_KEY_BYTES ? unwrapKey(aesKey, bytes.subarray(WRAPPED_AES_KEY_BYTES)) : undefined;
  zero(aesKey);
  if (!material) throw new InvalidRequest('failed to unwrap the key material');
  return material;
}

/** Raw bytes of a symmetric key, PKCS#8 of a private one. Throws `InvalidRequest` for what is not of the type. */
export function importPrivate(type: KeyType, bytes: Buffer): Material {
  if (!type.pair) {
    const [min, max] = type.secretBytesRange ?? [type.secretBytes!, type.secretBytes!];
    if (bytes.length < min || bytes.length > max)
      throw new InvalidRequest(`invalid key size ${bytes.length} bytes for key type ${type.name}`);
    return { key: bytes.toString('base64'), publicKey: '' };
  }
  const privateKey = unlessInvalid(() => createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' }));
  if (!privateKey) throw new InvalidRequest('error parsing asymmetric key: it must be PKCS#8 in DER');
  const publicKey = createPublicKey(privateKey);
  checkType(type, type.pair, publicKey);
  checkBelong(type.pair, privateKey, publicKey);
  return materialOfPair({ privateKey, publicKey });
}

/** PEM of a public key. Throws `InvalidRequest` for what is not of the type. */
export function importPublic(type: KeyType, pem: string): Material {
  if (!type.pair) throw new InvalidRequest(`keys of type ${type.name} have no public key to import`);
  if (!pem.includes('-----BEGIN PUBLIC KEY-----') && !pem.includes('-----BEGIN RSA PUBLIC KEY-----'))
    throw new InvalidRequest('error parsing public key: it must be in PEM');
  const publicKey = unlessInvalid(() => createPublicKey({ key: pem, format: 'pem' }));
  if (!publicKey) throw new InvalidRequest('error parsing public key: it must be in PEM');
  checkType(type, type.pair, publicKey);
  return { key: '', publicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64') };
}

function checkType(
  { name }: KeyType,
  pair: PairType,
  { asymmetricKeyType, asymmetricKeyDetails }: KeyObject,
): void {
  const { namedCurve, modulusLength, publicExponent = 0n } = asymmetricKeyDetails ?? {};
  if (asymmetricKeyType !== pair.asymmetricKeyType || namedCurve !== pair.namedCurve)
    throw new InvalidRequest(`invalid key: it is not of type ${name}`);
  if (pair.modulusBits === undefined) return;
  if (modulusLength !== pair.modulusBits) throw new InvalidRequest(`invalid key: it is not of type ${name}`);
  if (publicExponent < 3n || publicExponent % 2n === 0n)
    throw new InvalidRequest('invalid key: its public exponent is not odd, or too small');
}

/**
 * OpenSSL takes any numbers for RSA, and any public point beside an ECDSA key: ones that do not belong together would
 * make signatures that give the key away.
 */
function checkBelong({ signature, shownName }: PairType, privateKey: KeyObject, publicKey: KeyObject): void {
  if (signature !== 'rsa' && signature !== 'ecdsa') return;
  const message = Buffer.from(shownName);
  const good = unlessInvalid(() => verify('sha256', message, publicKey, sign('sha256', message, privateKey)));
  if (!good) throw new InvalidRequest('invalid key: its private and public parts do not belong together');
}

function unlessInvalid<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
