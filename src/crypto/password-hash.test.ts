import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { test } from 'node:test';
import { InvalidRequest } from '../base/errors.ts';
import { checkPasswordHash, hashPassword, verifyNobody, verifyPassword } from './password-hash.ts';

/** Made by other implementations: OpenBSD's test vectors, golang.org/x/crypto and htpasswd. */
const FOREIGN: [password: string, passwordHash: string][] = [
  ['U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['allmine', '$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga'],
];

test('a hash verifies its password only', async () => {
  const passwordHash = await hashPassword('correct horse', 4);
  assert.match(passwordHash, /^\$2a\$04\$/);
  assert.equal(await verifyPassword('correct horse', passwordHash), true);
  assert.equal(await verifyPassword('correct hors', passwordHash), false);
  assert.equal(await verifyPassword('', passwordHash), false);
});

test('hashes of other implementations verify', async () => {
  for (const [password, passwordHash] of FOREIGN) {
    checkPasswordHash(passwordHash);
    assert.equal(await verifyPassword(password, passwordHash), true, passwordHash);
    assert.equal(await verifyPassword(password, passwordHash.replace('$2a$', '$2y$')), true);
    assert.equal(await verifyPassword(`${password}x`, passwordHash), false);
  }
});

test('nothing is cut: over 72 bytes is refused when set and wrong when given', async () => {
  const longest = 'ü'.repeat(36);
  const passwordHash = await hashPassword(longest, 4);
  assert.equal(await verifyPassword(longest, passwordHash), true);
  assert.equal(await verifyPassword(`${longest}x`, passwordHash), false);
  assert.throws(() => hashPassword(`${longest}x`), InvalidRequest);
});

test('malformed and too costly hashes are refused, and verify as wrong', async () => {
  for (const bad of [
    '',
    'secret',
    '$2a$10$short',
    '$1$abc$def',
    '$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
  ]) {
    assert.throws(() => checkPasswordHash(bad), InvalidRequest, bad);
  }
  assert.equal(await verifyPassword('secret', 'secret'), false);
});

test('an unknown user never verifies', async () => {
  assert.equal(await verifyNobody('nobody'), false);
});

test('the event loop goes on while many passwords are hashed', async () => {
  await hashPassword('warm', 4);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  await Promise.all(Array.from({ length: 6 }, () => hashPassword('password')));
  delay.disable();
  // The median, because other processes share this machine's processors.
  assert.ok(delay.percentile(50) / 1e6 < 20, `median delay ${delay.percentile(50) / 1e6} ms`);
});
