import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { InvalidCredentials, InvalidRequest, NotFound, PermissionDenied } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { hashPassword } from '../../crypto/password-hash.ts';
import { engineConformance } from '../../engine/conformance.ts';
import type { IdentityClaim } from '../../engine/login.ts';
import { missingOperations } from '../../engine/public-operations.ts';
import { type Harness, openEngine } from '../../engine/testing.ts';
import { userpass } from './engine.ts';

async function opened(user: UnknownRecord = {}): Promise<Harness> {
  const harness = openEngine(userpass);
  await harness.write('users/ann', { password: 'correct', token_policies: 'team', ...user });
  return harness;
}

async function logIn(
  harness: Harness,
  password: string,
  { username = 'ann', remoteAddress = '127.0.0.1' } = {},
): Promise<IdentityClaim> {
  const reply = await harness.request('update', `login/${username}`, { password }, { remoteAddress });
  assert.ok(reply?.login);
  return reply.login;
}

const refused = { name: InvalidCredentials.name, message: 'invalid username or password' };

// Hashes of the lowest cost, so that hundreds of hostile requests take no time.
const passwordHash = await hashPassword('correct', 4);
engineConformance('userpass', {
  type: userpass,
  outside: true,
  samples: [
    { path: 'users/ann', data: { password_hash: passwordHash, token_policies: 'team' } },
    { path: 'users/ben', data: { password_hash: passwordHash, policies: 'team', ttl: 60 } },
    { path: 'users/ann/password', data: { password_hash: passwordHash } },
    { path: 'users/ann/policies', data: { token_policies: ['team'] } },
    { path: 'login/ann', data: { password: 'correct' } },
  ],
});

test('serves every public operation with its fields', () => {
  const table = readFileSync(new URL('operations.tsv', import.meta.url), 'utf8');
  const missing = missingOperations(openEngine(userpass).engine.paths, {
    table,
    mountPath: 'auth/userpass/',
  });
  assert.deepEqual(missing, []);
});

test('a password logs in', async () => {
  const claim = await logIn(await opened({ token_ttl: '1h' }), 'correct');
  assert.equal(claim.aliasName, 'ann');
  assert.equal(claim.displayName, 'ann');
  assert.deepEqual(claim.metadata, { username: 'ann' });
  assert.deepEqual(claim.token.policies, ['team']);
  assert.equal(claim.token.ttl, 3600);
});

test('wrong passwords and unknown users are refused with one text', async () => {
  const harness = await opened();
  await assert.rejects(logIn(harness, 'wrong'), refused);
  await assert.rejects(logIn(harness, 'correct '), refused);
  await assert.rejects(logIn(harness, 'x'.repeat(100)), refused);
  await assert.rejects(logIn(harness, 'correct', { username: 'nobody' }), refused);
  await assert.rejects(logIn(harness, ''), { name: InvalidRequest.name, message: 'missing password' });
});

test('a user is one whatever the case, and has no other spelling', async () => {
  const harness = await opened();
  assert.equal((await logIn(harness, 'correct', { username: 'ANN' })).aliasName, 'ann');
  await harness.write('users/Ann', { token_ttl: 60 });
  assert.deepEqual(await harness.list('users/'), ['ann']);
  const login = harness.engine.paths.find(({ pattern }) => pattern === 'login/{username}');
  assert.equal(login?.public, true);
  for (const odd of [' ann', 'ann ', '.ann', 'ann.', '-ann', 'ａnn', 'ann\u200b', 'a nn', 'ann/']) {
    await assert.rejects(logIn(harness, 'correct', { username: odd }), JSON.stringify(odd));
  }
});

test('neither password nor hash comes back or lies in the store in clear', async () => {
  const harness = await opened({ password: 'canary-password' });
  assert.deepEqual((await harness.read('users/ann'))?.data, {
    token_bound_cidrs: [],
    token_explicit_max_ttl: 0,
    token_max_ttl: 0,
    token_no_default_policy: false,
    token_num_uses: 0,
    token_period: 0,
    token_policies: ['team'],
    token_strictly_bind_ip: false,
    token_ttl: 0,
    token_type: 'default',
  });
  for (const [, value] of harness.records.entries()) assert.ok(!value.includes('canary-password'));
});

