import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { InvalidCredentials, InvalidRequest, NotFound, PermissionDenied } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { engineConformance } from '../../engine/conformance.ts';
import type { IdentityClaim } from '../../engine/login.ts';
import { missingOperations } from '../../engine/public-operations.ts';
import { type Harness, openEngine } from '../../engine/testing.ts';
import { approle } from './engine.ts';

const HOUR_MS = 3_600_000;

async function opened(role: UnknownRecord = {}): Promise<Harness> {
  const harness = openEngine(approle);
  await harness.write('role/web', { role_id: 'web-id', token_policies: 'web', ...role });
  return harness;
}

async function pulled(harness: Harness, data: UnknownRecord = {}, roleName = 'web') {
  const reply = await harness.write(`role/${roleName}/secret-id`, data);
  return reply?.data as {
    secret_id: string;
    secret_id_accessor: string;
    secret_id_ttl: number;
    secret_id_num_uses: number;
  };
}

async function logIn(
  harness: Harness,
  secretId: string | undefined,
  { roleId = 'web-id', remoteAddress = '127.0.0.1' } = {},
): Promise<IdentityClaim> {
  const data = secretId === undefined ? { role_id: roleId } : { role_id: roleId, secret_id: secretId };
  const reply = await harness.request('update', 'login', data, { remoteAddress });
  assert.ok(reply?.login);
  return reply.login;
}

const refused = { name: InvalidCredentials.name, message: 'invalid role or secret ID' };

function keysUnder(harness: Harness, ...prefixes: string[]): string[] {
  return harness.records.sorted().filter((key) => prefixes.some((prefix) => key.startsWith(prefix)));
}

engineConformance('approle', {
  type: approle,
  samples: [
    { path: 'role/web', data: { role_id: 'web-id', token_policies: 'web', secret_id_ttl: 3600 } },
    { path: 'role/other', data: { bind_secret_id: false, secret_id_bound_cidrs: '127.0.0.0/8' } },
    { path: 'role/web/token-ttl', data: { token_ttl: 60 } },
    { path: 'role/web/role-id', data: { role_id: 'web-id' } },
    { path: 'role/web/custom-secret-id', data: { secret_id: 'a very secret id', metadata: '{"a":"b"}' } },
    { path: 'role/web/secret-id', data: { num_uses: 3 } },
    { path: 'role/web/secret-id/lookup', data: { secret_id: 'a very secret id' } },
    { path: 'login', data: { role_id: 'web-id', secret_id: 'a very secret id' } },
    { path: 'tidy/secret-id' },
  ],
});

test('serves every public operation with its fields', () => {
  const table = readFileSync(new URL('operations.tsv', import.meta.url), 'utf8');
  const missing = missingOperations(openEngine(approle).engine.paths, { table, mountPath: 'auth/approle/' });
  assert.deepEqual(missing, []);
});

test('a role-id and a secret-id log in', async () => {
  const harness = await opened({ token_ttl: '10m', token_bound_cidrs: '127.0.0.0/8' });
  const secret = await pulled(harness, { metadata: '{"tag": "blue", "role_name": "admin"}' });
  assert.equal(secret.secret_id_ttl, 0);
  assert.equal(secret.secret_id_num_uses, 0);
  const claim = await logIn(harness, secret.secret_id);
  assert.equal(claim.aliasName, 'web-id');
  assert.deepEqual({ ...claim.metadata }, { tag: 'blue', role_name: 'web' });
  assert.equal(claim.token.ttl, 600);
  assert.deepEqual(claim.token.policies, ['web']);
  assert.deepEqual(claim.token.boundCidrs, ['127.0.0.0/8']);
});

