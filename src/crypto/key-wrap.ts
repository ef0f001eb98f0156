import { createCipheriv, createDecipheriv } from 'node:crypto';

/** The alternative initial value of RFC 5649, section 3. */
const INITIAL_VALUE = Buffer.from('a65959a6', 'hex');

/** AES key wrap with padding (RFC 5649, KWP) of 1 byte or more under a key of 16, 24 or 32 bytes. */
export function wrapKey(wrappingKey: Uint8Array, key: Uint8Array): Buffer {
  const cipher = createCipheriv(cipherOf(wrappingKey), wrappingKey, INITIAL_VALUE);
  return Buffer.concat([cipher.update(key), cipher.final()]);
}

/** The key, which the caller owns; undefined when anything is not as it was. */
export function unwrapKey(wrappingKey: Uint8Array, wrapped: Uint8Array): Buffer | undefined {
  if (wrapped.length < 16 || wrapped.length % 8 !== 0) return undefined;
  const decipher = createDecipheriv(cipherOf(wrappingKey), wrappingKey, INITIAL_VALUE);
  try {
    return Buffer.concat([decipher.update(wrapped), decipher.final()]);
  } catch {
    return undefined;
  }
}

function cipherOf(wrappingKey: Uint8Array): string {
  return `id-aes${wrappingKey.length * 8}-wrap-pad`;
}
