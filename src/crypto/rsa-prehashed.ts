import {
  constants,
  createHash,
  type KeyObject,
  privateEncrypt,
  publicDecrypt,
  timingSafeEqual,
} from 'node:crypto';
import type { Random } from '../base/random.ts';

/*
 * RSA signatures of a hash that somebody else has computed (RFC 8017). Node signs messages only, but it has the bare
 * operation, which OpenSSL blinds; what is done here is the encoding around it.
 */

/** What stands before the hash in a PKCS #1 v1.5 signature: DigestInfo up to its value (RFC 8017, section 9.2). */
const DIGEST_INFO: ReadonlyMap<string, string> = new Map([
  ['sha1', '3021300906052b0e03021a05000414'],
  ['sha224', '302d300d06096086480165030402040500041c'],
  ['sha256', '3031300d060960864801650304020105000420'],
  ['sha384', '3041300d060960864801650304020205000430'],
  ['sha512', '3051300d060960864801650304020305000440'],
  ['sha3-224', '302d300d06096086480165030402070500041c'],
  ['sha3-256', '3031300d060960864801650304020805000420'],
  ['sha3-384', '3041300d060960864801650304020905000430'],
  ['sha3-512', '3051300d060960864801650304020a05000440'],
]);

/** `digest` undefined signs the bytes without saying what hash they are. */
export function signPkcs1Hash(key: KeyObject, digest: string | undefined, hash: Uint8Array): Buffer {
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, digestInfo(digest, hash));
}

export function verifyPkcs1Hash(
  key: KeyObject,
  digest: string | undefined,
  { hash, signature }: { hash: Uint8Array; signature: Uint8Array },
): boolean {
  const signed = unlessInvalid(() => publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature));
  const expected = digestInfo(digest, hash);
  return signed?.length === expected.length && timingSafeEqual(signed, expected);
}

function digestInfo(digest: string | undefined, hash: Uint8Array): Buffer {
  const prefix = digest === undefined ? '' : DIGEST_INFO.get(digest);
  if (prefix === undefined) throw new Error(`no DigestInfo for ${digest}`);
  return Buffer.concat([Buffer.from(prefix, 'hex'), hash]);
}

const SALT_PREFIX_BYTES = 8;
const TRAILER = 0xbc;

/** The longest salt that fits; negative where even none does. */
export function pssSaltBytesMax(key: KeyObject, digestBytes: number): number {
  return Math.ceil((modulusBits(key) - 1) / 8) - digestBytes - 2;
}

/** EMSA-PSS (RFC 8017, section 9.1.1), the same hash for the mask. */
export function signPssHash(
  key: KeyObject,
  digest: string,
  { hash, saltBytes, random }: { hash: Uint8Array; saltBytes: number; random: Random },
): Buffer {
  const encodedBits = modulusBits(key) - 1;
  const encodedBytes = Math.ceil(encodedBits / 8);
  const salt = random.bytes(saltBytes);
  const inner = saltedHash(digest, hash, salt);
  const block = Buffer.alloc(encodedBytes - inner.length - 1);
  block[block.length - saltBytes - 1] = 0x01;
  block.set(salt, block.length - saltBytes);
  applyMask(block, digest, inner);
  block[0]! &= topMask(encodedBits);
  const encoded = Buffer.concat([block, inner, Buffer.from([TRAILER])]);
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, padded(encoded, modulusBytes(key)));
}

/** EMSA-PSS verification (RFC 8017, section 9.1.2); `saltBytes` undefined takes any length. */
export function verifyPssHash(
  key: KeyObject,
  digest: string,
  { hash, saltBytes, signature }: { hash: Uint8Array; saltBytes: number | undefined; signature: Uint8Array },
): boolean {
  if (signature.length !== modulusBytes(key)) return false;
  const opened = unlessInvalid(() => publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature));
  if (!opened) return false;
  const encodedBits = modulusBits(key) - 1;
  const encodedBytes = Math.ceil(encodedBits / 8);
  const encoded = opened.subarray(opened.length - encodedBytes);
  if (opened.subarray(0, opened.length - encodedBytes).some((byte) => byte !== 0)) return false;
  const blockBytes = encodedBytes - hash.length - 1;
  if (blockBytes < 1 || encoded.at(-1) !== TRAILER) return false;
  const block = Buffer.from(encoded.subarray(0, blockBytes));
  const inner = encoded.subarray(blockBytes, -1);
  if ((block[0]! & ~topMask(encodedBits) & 0xff) !== 0) return false;
  applyMask(block, digest, inner);
  block[0]! &= topMask(encodedBits);
  const marker = block.findIndex((byte) => byte !== 0);
  if (marker < 0 || block[marker] !== 0x01) return false;
  const salt = block.subarray(marker + 1);
  if (saltBytes !== undefined && salt.length !== saltBytes) return false;
  return timingSafeEqual(saltedHash(digest, hash, salt), inner);
}

function saltedHash(digest: string, hash: Uint8Array, salt: Uint8Array): Buffer {
  return createHash(digest).update(Buffer.alloc(SALT_PREFIX_BYTES)).update(hash).update(salt).digest();
}

/** MGF1 (RFC 8017, appendix B.2.1) over the block. */
function applyMask(block: Buffer, digest: string, seed: Uint8Array): void {
  const counter = Buffer.alloc(4);
  for (let at = 0, n = 0; at < block.length; n++) {
    counter.writeUInt32BE(n);
    const mask = createHash(digest).update(seed).update(counter).digest();
    for (let i = 0; i < mask.length && at < block.length; i++, at++) block[at]! ^= mask[i]!;
  }
}

/** Keeps the bits of the first byte that the encoded message has. */
function topMask(encodedBits: number): number {
  return 0xff >> (Math.ceil(encodedBits / 8) * 8 - encodedBits);
}

function padded(bytes: Buffer, length: number): Buffer {
  return Buffer.concat([Buffer.alloc(length - bytes.length), bytes]);
}

function modulusBits(key: KeyObject): number {
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits === undefined) throw new Error('a key without a modulus is no RSA key');
  return bits;
}

function modulusBytes(key: KeyObject): number {
  return Math.ceil(modulusBits(key) / 8);
}

function unlessInvalid(work: () => Buffer): Buffer | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
