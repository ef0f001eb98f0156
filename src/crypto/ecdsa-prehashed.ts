import { createECDH, createPublicKey, type KeyObject } from 'node:crypto';

/*
 * ECDSA (FIPS 186-5) of a hash that somebody else has computed, over the NIST curves; signatures are r || s. Node signs
 * messages only. What must not leak takes OpenSSL's time: the multiple of the base point is its work, and the arithmetic
 * with the private key and the nonce is done on values blinded by a random factor. Verification has nothing to hide.
 */

interface Curve {
  /** OpenSSL's name. */
  readonly name: string;
  readonly bytes: number;
  readonly p: bigint;
  /** The order of the base point. */
  readonly n: bigint;
  readonly base: Point;
}

interface Point {
  readonly x: bigint;
  readonly y: bigint;
}

const P256_P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const P384_P = 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n;
const P521_P = 2n ** 521n - 1n;

/** By the curve's name in a JSON Web Key. */
const CURVES: ReadonlyMap<string, Curve> = new Map([
  [
    'P-256',
    curve('prime256v1', 32, P256_P, 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n),
  ],
  [
    'P-384',
    curve(
      'secp384r1',
      48,
      P384_P,
      0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    ),
  ],
  [
    'P-521',
    curve(
      'secp521r1',
      66,
      P521_P,
      0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    ),
  ],
]);

export function signEcdsaHash(privateKey: KeyObject, hash: Uint8Array): Buffer {
  const { curve, d } = privateParts(privateKey);
  const { n, bytes } = curve;
  const z = hashNumber(hash, curve);
  for (;;) {
    const nonce = createECDH(curve.name);
    const r = pointOf(nonce.generateKeys(), curve).x % n;
    const blind = randomScalar(curve);
    const inverse = inverted((blind * numberOf(nonce.getPrivateKey())) % n, n);
    const s = (inverse * (((blind * z) % n) + ((r * ((blind * d) % n)) % n))) % n;
    if (r !== 0n && s !== 0n) return Buffer.concat([bytesOf(r, bytes), bytesOf(s, bytes)]);
  }
}

export function verifyEcdsaHash(publicKey: KeyObject, hash: Uint8Array, signature: Uint8Array): boolean {
  const { curve, point } = publicParts(publicKey);
  const { n, bytes, base, p } = curve;
  if (signature.length !== bytes * 2) return false;
  const r = numberOf(signature.subarray(0, bytes));
  const s = numberOf(signature.subarray(bytes));
  if (r < 1n || r >= n || s < 1n || s >= n) return false;
  const w = inverted(s, n);
  const sum = doubleMultiple(curve, [base, (hashNumber(hash, curve) * w) % n], [point, (r * w) % n]);
  return sum !== undefined && affineX(sum, p) % n === r;
}

function curve(name: string, bytes: number, p: bigint, n: bigint): Curve {
  const one = createECDH(name);
  one.setPrivateKey(bytesOf(1n, bytes));
  return { name, bytes, p, n, base: pointOf(one.getPublicKey(), { bytes }) };
}

function privateParts(privateKey: KeyObject): { curve: Curve; d: bigint } {
  const { d } = privateKey.export({ format: 'jwk' });
  return {
    curve: publicParts(createPublicKey(privateKey)).curve,
    d: numberOf(Buffer.from(d ?? '', 'base64url')),
  };
}

