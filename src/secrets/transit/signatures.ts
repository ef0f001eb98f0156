import { constants, type KeyObject, sign, verify } from 'node:crypto';
import { bytesOfBase64, bytesOfBase64Url } from '../../base/base64.ts';
import { InvalidRequest } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import type { Digest } from '../../crypto/digests.ts';
import { derFromRaw, rawFromDer } from '../../crypto/ecdsa-encoding.ts';
import { signEcdsaHash, verifyEcdsaHash } from '../../crypto/ecdsa-prehashed.ts';
import {
  pssSaltBytesMax,
  signPkcs1Hash,
  signPssHash,
  verifyPkcs1Hash,
  verifyPssHash,
} from '../../crypto/rsa-prehashed.ts';
import { canSign, EC_BYTES, type KeyType } from './key-types.ts';

/** How a signature is to be made or was made. */
export interface SignatureOptions {
  /** Undefined is `none`: the signature does not say what hash it is of. */
  readonly digest: Digest | undefined;
  /** The input is the hash already. */
  readonly prehashed: boolean;
  readonly algorithm: 'pss' | 'pkcs1v15';
  readonly marshaling: 'asn1' | 'jws';
  /** Bytes, or by rule; PSS only. */
  readonly salt: number | 'auto' | 'hash';
  /** Of Ed25519ctx, ML-DSA and SLH-DSA. */
  readonly signatureContext: Buffer | undefined;
}

/** The bytes of a signature as the API has them after `vault:v1:`. */
export function encodeSignature(
  signature: Buffer,
  { marshaling }: Pick<SignatureOptions, 'marshaling'>,
): string {
  return signature.toString(marshaling === 'jws' ? 'base64url' : 'base64');
}

/** Throws `InvalidRequest` for what is no base64. */
export function decodeSignature(
  encoded: string,
  { marshaling }: Pick<SignatureOptions, 'marshaling'>,
): Buffer {
  const signature = marshaling === 'jws' ? bytesOfBase64Url(encoded) : bytesOfBase64(encoded);
  if (!signature) throw new InvalidRequest('invalid base64 signature value');
  return signature;
}

/** Throws `InvalidRequest`. */
export function checkSigns(type: KeyType): void {
  if (!canSign(type)) throw new InvalidRequest(`key type ${type.name} does not support signing`);
}

/** Throws `InvalidRequest` where this type of key does not sign like this. */
function checkOptions(type: KeyType, options: SignatureOptions): void {
  const kind = type.pair?.signature;
  const refuse = (text: string) => {
    throw new InvalidRequest(text);
  };
  if (options.signatureContext && kind !== 'ed25519' && kind !== 'post-quantum')
    refuse(`signature_context is not supported by keys of type ${type.name}`);
  if ((kind === 'ed25519' || kind === 'post-quantum') && options.prehashed)
    refuse(`prehashed input is not supported by keys of type ${type.name}: they sign the message itself`);
  if (!options.digest && kind === 'ecdsa') refuse('hash_algorithm none is for RSA keys only');
  if (!options.digest && kind === 'rsa' && !(options.prehashed && options.algorithm === 'pkcs1v15'))
    refuse('hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15');
  if (options.signatureContext && options.signatureContext.length > CONTEXT_BYTES_MAX)
    refuse(`signature_context must not be longer than ${CONTEXT_BYTES_MAX} bytes`);
}

/** RFC 8032, FIPS 204 and 205. */
const CONTEXT_BYTES_MAX = 255;

/** A message to sign or whose signature to verify. */
export interface Signing {
  readonly type: KeyType;
  readonly input: Buffer;
  readonly options: SignatureOptions;
}

/** `pooled`: in the thread pool even where it is quick. Throws `InvalidRequest`. */
export function signInput(
  key: KeyObject,
  { type, input, options }: Signing,
  { random, pooled }: { random: Random; pooled: boolean },
): Buffer | Promise<Buffer> {
  checkOptions(type, options);
  if (options.prehashed) return signHash(key, { type, input, options }, random);
  const digest = messageDigest(type, options);
  const parameters = parametersOf(key, { type, input, options });
  if (!pooled && type.pair?.quick) return sign(digest, input, parameters);
  return new Promise((resolve, reject) =>
    sign(digest, input, parameters, (error, signature) => (error ? reject(error) : resolve(signature))),
  );
}

