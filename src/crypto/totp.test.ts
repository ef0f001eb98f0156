import assert from 'node:assert/strict';
import { test } from 'node:test';
import { otpauthUrl, totpCode, totpCounter } from './totp.ts';

/** RFC 6238, appendix B: seconds, and the code by SHA-1, SHA-256 and SHA-512. */
const VECTORS = [
  [59, '94287082', '46119246', '90693936'],
  [1111111109, '07081804', '68084774', '25091201'],
  [1111111111, '14050471', '67062674', '99943326'],
  [1234567890, '89005924', '91819424', '93441116'],
  [2000000000, '69279037', '90698825', '38618901'],
  [20000000000, '65353130', '77737706', '47863826'],
] as const;

test('the vectors of RFC 6238', () => {
  const seed = (length: number) => Buffer.from('1234567890'.repeat(7).slice(0, length));
  for (const [seconds, ...codes] of VECTORS) {
    const counter = totpCounter({ period: 30 }, seconds * 1000);
    assert.deepEqual(
      [
        totpCode(seed(20), counter, { algorithm: 'SHA1', digits: 8 }),
        totpCode(seed(32), counter, { algorithm: 'SHA256', digits: 8 }),
        totpCode(seed(64), counter, { algorithm: 'SHA512', digits: 8 }),
      ],
      codes,
    );
  }
});

test('the vectors of RFC 4226', () => {
  const codes = [
    '755224',
    '287082',
    '359152',
    '969429',
    '338314',
    '254676',
    '287922',
    '162583',
    '399871',
    '520489',
  ];
  const key = Buffer.from('12345678901234567890');
  codes.forEach((code, counter) => {
    assert.equal(totpCode(key, counter, { algorithm: 'SHA1', digits: 6 }), code);
  });
});

test('the URL that authenticators read', () => {
  const url = otpauthUrl(
    { algorithm: 'SHA1', digits: 6, period: 30 },
    { issuer: 'A & B', account: 'ann@x', secret: 'MZXW6' },
  );
  assert.equal(
    url,
    'otpauth://totp/A%20%26%20B:ann%40x?algorithm=SHA1&digits=6&issuer=A%20%26%20B&period=30&secret=MZXW6',
  );
});
