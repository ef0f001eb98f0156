import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { hmacSha256 } from './hmac.ts';

/** RFC 4231 sections 4.2 to 4.8 (4.6 truncates the code). */
const RFC_4231: { key: Buffer; data: Buffer; code: string }[] = [
  {
    key: Buffer.alloc(20, 0x0b),
    data: Buffer.from('Hi There'),
    code: 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  },
  {
    key: Buffer.from('Jefe'),
    data: Buffer.from('what do ya want for nothing?'),
    code: '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  },
  {
    key: Buffer.alloc(20, 0xaa),
    data: Buffer.alloc(50, 0xdd),
    code: '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
  },
  {
    key: Buffer.from('0102030405060708090a0b0c0d0e0f10111213141516171819', 'hex'),
    data: Buffer.alloc(50, 0xcd),
    code: '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
  },
  {
    key: Buffer.alloc(20, 0x0c),
    data: Buffer.from('Test With Truncation'),
    code: 'a3b6167473100ee06e0c796c2955552b',
  },
  {
    key: Buffer.alloc(131, 0xaa),
    data: Buffer.from('Test Using Larger Than Block-Size Key - Hash Key First'),
    code: '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
  },
  {
    key: Buffer.alloc(131, 0xaa),
    data: Buffer.from(
      'This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.',
    ),
    code: '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
  },
];

test('RFC 4231 vectors', () => {
  for (const { key, data, code } of RFC_4231) {
    const hmac = hmacSha256(key);
    assert.equal(hmac.hex(data).slice(0, code.length), code);
    assert.equal(hmac.digest(data).toString('hex').slice(0, code.length), code);
  }
});

test('agrees with node:crypto for text and bytes of any length', () => {
  const message = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 3000 }),
    fc.uint8Array({ maxLength: 3000 }),
    fc.constantFrom('x'.repeat(682), 'x'.repeat(683), '€'.repeat(682), 'x'.repeat(5000), '\ud800'),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.array(message, { maxLength: 3 }), (key, messages) => {
      const hmac = hmacSha256(key);
      for (const text of messages) {
        assert.equal(hmac.hex(text), createHmac('sha256', key).update(text).digest('hex'));
        assert.deepEqual(hmac.digest(text), createHmac('sha256', key).update(text).digest());
      }
    }),
  );
});

test('an overwritten key is of no more use', () => {
  const hmac = hmacSha256(Buffer.from('key'));
  hmac.zero();
  assert.throws(() => hmac.hex('text'), /overwritten/);
});