test('every wrong credential is refused with one text', async () => {
  const harness = await opened();
  await harness.write('role/other', { role_id: 'other-id' });
  const secret = await pulled(harness);
  await assert.rejects(logIn(harness, 'wrong'), refused);
  await assert.rejects(logIn(harness, undefined), refused);
  await assert.rejects(logIn(harness, ` ${secret.secret_id}`), refused);
  await assert.rejects(logIn(harness, secret.secret_id.toUpperCase()), refused);
  await assert.rejects(logIn(harness, secret.secret_id, { roleId: 'unknown' }), refused);
  await assert.rejects(logIn(harness, secret.secret_id, { roleId: 'WEB-ID' }), refused);
  await assert.rejects(logIn(harness, secret.secret_id, { roleId: 'other-id' }), refused);
  await assert.rejects(logIn(openEngine(approle), secret.secret_id), refused);
});

test('neither secret-ids nor role-ids lie in the store in clear', async () => {
  const harness = await opened({ role_id: 'plain-role-id' });
  const { secret_id } = await pulled(harness);
  await harness.write('role/web/custom-secret-id', { secret_id: 'plain-secret-id' });
  for (const [key, value] of harness.records.entries()) {
    for (const secret of [secret_id, 'plain-secret-id']) {
      assert.ok(!key.includes(secret) && !value.includes(secret), key);
    }
    assert.ok(!key.includes('plain-role-id'), key);
  }
});

test('a secret-id is good for its number of logins only, and a failed login costs none', async () => {
  const harness = await opened({ secret_id_num_uses: 2 });
  const secret = await pulled(harness);
  assert.equal(secret.secret_id_num_uses, 2);
  await assert.rejects(logIn(harness, secret.secret_id, { roleId: 'wrong' }), refused);
  await logIn(harness, secret.secret_id);
  const shown = await harness.write('role/web/secret-id/lookup', { secret_id: secret.secret_id });
  assert.equal(shown?.data?.secret_id_num_uses, 1);
  await logIn(harness, secret.secret_id);
  await assert.rejects(logIn(harness, secret.secret_id), refused);
  assert.deepEqual(keysUnder(harness, 'secret/', 'accessor/', 'expiry/'), []);
});

test('one-time means once when many try at the same time', async () => {
  const harness = await opened();
  const { secret_id } = await pulled(harness, { num_uses: 1 });
  const tries = await Promise.allSettled(Array.from({ length: 20 }, () => logIn(harness, secret_id)));
  assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 1);
});

test('expiry counts at use, not at clean-up', async () => {
  const harness = await opened({ secret_id_ttl: '1h' });
  const { secret_id, secret_id_accessor, secret_id_ttl } = await pulled(harness);
  assert.equal(secret_id_ttl, 3600);
  harness.clock.advance(HOUR_MS - 1);
  await logIn(harness, secret_id);
  harness.clock.advance(1);
  await assert.rejects(logIn(harness, secret_id), refused);
  assert.equal(await harness.write('role/web/secret-id/lookup', { secret_id }), undefined);
  await assert.rejects(harness.write('role/web/secret-id-accessor/lookup', { secret_id_accessor }), NotFound);
  await harness.runPeriodic();
  assert.deepEqual(keysUnder(harness, 'secret/', 'accessor/', 'expiry/'), []);
});

test('clean-up takes all that expired, in slices, and nothing else', async () => {
  const harness = await opened();
  for (let i = 0; i < 1200; i++) await pulled(harness, { ttl: 60 + (i % 7) });
  const kept = await pulled(harness, { ttl: '2h' });
  const forever = await pulled(harness);
  harness.clock.advance(HOUR_MS);
  const reply = await harness.write('tidy/secret-id');
  assert.equal(reply?.status, 202);
  assert.match(reply?.warnings?.[0] ?? '', /^Tidy operation successfully started\./);
  assert.equal(keysUnder(harness, 'secret/').length, 702);
  await harness.runPeriodic();
  assert.equal(keysUnder(harness, 'secret/').length, 2);
  await logIn(harness, kept.secret_id);
  await logIn(harness, forever.secret_id);
  assert.equal((await harness.list('role/web/secret-id')).length, 2);
});

