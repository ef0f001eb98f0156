import { createCipheriv, createDecipheriv } from 'node:crypto';

/*
 * How everything stored is wrapped: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce.
 *
 *   version (1 byte) | term of the key (4, big endian) | nonce (12) | ciphertext | tag (16)
 *
 * The header and the record's name are authenticated with it, so that a record cannot be moved to another name.
 */
const VERSION = 1;
const HEADER_BYTES = 5;
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NONCE_END = HEADER_BYTES + NONCE_BYTES;

/** How much longer an envelope is than its plaintext. */
export const ENVELOPE_OVERHEAD_BYTES = NONCE_END + TAG_BYTES;
export const KEY_BYTES = 32;

export interface SealInput {
  key: Uint8Array;
  term: number;
  /** `NONCE_BYTES` random bytes, never used before with this key. */
  nonce: Uint8Array;
  /** What the plaintext is bound to. */
  name: string;
  plaintext: Uint8Array;
}

export function sealEnvelope({ key, term, nonce, name, plaintext }: SealInput): Buffer {
  const envelope = Buffer.allocUnsafe(plaintext.length + ENVELOPE_OVERHEAD_BYTES);
  envelope[0] = VERSION;
  envelope.writeUInt32BE(term, 1);
  envelope.set(nonce, HEADER_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(additionalData(envelope, name));
  envelope.set(cipher.update(plaintext), NONCE_END);
  cipher.final();
  envelope.set(cipher.getAuthTag(), NONCE_END + plaintext.length);
  return envelope;
}

/** The term of the key that opens it, or undefined when it is no envelope of a known version. */
export function envelopeTerm(envelope: Uint8Array): number | undefined {
  if (envelope.length < ENVELOPE_OVERHEAD_BYTES || envelope[0] !== VERSION) return undefined;
  return new DataView(envelope.buffer, envelope.byteOffset).getUint32(1);
}

/** The plaintext, which the caller owns; undefined when the key, the name or a single bit is another. */
export function openEnvelope(key: Uint8Array, name: string, envelope: Uint8Array): Buffer | undefined {
  if (envelope.length < ENVELOPE_OVERHEAD_BYTES) return undefined;
  const tagStart = envelope.length - TAG_BYTES;
  const nonce = envelope.subarray(HEADER_BYTES, NONCE_END);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(additionalData(envelope, name));
  decipher.setAuthTag(envelope.subarray(tagStart));
  const plaintext = decipher.update(envelope.subarray(NONCE_END, tagStart));
  try {
    decipher.final();
    return plaintext;
  } catch {
    plaintext.fill(0);
    return undefined;
  }
}

/** Whether two envelopes are the same one: nonces are never repeated and tags cannot be forged. */
export function isSameEnvelope(one: Uint8Array, other: Uint8Array): boolean {
  const { length } = one;
  if (length !== other.length || length < ENVELOPE_OVERHEAD_BYTES) return false;
  for (let i = 0; i < NONCE_END; i++) if (one[i] !== other[i]) return false;
  for (let i = length - TAG_BYTES; i < length; i++) if (one[i] !== other[i]) return false;
  return true;
}

function additionalData(envelope: Uint8Array, name: string): Buffer {
  const data = Buffer.allocUnsafe(HEADER_BYTES + Buffer.byteLength(name));
  data.set(envelope.subarray(0, HEADER_BYTES));
  data.write(name, HEADER_BYTES, 'utf8');
  return data;
}