test('a user needs a password or its hash, not both', async () => {
  const harness = openEngine(userpass);
  const passwordHash = await hashPassword('hashed', 4);
  const missing = { name: InvalidRequest.name, message: 'missing password' };
  await assert.rejects(harness.write('users/bob', { token_ttl: 1 }), missing);
  await assert.rejects(harness.write('users/bob', { password: '' }), missing);
  for (const data of [
    { password: 'x', password_hash: passwordHash },
    { password_hash: 'x' },
    { password: 'x'.repeat(73) },
  ]) {
    await assert.rejects(harness.write('users/bob', data), InvalidRequest);
  }
  assert.deepEqual(await harness.list('users'), []);
  await harness.write('users/bob', { password_hash: passwordHash });
  await logIn(harness, 'hashed', { username: 'bob' });
  await assert.rejects(logIn(harness, passwordHash, { username: 'bob' }), refused);
});

test('the password and the policies can be set alone', async () => {
  const harness = await opened();
  await harness.write('users/ann/password', { password: 'other' });
  await assert.rejects(logIn(harness, 'correct'), refused);
  await harness.write('users/ann/policies', { policies: 'x,y' });
  assert.deepEqual((await logIn(harness, 'other')).token.policies, ['x', 'y']);
  await harness.write('users/ann/policies', { token_policies: [] });
  assert.deepEqual((await logIn(harness, 'other')).token.policies, []);
  await assert.rejects(harness.write('users/ann/policies'), InvalidRequest);
  await assert.rejects(harness.write('users/ann/password'), InvalidRequest);
  await assert.rejects(harness.write('users/none/password', { password: 'x' }), NotFound);
  await assert.rejects(harness.write('users/none/policies', { policies: 'x' }), NotFound);
});

test('deprecated fields set their successors and stay visible', async () => {
  const harness = await opened({
    token_policies: null,
    policies: 'a',
    ttl: '1m',
    max_ttl: '2m',
    bound_cidrs: '::1',
  });
  const shown = (await harness.read('users/ann'))?.data;
  assert.deepEqual([shown?.policies, shown?.token_policies], [['a'], ['a']]);
  assert.deepEqual([shown?.ttl, shown?.token_ttl, shown?.max_ttl, shown?.token_max_ttl], [60, 60, 120, 120]);
  assert.deepEqual([shown?.bound_cidrs, shown?.token_bound_cidrs], [['::1'], ['::1']]);
  await harness.write('users/ann', { token_ttl: 30 });
  const now = (await harness.read('users/ann'))?.data;
  assert.equal(now && 'ttl' in now, false);
  assert.equal(now?.max_ttl, 120);
});

test('logins come from allowed addresses only', async () => {
  const harness = await opened({ token_bound_cidrs: '10.0.0.0/8' });
  await logIn(harness, 'correct', { remoteAddress: '10.1.1.1' });
  await assert.rejects(logIn(harness, 'correct'), PermissionDenied);
  await assert.rejects(logIn(harness, 'wrong'), refused);
});

test('a login that is under way does not survive a new password or the end of its user', async () => {
  const harness = await opened();
  const other = await hashPassword('other', 4);
  const first = logIn(harness, 'correct');
  await harness.write('users/ann/password', { password_hash: other });
  await assert.rejects(first, refused);
  const second = logIn(harness, 'other');
  await harness.delete('users/ann');
  await assert.rejects(second, refused);
});

test('a password that is being set does not bring a deleted user back', async () => {
  const harness = await opened();
  const set = harness.write('users/ann/password', { password: 'other' });
  await harness.delete('users/ann');
  await assert.rejects(set, NotFound);
  assert.deepEqual(await harness.list('users'), []);
});

test('renewal checks the user and its policies', async () => {
  const harness = await opened();
  const { aliasName, internal = {}, metadata, token } = await logIn(harness, 'correct');
  const renewal = { aliasName, internal, metadata, policies: token.policies };
  await harness.write('users/ann', { token_max_ttl: '2h' });
  assert.equal((await harness.renewLogin(renewal))?.maxTtl, 7200);
  await harness.write('users/ann/policies', { policies: 'other' });
  await assert.rejects(harness.renewLogin(renewal), /policies have changed, not renewing/);
  await harness.write('users/ann/policies', { policies: 'team' });
  await harness.delete('users/ann');
  await assert.rejects(harness.renewLogin(renewal), /does not exist during renewal/);
  await harness.write('users/ann', { password: 'correct', policies: 'team' });
  await assert.rejects(harness.renewLogin(renewal), /does not exist during renewal/);
});
