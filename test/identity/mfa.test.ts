/** Second factors of logins at a running node: one-time passwords truly, Duo, Okta and PingID by mocks of their public wire formats. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fromBase32 } from '../../src/base/base32.ts';
import { totpCode, totpCounter } from '../../src/crypto/totp.ts';
import type { CofferNode } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';

const SHA1 = { algorithm: 'SHA1', digits: 6, period: 30 } as const;

let node: CofferNode;
let keys: coffer.UnsealKeys;
let root: string;
let accessor: string;

const post = async (path: string, body: unknown, token = root) => {
  const answer = await node.request('POST', path, { token, body });
  assert.ok(answer.status < 300, `${path}: ${answer.text}`);
  return answer.status === 204 ? {} : answer.json();
};
const logIn = (name: string, headers = {}) =>
  node.request('POST', `auth/userpass/login/${name}`, { body: { password: 'first factor' }, headers });
const validate = (requestId: string, payload: unknown) =>
  node.request('POST', 'sys/mfa/validate', { body: { mfa_request_id: requestId, mfa_payload: payload } });
/** The code of a period that lies `offset` away from now. */
const codeOf = (url: string, offset = 0) => {
  const secret = fromBase32(new URL(url).searchParams.get('secret') ?? '')!;
  return totpCode(secret, totpCounter(SHA1, Date.now()) + offset, SHA1);
};

before(async () => {
  node = await coffer.start({ audit: true });
  keys = await node.initAndUnseal();
  root = keys.rootToken;
  await post('sys/auth/userpass', { type: 'userpass' });
  accessor = (await node.request('GET', 'sys/auth/userpass', { token: root })).json().data.accessor;
  await post('sys/policies/acl/enrol', {
    policy: 'path "identity/mfa/method/totp/generate" { capabilities = ["update"] }',
  });
  for (const name of ['ann', 'bob', 'eve', 'kim'])
    await post(`auth/userpass/users/${name}`, { password: 'first factor', token_policies: 'enrol' });
});
after(() => node?.stop());

