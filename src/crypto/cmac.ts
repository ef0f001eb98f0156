import { createCipheriv, type KeyObject } from 'node:crypto';

const BLOCK_BYTES = 16;
const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);
/** The polynomial of the field of 2^128 elements. */
const REDUCTION = 0x87;

/** AES-CMAC (NIST SP 800-38B, RFC 4493) under a key of 16, 24 or 32 bytes: 16 bytes. */
export function aesCmac(key: KeyObject, message: Uint8Array): Buffer {
  const bits = (key.symmetricKeySize ?? 0) * 8;
  const zeroes = createCipheriv(`aes-${bits}-ecb`, key, null).update(ZERO_BLOCK);
  const subkey = doubled(zeroes);
  const lastStart = Math.max(0, Math.ceil(message.length / BLOCK_BYTES) - 1) * BLOCK_BYTES;
  const isWhole = message.length - lastStart === BLOCK_BYTES;
  const last = Buffer.alloc(BLOCK_BYTES);
  last.set(message.subarray(lastStart));
  if (!isWhole) last[message.length - lastStart] = 0x80;
  const mask = isWhole ? subkey : doubled(subkey);
  for (let i = 0; i < BLOCK_BYTES; i++) last[i]! ^= mask[i]!;
  const cipher = createCipheriv(`aes-${bits}-cbc`, key, ZERO_BLOCK);
  cipher.update(message.subarray(0, lastStart));
  return cipher.update(last).subarray(0, BLOCK_BYTES);
}

/** The block times x in that field, without a branch on what is in it. */
function doubled(block: Buffer): Buffer {
  const result = Buffer.alloc(BLOCK_BYTES);
  for (let i = 0; i < BLOCK_BYTES; i++) result[i] = (block[i]! << 1) | ((block[i + 1] ?? 0) >> 7);
  result[BLOCK_BYTES - 1]! ^= REDUCTION & -(block[0]! >> 7);
  return result;
}
