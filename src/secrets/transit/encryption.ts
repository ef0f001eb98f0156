import { createHmac } from 'node:crypto';
import { bytesOfBase64 } from '../../base/base64.ts';
import { InvalidRequest } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { AEAD_SIZES, type Aead, openAead, sealAead } from '../../crypto/aead.ts';
import { contextFor, derivedKeys } from './derivation.ts';
import type { Key } from './key.ts';
import { canEncrypt } from './key-types.ts';
import type { KeyVersion } from './key-version.ts';
import { decryptWithPair, encryptWithPair, type Padding } from './pair-encryption.ts';
import { parseVersioned, UNAUTHENTIC, versioned } from './versioned.ts';

/** What encryption and decryption of one item go by, besides the text itself. */
export interface CipherInput {
  readonly context?: Buffer | undefined;
  readonly associatedData?: Buffer | undefined;
  readonly nonce?: Buffer | undefined;
  /** For RSA. */
  readonly padding?: Padding | undefined;
}

export interface Encrypted {
  readonly ciphertext: string;
  readonly version: number;
}

/** Throws `InvalidRequest`. */
function checkEncrypts({ type }: Key, operation: 'encryption' | 'decryption'): void {
  if (!canEncrypt(type))
    throw new InvalidRequest(`message ${operation} not supported for key type ${type.name}`);
}

/** Throws `InvalidRequest`. */
export function encrypt(
  key: Key,
  plaintext: Uint8Array,
  input: CipherInput & { version?: number | undefined; random: Random },
): Encrypted {
  checkEncrypts(key, 'encryption');
  if (input.nonce) throw new InvalidRequest('provided nonce not allowed for this key');
  const version = key.versionToUse(input.version);
  const bytes = key.type.aead
    ? encryptAead(key, version, key.type.aead, plaintext, input)
    : encryptWithPair(version, plaintext, input);
  return { ciphertext: versioned(version.number, bytes.toString('base64')), version: version.number };
}

/** The plaintext. Throws `InvalidRequest`, whose text does not say what was wrong with the ciphertext. */
export function decrypt(key: Key, ciphertext: string, input: CipherInput): Buffer | Promise<Buffer> {
  checkEncrypts(key, 'decryption');
  const { version: number, encoded } = parseVersioned(ciphertext, 'ciphertext');
  const version = key.versionToOpen(number);
  const bytes = bytesOfBase64(encoded);
  if (!bytes) throw new InvalidRequest('invalid ciphertext: could not decode base64');
  return key.type.aead
    ? decryptAead(key, version, key.type.aead, bytes, input)
    : decryptWithPair(version, bytes, input);
}

function encryptAead(
  key: Key,
  { secretKey }: KeyVersion,
  aead: Aead,
  plaintext: Uint8Array,
  { context, associatedData, random }: CipherInput & { random: Random },
): Buffer {
  const { keyBytes, nonceBytes } = AEAD_SIZES[aead];
  const within = contextFor(key, context);
  if (!within) {
    const nonce = random.bytes(nonceBytes);
    return sealAead({ aead, key: secretKey, associatedData }, { nonce, plaintext });
  }
  const { encryption, convergent } = derivedKeys(secretKey, within, keyBytes);
  const nonce = key.record.convergent
    ? createHmac('sha256', convergent).update(plaintext).digest().subarray(0, nonceBytes)
    : random.bytes(nonceBytes);
  return sealAead({ aead, key: encryption, associatedData }, { nonce, plaintext });
}

function decryptAead(
  key: Key,
  { secretKey }: KeyVersion,
  aead: Aead,
  sealed: Uint8Array,
  { context, associatedData }: CipherInput,
): Buffer {
  const within = contextFor(key, context);
  const using = within ? derivedKeys(secretKey, within, AEAD_SIZES[aead].keyBytes).encryption : secretKey;
  const plaintext = openAead({ aead, key: using, associatedData }, sealed);
  if (!plaintext) throw new InvalidRequest(UNAUTHENTIC);
  return plaintext;
}