/** Whether the signature is good. Throws `InvalidRequest` where this type of key does not sign like this. */
export function verifyInput(
  key: KeyObject,
  signing: Signing,
  signature: Buffer,
  pooled: boolean,
): boolean | Promise<boolean> {
  const { type, input, options } = signing;
  checkOptions(type, options);
  if (options.prehashed) return verifyHash(key, signing, signature);
  const digest = messageDigest(type, options);
  const parameters = parametersOf(key, signing, 'verify');
  try {
    if (!pooled) return verify(digest, input, parameters, signature);
  } catch {
    return false;
  }
  return new Promise((resolve) =>
    verify(digest, input, parameters, signature, (error, isGood) => resolve(!error && isGood)),
  );
}

/** Those that hash by themselves take none. */
function messageDigest({ pair }: KeyType, { digest }: SignatureOptions): string | null {
  return pair?.signature === 'rsa' || pair?.signature === 'ecdsa' ? (digest?.node ?? null) : null;
}

function parametersOf(key: KeyObject, { type, options }: Signing, use: 'sign' | 'verify' = 'sign') {
  const kind = type.pair?.signature;
  if (kind === 'ecdsa')
    return { key, dsaEncoding: options.marshaling === 'jws' ? ('ieee-p1363' as const) : ('der' as const) };
  if (kind !== 'rsa') return options.signatureContext ? { key, context: options.signatureContext } : { key };
  if (options.algorithm === 'pkcs1v15') return { key, padding: constants.RSA_PKCS1_PADDING };
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: nodeSaltLength(key, options, use) };
}

function nodeSaltLength(key: KeyObject, options: SignatureOptions, use: 'sign' | 'verify'): number {
  const bytes = saltBytes(key, options);
  if (bytes !== undefined) return bytes;
  return use === 'sign' ? constants.RSA_PSS_SALTLEN_MAX_SIGN : constants.RSA_PSS_SALTLEN_AUTO;
}

/** Undefined for `auto`. Throws `InvalidRequest` for what does not fit into the key. */
function saltBytes(key: KeyObject, { salt, digest }: SignatureOptions): number | undefined {
  const digestBytes = digest?.bytes ?? 0;
  const max = pssSaltBytesMax(key, digestBytes);
  if (salt === 'auto') return undefined;
  const bytes = salt === 'hash' ? digestBytes : salt;
  if (bytes > max) throw new InvalidRequest(`salt_length must be at most ${max} bytes for this key and hash`);
  return bytes;
}

function signHash(key: KeyObject, { type, input: hash, options }: Signing, random: Random): Buffer {
  const { digest, algorithm, marshaling } = options;
  checkHash(hash, options);
  if (type.pair?.signature === 'ecdsa') {
    const raw = signEcdsaHash(key, hash);
    return marshaling === 'jws' ? raw : derFromRaw(raw);
  }
  if (algorithm === 'pkcs1v15' || !digest) {
    checkFits(key, hash);
    return signPkcs1Hash(key, digest?.node, hash);
  }
  const salt = saltBytes(key, options) ?? pssSaltBytesMax(key, digest.bytes);
  return signPssHash(key, digest.node, { hash, saltBytes: salt, random });
}

function verifyHash(key: KeyObject, { type, input: hash, options }: Signing, signature: Buffer): boolean {
  const { digest, algorithm, marshaling } = options;
  checkHash(hash, options);
  if (type.pair?.signature === 'ecdsa') {
    const bytes = EC_BYTES.get(type.name)!;
    const raw = marshaling === 'jws' ? signature : rawFromDer(signature, bytes);
    return raw !== undefined && verifyEcdsaHash(key, hash, raw);
  }
  if (algorithm === 'pkcs1v15' || !digest) return verifyPkcs1Hash(key, digest?.node, { hash, signature });
  return verifyPssHash(key, digest.node, { hash, saltBytes: saltBytes(key, options), signature });
}

function checkHash(hash: Buffer, { digest }: SignatureOptions): void {
  if (digest && hash.length !== digest.bytes)
    throw new InvalidRequest(`prehashed input must have the ${digest.bytes} bytes of its hash_algorithm`);
}

/** PKCS #1 v1.5 needs eleven bytes for itself (RFC 8017, section 9.2). */
const PKCS1_BYTES = 11;

function checkFits(key: KeyObject, input: Buffer): void {
  const max = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8) - PKCS1_BYTES;
  if (input.length > max) throw new InvalidRequest('the input is too long for this RSA key');
}