test('a secret-id cannot allow more than its role', async () => {
  const harness = await opened({
    secret_id_num_uses: 5,
    secret_id_ttl: 600,
    secret_id_bound_cidrs: '10.0.0.0/8',
    token_bound_cidrs: '10.1.0.0/16',
  });
  for (const data of [
    { num_uses: 6 },
    { num_uses: 0 },
    { num_uses: -1 },
    { ttl: 601 },
    { ttl: 0 },
    { ttl: '-1s' },
    { cidr_list: '0.0.0.0/0' },
    { cidr_list: ['10.0.0.0/8', '192.168.0.0/16'] },
    { cidr_list: 'nonsense' },
    { token_bound_cidrs: '10.0.0.0/8' },
    { metadata: '{"a": {}}' },
    { metadata: '[1]' },
    { metadata: '{' },
  ]) {
    await assert.rejects(pulled(harness, data), InvalidRequest, JSON.stringify(data));
  }
  const secret = await pulled(harness, {
    num_uses: 4,
    ttl: '5m',
    cidr_list: ['10.1.2.0/24'],
    token_bound_cidrs: '10.1.2.3',
  });
  assert.deepEqual([secret.secret_id_num_uses, secret.secret_id_ttl], [4, 300]);
});

test('logins come from allowed addresses only, and a refused one costs no use', async () => {
  const harness = await opened({ secret_id_bound_cidrs: ['10.0.0.0/8'] });
  const { secret_id } = await pulled(harness, { num_uses: 1, cidr_list: '10.1.0.0/16' });
  await assert.rejects(logIn(harness, secret_id, { remoteAddress: '192.168.0.1' }), {
    name: InvalidRequest.name,
    message: 'source address "192.168.0.1" unauthorized through CIDR restrictions on the role',
  });
  await assert.rejects(logIn(harness, secret_id, { remoteAddress: '10.2.0.1' }), {
    name: InvalidRequest.name,
    message: 'source address "10.2.0.1" unauthorized through CIDR restrictions on the secret ID',
  });
  await assert.rejects(logIn(harness, 'wrong', { remoteAddress: '192.168.0.1' }), refused);
  await logIn(harness, secret_id, { remoteAddress: '::ffff:10.1.0.1' });
});

test('tokens may be bound more narrowly by the secret-id, also after renewal', async () => {
  const harness = await opened({ token_bound_cidrs: '10.0.0.0/8' });
  const { secret_id } = await pulled(harness, { token_bound_cidrs: '10.1.0.0/16' });
  await assert.rejects(logIn(harness, secret_id, { remoteAddress: '10.2.0.1' }), PermissionDenied);
  const claim = await logIn(harness, secret_id, { remoteAddress: '10.1.0.1' });
  assert.deepEqual(claim.token.boundCidrs, ['10.1.0.0/16']);
  const renewed = await harness.renewLogin(renewalOf(claim));
  assert.deepEqual(renewed?.boundCidrs, ['10.1.0.0/16']);
  await harness.write('role/web/token-bound-cidrs', { token_bound_cidrs: '10.2.0.0/16' });
  await assert.rejects(logIn(harness, secret_id, { remoteAddress: '10.1.0.1' }), InvalidRequest);
});

function renewalOf(claim: IdentityClaim) {
  const { aliasName, internal = {}, metadata, token } = claim;
  return { aliasName, internal, metadata, policies: token.policies };
}

test('renewal checks that the role is still there and takes what it says now', async () => {
  const harness = await opened();
  const claim = await logIn(harness, (await pulled(harness)).secret_id);
  await harness.write('role/web', { token_ttl: '5m' });
  assert.equal((await harness.renewLogin(renewalOf(claim)))?.ttl, 300);
  await harness.delete('role/web');
  const gone = { name: InvalidRequest.name, message: 'role "web" does not exist during renewal' };
  await assert.rejects(harness.renewLogin(renewalOf(claim)), gone);
  await harness.write('role/web', { role_id: 'web-id' });
  await assert.rejects(harness.renewLogin(renewalOf(claim)), gone);
});

