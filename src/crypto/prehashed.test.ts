import assert from 'node:assert/strict';
import { constants, createHash, generateKeyPairSync, sign, verify } from 'node:crypto';
import { test } from 'node:test';
import { systemRandom } from '../base/random.ts';
import { signEcdsaHash, verifyEcdsaHash } from './ecdsa-prehashed.ts';
import {
  pssSaltBytesMax,
  signPkcs1Hash,
  signPssHash,
  verifyPkcs1Hash,
  verifyPssHash,
} from './rsa-prehashed.ts';

const message = Buffer.from('what was hashed elsewhere');
const DIGESTS = [
  'sha1',
  'sha224',
  'sha256',
  'sha384',
  'sha512',
  'sha3-224',
  'sha3-256',
  'sha3-384',
  'sha3-512',
];

for (const namedCurve of ['P-256', 'P-384', 'P-521']) {
  test(`ECDSA over ${namedCurve} of a hash is what OpenSSL makes of the message, and the other way round`, () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
    const dsaEncoding = 'ieee-p1363';
    for (const digest of DIGESTS) {
      const hash = createHash(digest).update(message).digest();
      const ours = signEcdsaHash(privateKey, hash);
      assert.ok(verify(digest, message, { key: publicKey, dsaEncoding }, ours), digest);
      assert.ok(verifyEcdsaHash(publicKey, hash, ours), digest);
      const theirs = sign(digest, message, { key: privateKey, dsaEncoding });
      assert.ok(verifyEcdsaHash(publicKey, hash, theirs), digest);
      theirs[theirs.length - 1]! ^= 1;
      assert.equal(verifyEcdsaHash(publicKey, hash, theirs), false);
      assert.equal(verifyEcdsaHash(publicKey, Buffer.from(hash).fill(1), ours), false);
    }
    const size = namedCurve === 'P-256' ? 64 : namedCurve === 'P-384' ? 96 : 132;
    for (const bad of [Buffer.alloc(size), Buffer.alloc(size, 0xff), Buffer.alloc(size - 1), Buffer.alloc(0)])
      assert.equal(verifyEcdsaHash(publicKey, message, bad), false);
  });
}

for (const modulusLength of [1024, 1025, 2048]) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength });

  test(`PKCS #1 v1.5 of a hash by an RSA key of ${modulusLength} bits, both ways`, () => {
    for (const digest of DIGESTS) {
      const hash = createHash(digest).update(message).digest();
      assert.deepEqual(signPkcs1Hash(privateKey, digest, hash), sign(digest, message, privateKey));
      const signature = sign(digest, message, privateKey);
      assert.ok(verifyPkcs1Hash(publicKey, digest, { hash, signature }), digest);
      assert.equal(verifyPkcs1Hash(publicKey, undefined, { hash, signature }), false);
      signature[5]! ^= 1;
      assert.equal(verifyPkcs1Hash(publicKey, digest, { hash, signature }), false);
    }
    const bare = signPkcs1Hash(privateKey, undefined, message);
    assert.ok(verifyPkcs1Hash(publicKey, undefined, { hash: message, signature: bare }));
  });

  test(`PSS of a hash by an RSA key of ${modulusLength} bits, both ways`, () => {
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    for (const digest of DIGESTS.filter((name) => modulusLength > 1100 || !name.endsWith('512'))) {
      const hash = createHash(digest).update(message).digest();
      for (const saltBytes of [0, 1, hash.length, pssSaltBytesMax(privateKey, hash.length)]) {
        const ours = signPssHash(privateKey, digest, { hash, saltBytes, random: systemRandom });
        const options = { key: publicKey, padding, saltLength: saltBytes };
        assert.ok(verify(digest, message, options, ours), `${digest} ${saltBytes}`);
        const theirs = sign(digest, message, { key: privateKey, padding, saltLength: saltBytes });
        const check = { hash, saltBytes, signature: theirs };
        assert.ok(verifyPssHash(publicKey, digest, check));
        assert.ok(verifyPssHash(publicKey, digest, { ...check, saltBytes: undefined }));
        assert.equal(verifyPssHash(publicKey, digest, { ...check, saltBytes: saltBytes + 1 }), false);
        assert.equal(verifyPssHash(publicKey, digest, { ...check, hash: Buffer.alloc(hash.length) }), false);
        theirs[9]! ^= 1;
        assert.equal(verifyPssHash(publicKey, digest, check), false);
      }
    }
    const signature = Buffer.alloc(Math.ceil(modulusLength / 8), 0xff);
    for (const bad of [signature, Buffer.alloc(0), Buffer.alloc(signature.length)])
      assert.equal(
        verifyPssHash(publicKey, 'sha256', { hash: Buffer.alloc(32), saltBytes: undefined, signature: bad }),
        false,
      );
  });
}