function publicParts(publicKey: KeyObject): { curve: Curve; point: Point } {
  const { crv = '', x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const found = CURVES.get(crv);
  if (!found) throw new Error(`no ECDSA over the curve ${crv}`);
  const coordinate = (text: string) => numberOf(Buffer.from(text, 'base64url'));
  return { curve: found, point: { x: coordinate(x), y: coordinate(y) } };
}

/** An uncompressed point. */
function pointOf(encoded: Uint8Array, { bytes }: Pick<Curve, 'bytes'>): Point {
  return { x: numberOf(encoded.subarray(1, 1 + bytes)), y: numberOf(encoded.subarray(1 + bytes)) };
}

/** The leftmost bits of the hash, as many as the order has. */
function hashNumber(hash: Uint8Array, { n, bytes }: Curve): bigint {
  const excess = Math.max(0, Math.min(hash.length, bytes) * 8 - n.toString(2).length);
  return (numberOf(hash.subarray(0, bytes)) >> BigInt(excess)) % n;
}

function randomScalar({ name }: Curve): bigint {
  const scalar = createECDH(name);
  scalar.generateKeys();
  return numberOf(scalar.getPrivateKey());
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x0${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`);
}

function bytesOf(number: bigint, length: number): Buffer {
  return Buffer.from(number.toString(16).padStart(length * 2, '0'), 'hex');
}

/** By Euclid; `modulus` is prime and `value` not a multiple of it. */
function inverted(value: bigint, modulus: bigint): bigint {
  let [a, b] = [((value % modulus) + modulus) % modulus, modulus];
  let [x, y] = [1n, 0n];
  while (a > 1n) {
    const quotient = b / a;
    [a, b] = [b % a, a];
    [x, y] = [y - quotient * x, x];
  }
  return ((x % modulus) + modulus) % modulus;
}

/** Jacobian coordinates; undefined is the point at infinity. */
type Jacobian = { readonly x: bigint; readonly y: bigint; readonly z: bigint } | undefined;

function affineX({ x, z }: NonNullable<Jacobian>, p: bigint): bigint {
  const inverse = inverted(z, p);
  return (x * inverse * inverse) % p;
}

/** The sum of two multiples, bit by bit together. */
function doubleMultiple(
  { p }: Curve,
  [a, timesA]: readonly [Point, bigint],
  [b, timesB]: readonly [Point, bigint],
): Jacobian {
  const first = { ...a, z: 1n };
  const second = { ...b, z: 1n };
  const addends: readonly Jacobian[] = [undefined, first, second, add(first, second, p)];
  let sum: Jacobian;
  for (let bit = p.toString(2).length; bit >= 0; bit--) {
    sum = double(sum, p);
    const which = Number((timesA >> BigInt(bit)) & 1n) + 2 * Number((timesB >> BigInt(bit)) & 1n);
    sum = add(sum, addends[which], p);
  }
  return sum;
}

/** For curves with a = -3. */
function double(point: Jacobian, p: bigint): Jacobian {
  if (!point || point.y === 0n) return undefined;
  const { x, y, z } = point;
  const delta = (z * z) % p;
  const gamma = (y * y) % p;
  const beta = (x * gamma) % p;
  const alpha = (3n * (x - delta) * (x + delta)) % p;
  const x3 = (alpha * alpha - 8n * beta) % p;
  const z3 = (2n * y * z) % p;
  const y3 = (alpha * (4n * beta - x3) - 8n * gamma * gamma) % p;
  return { x: positive(x3, p), y: positive(y3, p), z: positive(z3, p) };
}

function add(a: Jacobian, b: Jacobian, p: bigint): Jacobian {
  if (!a || !b) return a ?? b;
  const za = (a.z * a.z) % p;
  const zb = (b.z * b.z) % p;
  const u1 = (a.x * zb) % p;
  const h = positive((b.x * za - u1) % p, p);
  const s1 = (a.y * zb * b.z) % p;
  const r = positive((b.y * za * a.z - s1) % p, p);
  if (h === 0n) return r === 0n ? double(a, p) : undefined;
  const h2 = (h * h) % p;
  const h3 = (h2 * h) % p;
  const v = (u1 * h2) % p;
  const x3 = (r * r - h3 - 2n * v) % p;
  const y3 = (r * (v - x3) - s1 * h3) % p;
  return { x: positive(x3, p), y: positive(y3, p), z: positive((h * a.z * b.z) % p, p) };
}

function positive(value: bigint, p: bigint): bigint {
  return value < 0n ? value + p : value;
}