test('a role that needs no secret-id needs another constraint', async () => {
  const harness = openEngine(approle);
  const unconstrained = { name: InvalidRequest.name, message: /at least one constraint/ };
  await assert.rejects(harness.write('role/open', { bind_secret_id: false }), unconstrained);
  await harness.write('role/open', {
    role_id: 'open-id',
    bind_secret_id: false,
    secret_id_bound_cidrs: '10.0.0.0/8',
  });
  await assert.rejects(harness.delete('role/open/secret-id-bound-cidrs'), unconstrained);
  await logIn(harness, undefined, { roleId: 'open-id', remoteAddress: '10.0.0.1' });
  await assert.rejects(logIn(harness, undefined, { roleId: 'open-id' }), InvalidRequest);
  await assert.rejects(pulled(harness, {}, 'open'), InvalidRequest);
});

test('secret-ids and accessors are only good with their own role', async () => {
  const harness = await opened();
  await harness.write('role/other');
  const { secret_id, secret_id_accessor } = await pulled(harness);
  assert.equal(await harness.write('role/other/secret-id/lookup', { secret_id }), undefined);
  await harness.write('role/other/secret-id/destroy', { secret_id });
  for (const action of ['lookup', 'destroy']) {
    for (const accessor of [secret_id_accessor, `../web/${secret_id_accessor}`, '', 'x']) {
      const data = { secret_id_accessor: accessor };
      await assert.rejects(harness.write(`role/other/secret-id-accessor/${action}`, data));
    }
  }
  await logIn(harness, secret_id);
});

test('secret-ids end by id and by accessor, with POST and DELETE', async () => {
  const harness = await opened();
  for (const method of ['write', 'delete'] as const) {
    const first = await pulled(harness);
    const second = await pulled(harness);
    assert.equal((await harness.list('role/web/secret-id/')).length, 2);
    await harness[method]('role/web/secret-id/destroy', { secret_id: first.secret_id });
    await harness[method]('role/web/secret-id-accessor/destroy', {
      secret_id_accessor: second.secret_id_accessor,
    });
    await assert.rejects(logIn(harness, first.secret_id), refused);
    await assert.rejects(logIn(harness, second.secret_id), refused);
  }
  await assert.rejects(harness.delete('role/web/secret-id/destroy'), InvalidRequest);
  await assert.rejects(harness.delete('role/web/secret-id-accessor/destroy'), InvalidRequest);
  assert.deepEqual(keysUnder(harness, 'secret/', 'accessor/', 'expiry/'), []);
});

test('a custom secret-id is registered once, and again when it has expired', async () => {
  const harness = await opened();
  const custom = (data: UnknownRecord) => harness.write('role/web/custom-secret-id', data);
  const reply = await custom({ secret_id: 'my/own secret', ttl: 60, metadata: 'a=b,c=d' });
  assert.equal(reply?.data?.secret_id, 'my/own secret');
  await assert.rejects(custom({ secret_id: 'my/own secret' }), InvalidRequest);
  await assert.rejects(custom({ secret_id: '' }), InvalidRequest);
  await assert.rejects(custom({}), InvalidRequest);
  harness.clock.advance(60_000);
  await custom({ secret_id: 'my/own secret', ttl: 60 });
  assert.equal((await harness.list('role/web/secret-id')).length, 1);
  await logIn(harness, 'my/own secret');
});

test('a lookup shows the properties of a secret-id', async () => {
  const harness = await opened();
  const { secret_id, secret_id_accessor } = await pulled(harness, { metadata: { tag: 'x' }, ttl: 60 });
  const byId = await harness.write('role/web/secret-id/lookup', { secret_id });
  const byAccessor = await harness.write('role/web/secret-id-accessor/lookup', { secret_id_accessor });
  assert.deepEqual(byId, byAccessor);
  assert.deepEqual(byId?.data, {
    cidr_list: [],
    creation_time: '2023-11-14T22:13:20.000000000Z',
    expiration_time: '2023-11-14T22:14:20.000000000Z',
    last_updated_time: '2023-11-14T22:13:20.000000000Z',
    metadata: { tag: 'x' },
    secret_id_accessor,
    secret_id_num_uses: 0,
    secret_id_ttl: 60,
    token_bound_cidrs: [],
  });
  const forever = await pulled(harness);
  const shown = await harness.write('role/web/secret-id/lookup', { secret_id: forever.secret_id });
  assert.equal(shown?.data?.expiration_time, '0001-01-01T00:00:00Z');
});

