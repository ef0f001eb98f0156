import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { seededRandom } from '../base/random.ts';
import { developmentCertificates } from './self-signed.ts';

test('the certificate is the authority’s, for its names and its key', () => {
  const nowMs = 1_790_000_000_000;
  const names = ['localhost', '127.0.0.1', '::1', 'fe80::1:2'];
  const made = developmentCertificates({ names, random: seededRandom(1), nowMs });
  const authority = new X509Certificate(made.authority);
  const certificate = new X509Certificate(made.certificate);
  assert.ok(authority.ca);
  assert.ok(!certificate.ca);
  assert.ok(authority.verify(authority.publicKey));
  assert.ok(certificate.verify(authority.publicKey));
  assert.ok(certificate.checkIssued(authority));
  assert.ok(certificate.checkPrivateKey(createPrivateKey(made.key)));
  assert.equal(certificate.checkHost('localhost'), 'localhost');
  for (const address of names.slice(1)) assert.equal(certificate.checkIP(address), address);
  assert.equal(certificate.checkHost('example.com'), undefined);
  assert.ok(Date.parse(certificate.validFrom) <= nowMs && nowMs < Date.parse(certificate.validTo));
});
