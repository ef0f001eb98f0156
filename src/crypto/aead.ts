import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';

/** Authenticated encryption with a tag of 16 bytes. */
export type Aead = 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305' | 'xchacha20-poly1305';

export interface AeadSizes {
  readonly keyBytes: number;
  readonly nonceBytes: number;
}

export const AEAD_SIZES: Readonly<Record<Aead, AeadSizes>> = {
  'aes-128-gcm': { keyBytes: 16, nonceBytes: 12 },
  'aes-256-gcm': { keyBytes: 32, nonceBytes: 12 },
  'chacha20-poly1305': { keyBytes: 32, nonceBytes: 12 },
  'xchacha20-poly1305': { keyBytes: 32, nonceBytes: 24 },
};
const TAG_BYTES = 16;

export interface AeadInput {
  readonly aead: Aead;
  readonly key: KeyObject;
  /** Authenticated but not encrypted. */
  readonly associatedData?: Uint8Array | undefined;
}

/** nonce || ciphertext || tag. A nonce must never be used twice with a key, except for the same plaintext. */
export function sealAead(
  { aead, key, associatedData }: AeadInput,
  { nonce, plaintext }: { nonce: Uint8Array; plaintext: Uint8Array },
): Buffer {
  const inner = innerCipher(aead, key, nonce);
  // Node's types tell apart GCM and ChaCha20-Poly1305, which are used alike.
  const cipher = createCipheriv(inner.name as 'aes-256-gcm', inner.key, inner.nonce, {
    authTagLength: TAG_BYTES,
  });
  if (associatedData && associatedData.length > 0) cipher.setAAD(associatedData);
  const sealed = Buffer.allocUnsafe(nonce.length + plaintext.length + TAG_BYTES);
  sealed.set(nonce, 0);
  if (plaintext.length > 0) sealed.set(cipher.update(plaintext), nonce.length);
  cipher.final();
  sealed.set(cipher.getAuthTag(), nonce.length + plaintext.length);
  return sealed;
}

/** The plaintext, which the caller owns; undefined when anything at all is not as it was. */
export function openAead({ aead, key, associatedData }: AeadInput, sealed: Uint8Array): Buffer | undefined {
  const { nonceBytes } = AEAD_SIZES[aead];
  const tagStart = sealed.length - TAG_BYTES;
  if (tagStart < nonceBytes) return undefined;
  const inner = innerCipher(aead, key, sealed.subarray(0, nonceBytes));
  const decipher = createDecipheriv(inner.name as 'aes-256-gcm', inner.key, inner.nonce, {
    authTagLength: TAG_BYTES,
  });
  if (associatedData && associatedData.length > 0) decipher.setAAD(associatedData);
  decipher.setAuthTag(sealed.subarray(tagStart));
  const plaintext = decipher.update(sealed.subarray(nonceBytes, tagStart));
  try {
    decipher.final();
    return plaintext;
  } catch {
    plaintext.fill(0);
    return undefined;
  }
}

/**
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) is ChaCha20-Poly1305 under a key derived from the first 16 bytes of its
 * nonce, with the other 8 as nonce.
 */
function innerCipher(aead: Aead, key: KeyObject, nonce: Uint8Array) {
  if (aead !== 'xchacha20-poly1305') return { name: aead, key, nonce };
  const short = Buffer.alloc(12);
  short.set(nonce.subarray(16), 4);
  return { name: 'chacha20-poly1305', key: hChaCha20(key, nonce.subarray(0, 16)), nonce: short };
}

/** "expand 32-byte k" */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

/**
 * HChaCha20 is ChaCha20's block without adding the state it began with, of which it keeps the first and the last row.
 * Both began with what is not secret (constants, nonce), so that they come out of OpenSSL's block by subtracting it.
 */
function hChaCha20(key: KeyObject, nonce: Uint8Array): KeyObject {
  const block = createCipheriv('chacha20', key, nonce).update(Buffer.alloc(64));
  const began = Buffer.from(nonce.buffer, nonce.byteOffset, nonce.length);
  const derived = Buffer.alloc(32);
  for (let i = 0; i < 4; i++) {
    derived.writeUInt32LE((block.readUInt32LE(i * 4) - CONSTANTS[i]!) >>> 0, i * 4);
    derived.writeUInt32LE((block.readUInt32LE(48 + i * 4) - began.readUInt32LE(i * 4)) >>> 0, 16 + i * 4);
  }
  const derivedKey = createSecretKey(derived);
  block.fill(0);
  derived.fill(0);
  return derivedKey;
}