describe('login MFA with one-time passwords', () => {
  let methodId: string;
  let url: string;
  let entityId: string;

  before(async () => {
    ({ method_id: methodId } = (
      await post('identity/mfa/method/totp', { issuer: 'Acme', method_name: 'phone' })
    ).data);
    const { auth } = (await logIn('ann')).json();
    entityId = auth.entity_id;
    const made = await post('identity/mfa/method/totp/generate', { method_id: methodId }, auth.client_token);
    ({ url } = made.data);
    assert.equal(Buffer.from(made.data.barcode, 'base64').subarray(1, 4).toString(), 'PNG');
    const again = await post('identity/mfa/method/totp/generate', { method_id: methodId }, auth.client_token);
    assert.match(again.warnings[0], /already has a secret/);
    await post('identity/mfa/login-enforcement/staff', {
      mfa_method_ids: [methodId],
      identity_entity_ids: [entityId],
    });
  });

  const held = async () => {
    const answer = await logIn('ann');
    assert.equal(answer.status, 200);
    const { auth, warnings } = answer.json();
    assert.equal(auth.client_token, '');
    assert.match(warnings[0], /subject to MFA validation/);
    assert.deepEqual(auth.mfa_requirement.mfa_constraints, {
      staff: { any: [{ type: 'totp', id: methodId, uses_passcode: true, name: 'phone' }] },
    });
    return auth.mfa_requirement.mfa_request_id as string;
  };

  test('a login is held back until its code is given, and each code is good once', async () => {
    const first = await held();
    const code = codeOf(url, -1);
    const done = await validate(first, { [methodId]: [code] });
    assert.equal(done.status, 200, done.text);
    const { auth } = done.json();
    assert.deepEqual(
      [auth.entity_id, auth.mfa_requirement, auth.metadata],
      [entityId, null, { username: 'ann' }],
    );
    const self = await node.request('GET', 'auth/token/lookup-self', { token: auth.client_token });
    assert.equal(self.json().data.path, 'auth/userpass/login/ann');
    assert.equal((await validate(first, { [methodId]: [codeOf(url)] })).status, 403);
    const second = await held();
    assert.equal((await validate(second, { [methodId]: [code] })).status, 403);
    const together = await Promise.all(
      Array.from({ length: 8 }, () => validate(second, { phone: [`passcode=${codeOf(url)}`] })),
    );
    assert.equal(together.filter(({ status }) => status === 200).length, 1);
  });

  test('one request is enough with X-Vault-MFA', async () => {
    const good = await logIn('ann', { 'X-Vault-MFA': `phone:${codeOf(url, 1)}` });
    assert.equal(good.status, 200, good.text);
    assert.match(good.json().auth.client_token, /^hvs\./);
    for (const header of ['phone:000000', 'other:123456', methodId]) {
      const bad = await logIn('ann', { 'X-Vault-MFA': header });
      assert.equal(bad.status, 403, header);
      assert.match(bad.json().errors[0], /failed to satisfy enforcement staff/);
    }
    assert.equal((await logIn('ann', { 'X-Vault-MFA': ':1' })).status, 400);
  });

  test('a held login survives a crash; wrong ids and payloads are refused', async () => {
    const id = await held();
    await node.kill9();
    await node.restart();
    await node.unseal(keys);
    assert.equal((await validate('made-up', { [methodId]: ['1'] })).status, 403);
    assert.equal((await validate(id, { [methodId]: [7] })).status, 400);
    assert.equal((await validate(id, undefined)).status, 400);
    const wrong = await validate(id, { [methodId]: ['12345'] });
    assert.match(wrong.json().errors[0], /failed to validate TOTP passcode/);
  });

  test('too many wrong codes shut the right one out as well', async () => {
    const answers = [];
    for (let i = 0; i < 6; i++) answers.push(await validate(await held(), { phone: ['999999'] }));
    assert.match(answers.at(-1)!.json().errors[0], /maximum TOTP validation attempts exceeded/);
    const id = await held();
    assert.match((await validate(id, { phone: [codeOf(url)] })).json().errors[0], /maximum TOTP validation/);
  });

  test('who is enforced by mount enrols at the first login, once, and others are not asked', async () => {
    assert.match((await logIn('bob')).json().auth.client_token, /^hvs\./);
    const { method_id: selfId } = (
      await post('identity/mfa/method/totp', { issuer: 'Acme', enable_self_enrollment: true })
    ).data;
    await post('identity/mfa/login-enforcement/everybody', {
      mfa_method_ids: [selfId],
      auth_method_accessors: [accessor],
    });
    const requirement = (await logIn('bob')).json().auth.mfa_requirement;
    const [factor] = requirement.mfa_constraints.everybody.any;
    assert.equal(factor.self_enrollment_enabled, true);
    const enrol = () =>
      node.request('POST', 'identity/mfa/method/totp/self-enroll', {
        body: { mfa_method_id: selfId, mfa_request_id: requirement.mfa_request_id },
      });
    const lost = (await enrol()).json().data;
    const made = (await enrol()).json().data;
    assert.notEqual(lost.url, made.url);
    assert.equal((await validate(requirement.mfa_request_id, { [selfId]: [codeOf(made.url)] })).status, 200);
    const next = (await logIn('bob')).json().auth.mfa_requirement;
    assert.equal(next.mfa_constraints.everybody.any[0].self_enrollment_enabled, undefined);
    const thief = await node.request('POST', 'identity/mfa/method/totp/self-enroll', {
      body: { mfa_method_id: selfId, mfa_request_id: next.mfa_request_id },
    });
    assert.equal(thief.status, 400);
    const notAsked = await node.request('POST', 'identity/mfa/method/totp/self-enroll', {
      body: { mfa_method_id: methodId, mfa_request_id: next.mfa_request_id },
    });
    assert.equal(notAsked.status, 403);
    await node.request('DELETE', 'identity/mfa/login-enforcement/everybody', { token: root });
    assert.match((await logIn('eve')).json().auth.client_token, /^hvs\./);
  });

  test('operators make and destroy keys; methods in use stay', async () => {
    const destroyed = await post('identity/mfa/method/totp/admin-destroy', {
      method_id: methodId,
      entity_id: entityId,
    });
    assert.deepEqual(destroyed, {});
    const id = await held();
    assert.match((await validate(id, { phone: ['123456'] })).json().errors[0], /not present in entity/);
    const made = await post('identity/mfa/method/totp/admin-generate', {
      method_id: methodId,
      entity_id: entityId,
    });
    assert.equal((await validate(id, { phone: [codeOf(made.data.url)] })).status, 200);
    const refused = await node.request('DELETE', `identity/mfa/method/totp/${methodId}`, { token: root });
    assert.equal(refused.status, 400);
    for (const [path, body] of [
      ['identity/mfa/method/totp', { issuer: '' }],
      ['identity/mfa/method/totp', { issuer: 'x', digits: 7 }],
      ['identity/mfa/method/totp', { issuer: 'x', method_name: 'phone' }],
      ['identity/mfa/method/totp/none', { issuer: 'x' }],
      ['identity/mfa/login-enforcement/x', { mfa_method_ids: [methodId] }],
      ['identity/mfa/login-enforcement/x', { mfa_method_ids: ['none'], auth_method_types: ['userpass'] }],
      [
        'identity/mfa/method/duo',
        { secret_key: 's', integration_key: 'i', api_hostname: 'evil.example/path' },
      ],
      ['identity/mfa/method/pingid', { settings_file_base64: 'AAAA' }],
    ] as const) {
      const answer = await node.request('POST', path, { token: root, body });
      assert.equal(answer.status, 400, `${path} ${JSON.stringify(body)}: ${answer.text}`);
    }
  });

  test('what is configured is read back without its secrets, and the audit log has none', async () => {
    const secrets = { secret_key: 'duo-canary-secret', api_token: 'okta-canary-token' };
    const duo = await post('identity/mfa/method/duo', {
      secret_key: secrets.secret_key,
      integration_key: 'DI',
      api_hostname: 'api-1.duosecurity.com',
    });
    const okta = await post('identity/mfa/method/okta', { org_name: 'dev-1', api_token: secrets.api_token });
    for (const { data } of [duo, okta]) {
      const read = await node.request('GET', `identity/mfa/method/${data.method_id}`, { token: root });
      for (const secret of Object.values(secrets)) assert.ok(!read.text.includes(secret));
    }
    const listed = (await node.request('LIST', 'identity/mfa/method', { token: root })).json().data;
    assert.ok(listed.keys.length >= 4);
    const log = readFileSync(node.auditFile, 'utf8');
    const key = new URL(url).searchParams.get('secret')!;
    for (const secret of [...Object.values(secrets), key]) assert.ok(!log.includes(secret));
  });
});
