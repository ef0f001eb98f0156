import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  ENVELOPE_OVERHEAD_BYTES,
  envelopeTerm,
  isSameEnvelope,
  openEnvelope,
  sealEnvelope,
} from './envelope.ts';

const key = Buffer.alloc(32, 1);
const nonce = Buffer.alloc(12, 2);
const seal = (plaintext: Uint8Array, name = 'a/b', term = 7) =>
  sealEnvelope({ key, term, nonce, name, plaintext });

describe('envelope', () => {
  it('has the layout that stored data relies on', () => {
    // Computed with another implementation of AES-256-GCM; the additional data is header and name.
    const envelope = seal(Buffer.from('secret'));
    assert.equal(envelope.subarray(0, 17).toString('hex'), '0100000007020202020202020202020202');
    assert.equal(envelope.length, 6 + ENVELOPE_OVERHEAD_BYTES);
    assert.equal(envelope.subarray(17).toString('hex'), '74b3aa3b2f231ebc1c436663e1d84667367c5acf01db');
    assert.equal(envelopeTerm(envelope), 7);
  });

  it('gives back what it took, for that name and key only', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.string({ minLength: 1 }), (plaintext, name) => {
        const envelope = seal(plaintext, name.toWellFormed());
        assert.deepEqual(openEnvelope(key, name.toWellFormed(), envelope), Buffer.from(plaintext));
        assert.equal(openEnvelope(key, `${name.toWellFormed()}x`, envelope), undefined);
        assert.equal(openEnvelope(Buffer.alloc(32, 3), name.toWellFormed(), envelope), undefined);
      }),
    );
  });

  it('is damaged by any changed bit and any missing byte', () => {
    const envelope = seal(Buffer.from('secret'));
    for (let bit = 0; bit < envelope.length * 8; bit++) {
      const changed = Buffer.from(envelope);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(openEnvelope(key, 'a/b', changed), undefined, `bit ${bit}`);
    }
    for (let length = 0; length < envelope.length; length++) {
      assert.equal(openEnvelope(key, 'a/b', envelope.subarray(0, length)), undefined);
    }
    assert.equal(
      envelopeTerm(Buffer.from('{"plain":"json that is long enough to be an envelope"}')),
      undefined,
    );
  });

  it('is told apart from others by nonce and tag', () => {
    const envelope = seal(Buffer.from('secret'));
    assert.ok(isSameEnvelope(Buffer.from(envelope), envelope));
    assert.ok(!isSameEnvelope(envelope, seal(Buffer.from('secreT'))));
    assert.ok(!isSameEnvelope(envelope, seal(Buffer.from('secret'), 'a/c')));
    assert.ok(!isSameEnvelope(envelope, envelope.subarray(0, 20)));
  });
});
