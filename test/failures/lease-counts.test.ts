/**
 * Lease-count quotas over HTTP: no route makes one lease more than there may be, nothing is made outside for a lease that is
 * refused, and the operator gets out of it.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { UnknownRecord } from '../../src/base/json.ts';
import { type EngineType, path } from '../../src/engine/engine.ts';
import { FailureNode, settle } from './node.ts';

/** What was made outside and is still there. */
const alive = new Set<string>();
let made = 0;

function outsideEngine(leased: boolean): EngineType {
  return {
    type: leased ? 'told' : 'untold',
    class: 'secret',
    summary: 'Makes things outside.',
    open: () => ({
      leases: { thing: { outside: true, revoke: async (_, { name }) => void alive.delete(String(name)) } },
      paths: [
        path({
          pattern: 'creds',
          summary: 'Makes one.',
          fields: {},
          operations: {
            read: {
              outside: true,
              ...(leased && { leased }),
              async handler() {
                await settle();
                const name = `thing ${++made}`;
                alive.add(name);
                const internal: UnknownRecord = { name };
                return { data: { name }, lease: { kind: 'thing', internal, ttl: 3600, renewable: false } };
              },
            },
          },
        }),
      ],
    }),
  };
}

describe('lease-count quotas', () => {
  let node: FailureNode;
  before(async () => {
    node = await FailureNode.start({ onDisk: true, engines: [outsideEngine(true), outsideEngine(false)] });
    await node.ok('POST', 'sys/mounts/told', { body: { type: 'told' } });
    await node.ok('POST', 'sys/mounts/untold', { body: { type: 'untold' } });
    await node.ok('POST', 'sys/mounts/kv', { body: { type: 'kv' } });
    await node.ok('POST', 'kv/a', { body: { a: 1 } });
    await node.ok('POST', 'sys/auth/userpass', { body: { type: 'userpass' } });
    for (const user of ['ann', 'bob'])
      await node.ok('POST', `auth/userpass/users/${user}`, { body: { password: 'password' } });
    const body = { bind_secret_id: false, secret_id_bound_cidrs: ['127.0.0.0/8'] };
    await node.ok('POST', 'sys/auth/approle', { body: { type: 'approle' } });
    await node.ok('POST', 'auth/approle/role/web', { body });
    await node.ok('POST', 'auth/approle/role/batch', { body: { ...body, token_type: 'batch' } });
  });
  after(() => node.stop());
  beforeEach(async () => {
    const names = await node.request('LIST', 'sys/quotas/lease-count');
    for (const name of names.status === 200 ? (names.json().data.keys as string[]) : [])
      await node.ok('DELETE', `sys/quotas/lease-count/${name}`);
    for (const prefix of ['told', 'untold', 'auth', 'kv', 'sys'])
      await node.ok('POST', `sys/leases/revoke-prefix/${prefix}`, { body: {} });
  });

  const limit = (body: UnknownRecord, name = 'q') =>
    node.ok('POST', `sys/quotas/lease-count/${name}`, { body });
  const leases = async (name = 'q') => (await node.ok('GET', `sys/quotas/lease-count/${name}`)).data.leases;
  const login = (user: string) =>
    node.request('POST', `auth/userpass/login/${user}`, { token: '', body: { password: 'password' } });
  const roleLogin = async (role: string) => {
    const { role_id } = (await node.ok('GET', `auth/approle/role/${role}/role-id`)).data as {
      role_id: string;
    };
    return node.request('POST', 'auth/approle/login', { token: '', body: { role_id } });
  };

  it('refuse the lease that is one too many, in the words of the API, and have the refusal in the audit log', async () => {
    await limit({ path: 'auth/userpass', max_leases: 2 });
    assert.deepEqual([(await login('ann')).status, (await login('bob')).status], [200, 200]);
    node.newAuditEntries();
    const refused = await login('ANN');
    assert.equal(refused.status, 429);
    assert.deepEqual(refused.json(), {
      errors: [
        '1 error occurred:\n\t* request path "auth/userpass/login/ann": lease count quota exceeded\n\n',
      ],
    });
    assert.match(node.newAuditEntries().at(-1)?.error ?? '', /lease count quota exceeded/);
    assert.equal(await leases(), 2);
    const { text } = await node.request('GET', 'sys/metrics?format=prometheus');
    assert.match(text, /quota_lease_count_violation\w*\{name="q"\} 1/);
    assert.match(text, /quota_lease_count_counter\{name="q"\} 2/);
    assert.match(text, /quota_lease_count_max\{name="q"\} 2/);
    const { lease_id } = {
      lease_id: (await node.ok('LIST', 'sys/leases/lookup/auth/userpass/login/bob')).data.keys[0],
    };
    await node.ok('POST', 'sys/leases/revoke', { body: { lease_id: `auth/userpass/login/bob/${lease_id}` } });
    assert.equal((await login('ann')).status, 200);
    assert.equal((await login('ann')).status, 429);
  });

  it('are met by every way to a token or a wrapped reply', async () => {
    const token = await node.tokenWith('path "*" { capabilities = ["create", "read", "update", "sudo"] }');
    await node.ok('POST', 'auth/token/roles/r', { body: { allowed_policies: ['default'] } });
    await limit({ path: '', max_leases: 1 });
    const wrap = { 'X-Vault-Wrap-TTL': '60' };
    const create = { policies: ['default'] };
    for (const [method, url, body, headers] of [
      ['POST', 'auth/token/create', create, {}],
      ['PUT', 'auth/token/create', create, {}],
      ['POST', 'auth/token/create-orphan', create, {}],
      ['POST', 'auth/token/create/r', create, {}],
      ['POST', 'auth/token/create', { ...create, type: 'batch' }, {}],
      ['GET', 'kv/a', undefined, wrap],
      ['POST', 'sys/wrapping/wrap', { a: 1 }, wrap],
      ['GET', 'told/creds', undefined, {}],
      ['GET', 'told/creds', undefined, wrap],
      ['GET', 'untold/creds', undefined, {}],
    ] as const) {
      const answer = await node.request(method, url, { token, headers, ...(body && { body }) });
      assert.equal(answer.status, 429, `${method} ${url}: ${answer.text}`);
    }
    assert.equal((await node.request('GET', 'kv/a', { token })).status, 200);
    assert.equal((await roleLogin('batch')).status, 429);
    // Nothing of it is left behind.
    await settle();
    assert.equal(await leases(), 1);
    assert.deepEqual(alive, new Set());
    // The way out.
    const { auth } = await node.ok('POST', 'auth/token/create', { body: { policies: ['root'], ttl: '1h' } });
    await node.ok('GET', 'sys/quotas/lease-count/q', { token: auth.client_token });
    assert.equal(await leases(), 2);
  });

  it('make nothing outside for a lease that there is no room for', async () => {
    await limit({ path: 'told/creds', max_leases: 3 });
    await limit({ path: 'untold', max_leases: 3 }, 'other');
    made = 0;
    const statuses = [];
    for (let i = 0; i < 5; i++) statuses.push((await node.request('GET', 'told/creds')).status);
    assert.deepEqual(statuses, [200, 200, 200, 429, 429]);
    assert.equal(made, 3);
    // All at once, some find that there is no room only when they are done; what they made is taken back.
    const all = await Promise.all(Array.from({ length: 10 }, () => node.request('GET', 'untold/creds')));
    assert.equal(all.filter(({ status }) => status === 200).length, 3);
    assert.equal(all.filter(({ status }) => status === 429).length, 7);
    for (let tries = 0; tries < 50 && alive.size > 6; tries++) await settle();
    assert.equal(alive.size, 6);
    assert.deepEqual([await leases(), await leases('other')], [3, 3]);
  });

  it('of a role hold for its logins alone', async () => {
    await limit({ path: 'auth/approle', role: 'web', max_leases: 1 });
    await limit({ path: 'auth/userpass', role: 'ann', max_leases: 1 }, 'ann');
    assert.equal((await roleLogin('web')).status, 200);
    assert.equal((await roleLogin('web')).status, 429);
    assert.equal((await roleLogin('batch')).status, 200);
    assert.equal((await login('ann')).status, 200);
    assert.equal((await login('Ann')).status, 429);
    assert.equal((await login('bob')).status, 200);
    assert.deepEqual([await leases(), await leases('ann')], [1, 1]);
  });

  it('count what is there already, hold over restarts, and go with their mount', async () => {
    for (let i = 0; i < 4; i++) await node.ok('GET', 'told/creds');
    await limit({ path: 'told', max_leases: 3 });
    const expected = {
      name: 'q',
      type: 'lease-count',
      path: 'told/',
      max_leases: 3,
      role: '',
      inheritable: false,
    };
    assert.deepEqual((await node.ok('GET', 'sys/quotas/lease-count/q')).data, { ...expected, leases: 4 });
    await node.restart();
    assert.equal((await node.request('GET', 'told/creds')).status, 429);
    assert.equal(await leases(), 4);
    await limit({ max_leases: 5 });
    assert.equal((await node.request('GET', 'told/creds')).status, 200);
    assert.equal((await node.request('GET', 'told/creds')).status, 429);
    await node.ok('POST', 'sys/remount', { body: { from: 'told', to: 'moved' } });
    assert.deepEqual((await node.ok('GET', 'sys/quotas/lease-count/q')).data.path, 'moved/');
    assert.equal((await node.request('GET', 'moved/creds')).status, 200);
    assert.equal(await leases(), 1);
    await node.ok('POST', 'sys/remount', { body: { from: 'moved', to: 'told' } });
    await node.ok('DELETE', 'sys/mounts/told');
    assert.equal((await node.request('GET', 'sys/quotas/lease-count/q')).status, 404);
    await node.ok('POST', 'sys/mounts/told', { body: { type: 'told' } });
  });

  it('refuse what makes no sense', async () => {
    for (const body of [
      {},
      { max_leases: 0 },
      { max_leases: -1 },
      { max_leases: 1.5 },
      { max_leases: 1, path: 'nowhere' },
      { max_leases: 1, path: 'told', role: 'web' },
      { max_leases: 1, path: 'told', inheritable: true },
    ])
      assert.equal(
        (await node.request('POST', 'sys/quotas/lease-count/bad', { body })).status,
        400,
        JSON.stringify(body),
      );
    assert.equal((await node.request('LIST', 'sys/quotas/lease-count')).status, 404);
  });
});