test('deleting a role ends its secret-ids, however many', async () => {
  const harness = await opened();
  const { secret_id } = await pulled(harness, { ttl: 60 });
  for (let i = 0; i < 800; i++) await pulled(harness);
  await harness.delete('role/web');
  await harness.write('role/web', { role_id: 'web-id' });
  await assert.rejects(logIn(harness, secret_id), refused);
  assert.deepEqual(await harness.list('role/web/secret-id'), []);
  await harness.runPeriodic();
  assert.deepEqual(keysUnder(harness, 'secret/', 'accessor/', 'expiry/', 'abandoned/'), []);
});

test('role names differ by more than case', async () => {
  const harness = await opened();
  await harness.write('role/WEB', { token_ttl: 60 });
  assert.deepEqual(await harness.list('role'), ['web']);
  assert.equal((await harness.read('role/Web'))?.data?.token_ttl, 60);
  const { secret_id } = await pulled(harness, {}, 'wEb');
  assert.equal((await logIn(harness, secret_id)).metadata.role_name, 'web');
  for (const odd of ['role/ web', 'role/web ', 'role/.web', 'role/wéb']) {
    await assert.rejects(harness.read(odd), { code: 'unsupported_path' });
  }
});

test('role-ids belong to one role', async () => {
  const harness = await opened();
  const { secret_id } = await pulled(harness);
  await assert.rejects(harness.write('role/other', { role_id: 'web-id' }), InvalidRequest);
  await harness.write('role/other');
  await assert.rejects(harness.write('role/other/role-id', { role_id: 'web-id' }), InvalidRequest);
  await assert.rejects(harness.write('role/other/role-id', {}), InvalidRequest);
  await assert.rejects(harness.write('role/other/role-id', { role_id: 'x'.repeat(4097) }), InvalidRequest);
  await harness.write('role/web/role-id', { role_id: 'new/id' });
  assert.equal((await harness.read('role/web/role-id'))?.data?.role_id, 'new/id');
  await assert.rejects(logIn(harness, secret_id), refused);
  await logIn(harness, secret_id, { roleId: 'new/id' });
  await harness.write('role/other/role-id', { role_id: 'web-id' });
  await harness.write('role/other/role-id', { role_id: 'web-id' });
});

test('a role shows what was set and its defaults', async () => {
  const harness = openEngine(approle);
  await harness.write('role/plain');
  assert.deepEqual((await harness.read('role/plain'))?.data, {
    bind_secret_id: true,
    local_secret_ids: false,
    secret_id_bound_cidrs: null,
    secret_id_num_uses: 0,
    secret_id_ttl: 0,
    token_bound_cidrs: [],
    token_explicit_max_ttl: 0,
    token_max_ttl: 0,
    token_no_default_policy: false,
    token_num_uses: 0,
    token_period: 0,
    token_policies: [],
    token_strictly_bind_ip: false,
    token_ttl: 0,
    token_type: 'default',
  });
  await assert.rejects(harness.read('role/none'), NotFound);
  assert.equal(await harness.delete('role/none'), undefined);
});

test('deprecated fields set their successors and stay visible', async () => {
  const harness = openEngine(approle);
  await harness.write('role/old', { policies: 'b,A', period: '1m', bound_cidr_list: '10.0.0.0/8' });
  const old = (await harness.read('role/old'))?.data;
  assert.deepEqual(old?.token_policies, ['a', 'b']);
  assert.deepEqual(old?.policies, ['a', 'b']);
  assert.deepEqual([old?.period, old?.token_period], [60, 60]);
  assert.deepEqual(old?.secret_id_bound_cidrs, ['10.0.0.0/8']);
  await harness.write('role/old', { token_policies: 'c' });
  const now = (await harness.read('role/old'))?.data;
  assert.equal(now && 'policies' in now, false);
  assert.equal(now?.period, 60);
});

