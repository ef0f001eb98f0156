import {
  createHash,
  createPrivateKey,
  createPublicKey,
  decapsulate as decapsulateKey,
  diffieHellman,
  encapsulate as encapsulateKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { zero } from './zero.ts';

/*
 * X-Wing (draft-connolly-cfrg-xwing-kem): ML-KEM-768 and X25519 together, so that what is encrypted to the holder of a
 * key stays secret if either of the two is broken, the one by quantum computers, the other by better lattice reduction.
 */

export const SEED_BYTES = 32;
const MLKEM_SEED_BYTES = 64;
const MLKEM_PUBLIC_BYTES = 1184;
const MLKEM_CIPHERTEXT_BYTES = 1088;
const X25519_BYTES = 32;
export const PUBLIC_KEY_BYTES = MLKEM_PUBLIC_BYTES + X25519_BYTES;
export const CIPHERTEXT_BYTES = MLKEM_CIPHERTEXT_BYTES + X25519_BYTES;
/** The draft's: a picture of a fighter. */
const LABEL = Buffer.from('\\.//^\\');

/** The public key of the private one that `seed` (32 bytes) is. */
export function publicKeyOf(seed: Buffer): Buffer {
  const { mlkem, x25519 } = expand(seed);
  return Buffer.concat([publicBytes(mlkem), publicBytes(x25519)]);
}

/** A fresh secret of 32 bytes, and what tells it to the holder of the private key. */
export function encapsulate(publicKey: Buffer): { secret: Buffer; ciphertext: Buffer } {
  if (publicKey.length !== PUBLIC_KEY_BYTES)
    throw new RangeError(`a public key has ${PUBLIC_KEY_BYTES} bytes, not ${publicKey.length}`);
  const theirs = publicKey.subarray(MLKEM_PUBLIC_BYTES);
  const mlkem = encapsulateKey(
    createPublicKey({
      key: publicKey.subarray(0, MLKEM_PUBLIC_BYTES),
      format: 'raw-public',
      asymmetricKeyType: 'ml-kem-768',
    }),
  );
  const own = generateKeyPairSync('x25519');
  const ownPublic = publicBytes(own.publicKey);
  const shared = diffieHellman({ privateKey: own.privateKey, publicKey: x25519Public(theirs) });
  const secret = combine(mlkem.sharedKey, shared, ownPublic, theirs);
  return { secret, ciphertext: Buffer.concat([mlkem.ciphertext, ownPublic]) };
}

/** The secret; another one, which nobody knows, for a ciphertext that was not made for this key. */
export function decapsulate(seed: Buffer, ciphertext: Buffer): Buffer {
  if (ciphertext.length !== CIPHERTEXT_BYTES)
    throw new RangeError(`a ciphertext has ${CIPHERTEXT_BYTES} bytes, not ${ciphertext.length}`);
  const { mlkem, x25519 } = expand(seed);
  const theirs = ciphertext.subarray(MLKEM_CIPHERTEXT_BYTES);
  return combine(
    decapsulateKey(mlkem, ciphertext.subarray(0, MLKEM_CIPHERTEXT_BYTES)),
    diffieHellman({ privateKey: x25519, publicKey: x25519Public(theirs) }),
    theirs,
    publicBytes(x25519),
  );
}

function expand(seed: Buffer): { mlkem: KeyObject; x25519: KeyObject } {
  if (seed.length !== SEED_BYTES) throw new RangeError(`a seed has ${SEED_BYTES} bytes, not ${seed.length}`);
  const outputLength = MLKEM_SEED_BYTES + X25519_BYTES;
  const expanded = createHash('shake256', { outputLength }).update(seed).digest();
  try {
    return {
      mlkem: createPrivateKey({
        key: expanded.subarray(0, MLKEM_SEED_BYTES),
        format: 'raw-seed',
        asymmetricKeyType: 'ml-kem-768',
      }),
      x25519: createPrivateKey({
        key: expanded.subarray(MLKEM_SEED_BYTES),
        format: 'raw-private',
        asymmetricKeyType: 'x25519',
      }),
    };
  } finally {
    zero(expanded);
  }
}

/** Hashes the two secrets together; both are overwritten. */
function combine(mlkem: Buffer, x25519: Buffer, x25519Ciphertext: Buffer, x25519Public: Buffer): Buffer {
  const hash = createHash('sha3-256');
  for (const part of [mlkem, x25519, x25519Ciphertext, x25519Public, LABEL]) hash.update(part);
  zero(mlkem, x25519);
  return hash.digest();
}

function x25519Public(bytes: Buffer): KeyObject {
  return createPublicKey({ key: bytes, format: 'raw-public', asymmetricKeyType: 'x25519' });
}

function publicBytes(key: KeyObject): Buffer {
  return (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'raw-public' });
}
