/**
 * The few primitives over node:crypto that Coffer needs, each with vectors beside it: comparison, HMAC, password
 * hashes, address ranges. This folder owns no keys and no state; encryption of stored records is the barrier's.
 */
import { hash, timingSafeEqual } from 'node:crypto';

/**
 * Whether two secrets are equal, in time that depends on their lengths but not on where they differ. Values of
 * different lengths are compared by digest, so that a wrong length costs the same as a wrong value.
 */
export function equalSecrets(a: string | Uint8Array, b: string | Uint8Array): boolean {
  const left = bytesOf(a);
  const right = bytesOf(b);
  if (left.byteLength === right.byteLength) return timingSafeEqual(left, right);
  timingSafeEqual(hash('sha256', left, 'buffer'), hash('sha256', right, 'buffer'));
  return false;
}

function bytesOf(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
}