test('every single-field path sets, shows and resets its field', async () => {
  const harness = await opened({ secret_id_bound_cidrs: '127.0.0.0/8' });
  const cases: [segment: string, data: UnknownRecord, shown: UnknownRecord, reset: UnknownRecord][] = [
    [
      'policies',
      { policies: 'x' },
      { token_policies: ['x'], policies: ['x'] },
      { token_policies: [], policies: [] },
    ],
    ['period', { token_period: 5 }, { token_period: 5, period: 5 }, { token_period: 0, period: 0 }],
    [
      'bound-cidr-list',
      { bound_cidr_list: '1.2.3.4/32' },
      { bound_cidr_list: ['1.2.3.4'] },
      { bound_cidr_list: [] },
    ],
    [
      'secret-id-bound-cidrs',
      { secret_id_bound_cidrs: '::/0' },
      { secret_id_bound_cidrs: ['::/0'] },
      { secret_id_bound_cidrs: [] },
    ],
    ['secret-id-num-uses', { secret_id_num_uses: '3' }, { secret_id_num_uses: 3 }, { secret_id_num_uses: 0 }],
    ['secret-id-ttl', { secret_id_ttl: '2m' }, { secret_id_ttl: 120 }, { secret_id_ttl: 0 }],
    [
      'token-bound-cidrs',
      { token_bound_cidrs: ['::1'] },
      { token_bound_cidrs: ['::1'] },
      { token_bound_cidrs: [] },
    ],
    ['token-num-uses', { token_num_uses: 2 }, { token_num_uses: 2 }, { token_num_uses: 0 }],
    ['token-ttl', { token_ttl: 1 }, { token_ttl: 1 }, { token_ttl: 0 }],
    ['token-max-ttl', { token_max_ttl: 9 }, { token_max_ttl: 9 }, { token_max_ttl: 0 }],
  ];
  for (const [segment, data, shown, reset] of cases) {
    await harness.write(`role/web/${segment}`, data);
    assert.deepEqual((await harness.read(`role/web/${segment}`))?.data, shown, segment);
    await harness.delete(`role/web/${segment}`);
    assert.deepEqual((await harness.read(`role/web/${segment}`))?.data, reset, segment);
    await assert.rejects(harness.write(`role/web/${segment}`), InvalidRequest);
    await assert.rejects(harness.write(`role/none/${segment}`, data), NotFound);
    await assert.rejects(harness.read(`role/none/${segment}`), NotFound);
    await assert.rejects(harness.delete(`role/none/${segment}`), NotFound);
  }
  await harness.write('role/web/secret-id-bound-cidrs', { secret_id_bound_cidrs: '10.0.0.0/8' });
  await harness.write('role/web/bind-secret-id', { bind_secret_id: false });
  assert.deepEqual((await harness.read('role/web/bind-secret-id'))?.data, { bind_secret_id: false });
  await harness.delete('role/web/bind-secret-id');
  assert.deepEqual((await harness.read('role/web/bind-secret-id'))?.data, { bind_secret_id: true });
});

test('local_secret_ids is set when the role is made, and not after', async () => {
  const harness = await opened({ local_secret_ids: true });
  assert.deepEqual((await harness.read('role/web/local-secret-ids'))?.data, { local_secret_ids: true });
  await harness.write('role/web', { local_secret_ids: true });
  await assert.rejects(harness.write('role/web', { local_secret_ids: false }), InvalidRequest);
});

test('bad role fields are refused and change nothing', async () => {
  const harness = await opened();
  const before = await harness.read('role/web');
  for (const data of [
    { secret_id_num_uses: -1 },
    { secret_id_ttl: -1 },
    { secret_id_bound_cidrs: '10.0.0.0/33' },
    { token_bound_cidrs: 'x' },
    { token_ttl: 'soon' },
    { token_ttl: 20, token_max_ttl: 10 },
    { token_type: 'batch', token_num_uses: 1 },
    { role_id: '' },
  ]) {
    await assert.rejects(harness.write('role/web', data), InvalidRequest, JSON.stringify(data));
  }
  assert.deepEqual(await harness.read('role/web'), before);
});
