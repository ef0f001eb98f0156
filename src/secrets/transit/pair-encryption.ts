import {
  constants,
  createSecretKey,
  decapsulate,
  encapsulate,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  webcrypto,
} from 'node:crypto';
import { promisify } from 'node:util';
import { InvalidRequest } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { AEAD_SIZES, openAead, sealAead } from '../../crypto/aead.ts';
import { zero } from '../../crypto/zero.ts';
import type { KeyVersion } from './key-version.ts';
import { UNAUTHENTIC } from './versioned.ts';

export type Padding = 'oaep' | 'pkcs1v15';

interface PairInput {
  readonly associatedData?: Buffer | undefined;
  readonly padding?: Padding | undefined;
}

const OAEP_HASH = 'sha256';
const UNDECRYPTABLE = 'crypto/rsa: decryption error';

export function encryptWithPair(
  { type, publicKey }: KeyVersion,
  plaintext: Uint8Array,
  { padding, associatedData, random }: PairInput & { random: Random },
): Buffer {
  if (type.pair?.encryption === 'kem') return sealToKem(publicKey, plaintext, { associatedData, random });
  checkNoData(associatedData);
  try {
    return publicEncrypt({ key: publicKey, ...rsaOptions(padding) }, plaintext);
  } catch {
    throw new InvalidRequest('the plaintext is too long for this RSA key');
  }
}

/** RSA and KEM in the thread pool, PKCS #1 v1.5 at once. */
export function decryptWithPair(
  { type, privateKey }: KeyVersion,
  ciphertext: Uint8Array,
  { padding, associatedData }: PairInput,
): Buffer | Promise<Buffer> {
  if (type.pair?.encryption === 'kem') return openFromKem(privateKey, ciphertext, associatedData);
  checkNoData(associatedData);
  if (padding !== 'pkcs1v15') return decryptOaep(privateKey, ciphertext);
  try {
    // For a wrong padding OpenSSL answers with bytes of its own making, so that nobody can probe for right ones.
    return privateDecrypt({ key: privateKey, ...rsaOptions(padding) }, ciphertext);
  } catch {
    throw new InvalidRequest(UNDECRYPTABLE);
  }
}

function checkNoData(associatedData: Buffer | undefined): void {
  if (associatedData && associatedData.length > 0)
    throw new InvalidRequest('associated_data is not supported by this type of key');
}

function rsaOptions(padding: Padding = 'oaep') {
  return padding === 'pkcs1v15'
    ? { padding: constants.RSA_PKCS1_PADDING }
    : { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: OAEP_HASH };
}

/** By the Web Crypto API, since `privateDecrypt` keeps the event loop. */
async function decryptOaep(privateKey: KeyObject, ciphertext: Uint8Array): Promise<Buffer> {
  const key = privateKey.toCryptoKey({ name: 'RSA-OAEP', hash: 'SHA-256' }, false, ['decrypt']);
  try {
    return Buffer.from(await webcrypto.subtle.decrypt({ name: 'RSA-OAEP' }, key, Buffer.from(ciphertext)));
  } catch {
    throw new InvalidRequest(UNDECRYPTABLE);
  }
}

const KEM_AEAD = 'aes-256-gcm';
const inPool = promisify(decapsulate);

/** What a KEM agrees on serves for one message: KEM ciphertext || nonce || AES-256-GCM ciphertext || tag. */
function sealToKem(
  publicKey: KeyObject,
  plaintext: Uint8Array,
  { associatedData, random }: { associatedData: Buffer | undefined; random: Random },
): Buffer {
  const { sharedKey, ciphertext } = encapsulate(publicKey);
  const key = createSecretKey(sharedKey);
  zero(sharedKey);
  const nonce = random.bytes(AEAD_SIZES[KEM_AEAD].nonceBytes);
  return Buffer.concat([ciphertext, sealAead({ aead: KEM_AEAD, key, associatedData }, { nonce, plaintext })]);
}

/** FIPS 203, table 3. */
const KEM_CIPHERTEXT_BYTES: ReadonlyMap<string, number> = new Map([
  ['ml-kem-512', 768],
  ['ml-kem-768', 1088],
  ['ml-kem-1024', 1568],
]);

async function openFromKem(
  privateKey: KeyObject,
  sealed: Uint8Array,
  associatedData: Buffer | undefined,
): Promise<Buffer> {
  const kemBytes = KEM_CIPHERTEXT_BYTES.get(privateKey.asymmetricKeyType ?? '') ?? Number.POSITIVE_INFINITY;
  if (sealed.length < kemBytes) throw new InvalidRequest(UNAUTHENTIC);
  const sharedKey = await inPool(privateKey, sealed.subarray(0, kemBytes));
  const key = createSecretKey(sharedKey);
  zero(sharedKey);
  const plaintext = openAead({ aead: KEM_AEAD, key, associatedData }, sealed.subarray(kemBytes));
  if (!plaintext) throw new InvalidRequest(UNAUTHENTIC);
  return plaintext;
}
