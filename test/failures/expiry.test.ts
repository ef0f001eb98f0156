/**
 * Expiry counts at use, not at clean-up; a renewal asks again where the thing came from, and never outlives the maximum.
 * Where it matters the machine sleeps, so that no clean-up has run.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { EngineType } from '../../src/engine/engine.ts';
import { path } from '../../src/engine/engine.ts';
import { FailureNode } from './node.ts';

const HOUR_MS = 3_600_000;
const MAX_SECONDS = 768 * 3600;

/** Leases credentials that never want to go: so expired ones stay where clean-up left them. */
const stuck: EngineType = {
  type: 'stuck',
  class: 'secret',
  summary: 'For this test.',
  open: () => ({
    paths: [
      path({
        pattern: 'creds',
        summary: 'A credential.',
        fields: {},
        operations: {
          read: {
            handler: () => ({
              data: { password: 'x' },
              lease: { kind: 'creds', internal: {}, ttl: 3600, maxTtl: 7200, renewable: true },
            }),
          },
        },
      }),
    ],
    leases: {
      creds: {
        outside: true,
        async revoke() {
          throw new Error('the target is away');
        },
        renew: (_, lease) => ({ ttl: lease.incrementSeconds }),
      },
    },
  }),
};

describe('expiry', () => {
  let node: FailureNode;
  before(async () => {
    node = await FailureNode.start({ manualClock: true, engines: [stuck] });
    // Mounts one of the `stuck` engine, too.
    await node.mountEverything();
  });
  after(() => node.stop());

  const create = async (body: Record<string, unknown>) =>
    (await node.ok('POST', 'auth/token/create', { body: { policies: ['default'], ...body } })).auth;
  const self = (token: string) => node.request('GET', 'auth/token/lookup-self', { token });

  it('ends a token to the second, as what it is used for and by its accessor', async () => {
    for (const type of ['service', 'batch']) {
      const { client_token: token, accessor } = await create({ ttl: '1h', type });
      node.sleep(HOUR_MS - 1);
      assert.equal((await self(token)).status, 200, type);
      node.sleep(1);
      assert.equal((await self(token)).status, 403, type);
      assert.ok((await node.request('POST', 'auth/token/lookup', { body: { token } })).status >= 400);
      assert.ok((await node.request('POST', 'auth/token/renew', { body: { token } })).status >= 400);
      assert.equal(
        (await node.request('POST', 'sys/capabilities', { body: { token, paths: ['a'] } })).status,
        400,
      );
      if (type === 'service') {
        for (const action of ['lookup', 'renew'])
          assert.equal(
            (await node.request('POST', `auth/token/${action}-accessor`, { body: { accessor } })).status,
            403,
          );
      }
    }
  });

  it('ends a token’s children and batch tokens with it', async () => {
    const parent = await node.tokenWith('path "auth/token/create" { capabilities = ["update"] }', {
      ttl: '1h',
    });
    const child = (await node.ok('POST', 'auth/token/create', { token: parent, body: { ttl: '10h' } })).auth
      .client_token;
    const batch = (
      await node.ok('POST', 'auth/token/create', { token: parent, body: { ttl: '10h', type: 'batch' } })
    ).auth.client_token;
    node.sleep(HOUR_MS);
    assert.deepEqual(
      [(await self(parent)).status, (await self(child)).status, (await self(batch)).status],
      [403, 403, 403],
    );
  });

  it('ends a secret-id', async () => {
    await node.ok('POST', 'auth/approle/role/short', { body: { secret_id_ttl: '1h' } });
    const { role_id } = (await node.ok('GET', 'auth/approle/role/short/role-id')).data;
    const { secret_id, secret_id_accessor } = (await node.ok('POST', 'auth/approle/role/short/secret-id'))
      .data;
    const logIn = () =>
      node.request('POST', 'auth/approle/login', { token: '', body: { role_id, secret_id } });
    node.sleep(HOUR_MS - 1);
    assert.equal((await logIn()).status, 200);
    node.sleep(1);
    assert.equal((await logIn()).status, 400);
    assert.equal(
      (await node.request('POST', 'auth/approle/role/short/secret-id/lookup', { body: { secret_id } })).text,
      '',
    );
    assert.equal(
      (
        await node.request('POST', 'auth/approle/role/short/secret-id-accessor/lookup', {
          body: { secret_id_accessor },
        })
      ).status,
      404,
    );
  });

  it('ends a wrapping token', async () => {
    const { wrap_info } = await node.ok('POST', 'sys/wrapping/wrap', {
      body: { a: 1 },
      headers: { 'X-Vault-Wrap-TTL': '1h' },
    });
    node.sleep(HOUR_MS);
    for (const action of ['unwrap', 'rewrap', 'lookup']) {
      assert.equal(
        (await node.request('POST', `sys/wrapping/${action}`, { body: { token: wrap_info.token } })).status,
        400,
        action,
      );
      assert.ok(
        (await node.request('POST', `sys/wrapping/${action}`, { token: wrap_info.token })).status >= 400,
        action,
      );
    }
  });

  it('ends a lease that nobody could take back', async () => {
    const { lease_id } = await node.ok('GET', 'stuck/creds');
    await node.pass(HOUR_MS);
    for (const [method, route] of [
      ['POST', 'sys/leases/lookup'],
      ['POST', 'sys/leases/renew'],
    ] as const) {
      assert.equal((await node.request(method, route, { body: { lease_id } })).status, 400, route);
    }
  });

  it('comes at the maximum for a lease, however often it is renewed', async () => {
    const { lease_id } = await node.ok('GET', 'stuck/creds');
    for (let renewals = 0; renewals < 3; renewals++) {
      await node.pass(HOUR_MS / 2);
      const { lease_duration } = await node.ok('POST', 'sys/leases/renew', {
        body: { lease_id, increment: 999_999_999 },
      });
      assert.equal(lease_duration, 7200 - (renewals + 1) * 1800);
    }
    await node.pass(HOUR_MS / 2);
    assert.equal((await node.request('POST', 'sys/leases/renew', { body: { lease_id } })).status, 400);
  });

  it('comes at the maximum for a token, whoever renews it and by which route', async () => {
    const { client_token: token, accessor } = await create({ ttl: '1h', explicit_max_ttl: '2h' });
    await node.pass(HOUR_MS / 2);
    const leases = (await node.ok('LIST', 'sys/leases/lookup/auth/token/create')).data.keys as string[];
    const lease_id = `auth/token/create/${leases.at(-1)}`;
    const routes = [
      ['auth/token/renew', { token }],
      ['auth/token/renew-accessor', { accessor }],
      ['auth/token/renew-self', {}],
    ] as const;
    for (const [route, body] of routes) {
      const sent = { body: { ...body, increment: '9999h' }, ...(route.endsWith('self') ? { token } : {}) };
      assert.equal((await node.ok('POST', route, sent)).auth.lease_duration, 5400, route);
    }
    const throughLease = await node.request('POST', 'sys/leases/renew', {
      body: { lease_id, increment: 999_999 },
    });
    assert.ok(throughLease.status >= 400 || throughLease.json().auth.lease_duration <= 5400);
    await node.pass(1.5 * HOUR_MS);
    assert.equal((await self(token)).status, 403);
  });

  it('comes at the mount’s maximum for a login, also when the mount is tuned down', async () => {
    await node.ok('POST', 'auth/userpass/users/ann', { body: { password: 'password', token_ttl: '1h' } });
    const { auth } = await node.ok('POST', 'auth/userpass/login/ann', {
      token: '',
      body: { password: 'password' },
    });
    await node.ok('POST', 'sys/auth/userpass/tune', { body: { max_lease_ttl: '2h' } });
    await node.pass(HOUR_MS / 2);
    const { auth: renewed } = await node.ok('POST', 'auth/token/renew-self', {
      token: auth.client_token,
      body: { increment: '100h' },
    });
    assert.equal(renewed.lease_duration, 5400);
    await node.ok('POST', 'sys/auth/userpass/tune', { body: { max_lease_ttl: '0' } });
  });

  it('is bounded for periods and times beyond all calendars', async () => {
    for (const field of ['ttl', 'explicit_max_ttl', 'period']) {
      for (const value of [MAX_SECONDS * 2, 2 ** 40, Number.MAX_SAFE_INTEGER, '999999999h', '292y']) {
        const { status, text } = await node.request('POST', 'auth/token/create', {
          body: { policies: ['default'], [field]: value },
        });
        assert.ok(status < 500, `${field} = ${value}: ${text}`);
        if (status !== 200) continue;
        const token = JSON.parse(text).auth.client_token as string;
        assert.equal((await self(token)).status, 200, `${field} = ${value}`);
        assert.ok(
          (await node.request('POST', 'auth/token/renew-self', { token })).status < 500,
          `${field} = ${value}`,
        );
      }
    }
    const wrapped = await node.request('POST', 'sys/wrapping/wrap', {
      body: { a: 1 },
      headers: { 'X-Vault-Wrap-TTL': '999999999999' },
    });
    assert.ok(wrapped.status < 500, wrapped.text);
  });

  it('is not put off for one who is gone', async () => {
    await node.ok('POST', 'auth/userpass/users/gone', {
      body: { password: 'password', token_policies: ['default'] },
    });
    await node.ok('POST', 'auth/approle/role/gone', {
      body: { bind_secret_id: false, secret_id_bound_cidrs: ['127.0.0.1/32'] },
    });
    const { role_id } = (await node.ok('GET', 'auth/approle/role/gone/role-id')).data;
    const logins = {
      user: (await node.ok('POST', 'auth/userpass/login/gone', { token: '', body: { password: 'password' } }))
        .auth.client_token,
      role: (await node.ok('POST', 'auth/approle/login', { token: '', body: { role_id } })).auth.client_token,
    };
    for (const token of Object.values(logins))
      assert.equal((await node.request('POST', 'auth/token/renew-self', { token })).status, 200);
    await node.ok('DELETE', 'auth/userpass/users/gone');
    await node.ok('DELETE', 'auth/approle/role/gone');
    for (const [who, token] of Object.entries(logins))
      assert.equal((await node.request('POST', 'auth/token/renew-self', { token })).status, 400, who);
    // Somebody new of the same name is somebody else.
    await node.ok('POST', 'auth/userpass/users/gone', {
      body: { password: 'password', token_policies: ['default'] },
    });
    await node.ok('POST', 'auth/approle/role/gone', {
      body: { bind_secret_id: false, secret_id_bound_cidrs: ['127.0.0.1/32'] },
    });
    for (const [who, token] of Object.entries(logins))
      assert.equal(
        (await node.request('POST', 'auth/token/renew-self', { token })).status,
        400,
        `a new ${who}`,
      );
  });

  it('is not put off when policies have changed or the method is gone', async () => {
    await node.ok('POST', 'auth/userpass/users/changed', {
      body: { password: 'password', token_policies: ['one'] },
    });
    const { auth } = await node.ok('POST', 'auth/userpass/login/changed', {
      token: '',
      body: { password: 'password' },
    });
    await node.ok('POST', 'auth/userpass/users/changed', { body: { token_policies: ['two'] } });
    assert.ok(
      (await node.request('POST', 'auth/token/renew-self', { token: auth.client_token })).status >= 400,
    );
    await node.ok('POST', 'sys/auth/leaving', { body: { type: 'userpass' } });
    await node.ok('POST', 'auth/leaving/users/ann', { body: { password: 'password' } });
    const leaving = await node.ok('POST', 'auth/leaving/login/ann', {
      token: '',
      body: { password: 'password' },
    });
    node.goOn();
    await node.ok('DELETE', 'sys/auth/leaving');
    assert.ok(
      (await node.request('POST', 'auth/token/renew-self', { token: leaving.auth.client_token })).status >=
        400,
    );
    assert.equal((await self(leaving.auth.client_token)).status, 403, 'tokens of a method end with it');
  });
});
