import { createPrivateKey, createPublicKey, createSecretKey } from 'node:crypto';
import { zero } from '../../crypto/zero.ts';
import { derivedBytes } from './derivation.ts';
import type { KeyPair } from './key-types.ts';
import type { KeyVersion } from './key-version.ts';
import type { VersionRecord } from './records.ts';

export const ED25519_BYTES = 32;
/** PKCS#8 of an Ed25519 key up to its 32 bytes (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The 32 bytes of RFC 8032 of the public key. */
export function rawPublicKey({ publicKey }: Pick<VersionRecord, 'publicKey'>): Buffer {
  return Buffer.from(publicKey, 'base64').subarray(-ED25519_BYTES);
}

/** Private key (the seed) and public key one after the other, as libraries exchange them. The caller owns the bytes. */
export function rawPrivateKey(record: VersionRecord): Buffer {
  const pkcs8 = Buffer.from(record.key, 'base64');
  const raw = Buffer.concat([pkcs8.subarray(-ED25519_BYTES), rawPublicKey(record)]);
  zero(pkcs8);
  return raw;
}

export function pairFromSeed(seed: Uint8Array): KeyPair {
  const pkcs8 = Buffer.concat([PKCS8_PREFIX, seed]);
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  zero(pkcs8);
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

/** The pair for one context: its seed is HKDF of the exchanged form of the private key. */
export function derivedPair({ record }: KeyVersion, context: Uint8Array): KeyPair {
  const raw = rawPrivateKey(record);
  const seed = derivedBytes(createSecretKey(raw), context, ED25519_BYTES);
  const pair = pairFromSeed(seed);
  zero(raw, seed);
  return pair;
}
