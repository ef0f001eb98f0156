import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { InvalidRequest } from '../../base/errors.ts';
import { zero } from '../../crypto/zero.ts';
import type { Key } from './key.ts';

const NO_SALT = new Uint8Array(0);

/** The context of a derived key, undefined for others. Throws `InvalidRequest` where it is missing. */
export function contextFor({ record }: Key, context: Buffer | undefined): Buffer | undefined {
  if (!record.derived) return undefined;
  if (context && context.length > 0) return context;
  throw new InvalidRequest(
    "missing 'context' for key derivation; the key was created using a derived key, which means additional, per-request information must be included in order to perform operations with the key",
  );
}

/** HKDF (RFC 5869) with SHA-256, no salt, and the context as its info. */
export function derivedBytes(key: KeyObject, context: Uint8Array, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', key, NO_SALT, context, bytes));
}

export interface DerivedKeys {
  readonly encryption: KeyObject;
  /** From which convergent encryption takes its nonces. */
  readonly convergent: KeyObject;
}

const CONVERGENT_KEY_BYTES = 32;

/** The keys for one context; `bytes` is the size of the first. */
export function derivedKeys(key: KeyObject, context: Uint8Array, bytes: number): DerivedKeys {
  const all = derivedBytes(key, context, bytes + CONVERGENT_KEY_BYTES);
  const keys = {
    encryption: createSecretKey(all.subarray(0, bytes)),
    convergent: createSecretKey(all.subarray(bytes)),
  };
  zero(all);
  return keys;
}
