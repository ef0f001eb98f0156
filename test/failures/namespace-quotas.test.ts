/** Quotas of namespaces: by whichever way a namespace is named the same one holds, and none of them tells of another. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { UnknownRecord } from '../../src/base/json.ts';
import { FailureNode, type Sent } from './node.ts';

describe('quotas and namespaces', () => {
  let node: FailureNode;
  const inside = (namespace: string) => ({ 'X-Vault-Namespace': namespace });
  before(async () => {
    node = await FailureNode.start({ manualClock: true, onDisk: true });
    await node.ok('POST', 'sys/namespaces/a', { body: {} });
    await node.ok('POST', 'a/sys/namespaces/b', { body: {} });
    await node.ok('POST', 'sys/namespaces/c', { body: {} });
    for (const namespace of ['', 'a', 'a/b', 'c']) {
      const headers = inside(namespace);
      await node.ok('POST', 'sys/mounts/kv', { headers, body: { type: 'kv' } });
      await node.ok('POST', 'kv/x', { headers, body: { x: 1 } });
      await node.ok('POST', 'sys/auth/userpass', { headers, body: { type: 'userpass' } });
      await node.ok('POST', 'auth/userpass/users/ann', { headers, body: { password: 'password' } });
    }
  });
  after(() => node.stop());
  beforeEach(async () => {
    node.sleep(7_200_000);
    for (const kind of ['rate-limit', 'lease-count']) {
      const names = await node.request('LIST', `sys/quotas/${kind}`);
      for (const name of names.status === 200 ? (names.json().data.keys as string[]) : [])
        await node.ok('DELETE', `sys/quotas/${kind}/${name}`);
    }
    node.goOn();
    for (const namespace of ['', 'a', 'a/b', 'c'])
      await node.ok('POST', 'sys/leases/revoke-prefix/auth/userpass', {
        headers: inside(namespace),
        body: {},
      });
    node.sleep(7_200_000);
  });

  const rate = (name: string, body: UnknownRecord) =>
    node.ok('POST', `sys/quotas/rate-limit/${name}`, {
      body: { rate: 1, interval: '1h', group_by: 'none', ...body },
    });
  const status = async (method: string, path: string, sent?: Sent) =>
    (await node.request(method, path, sent)).status;
  const login = (namespace: string) => {
    const body = { password: 'password' };
    return status('POST', 'auth/userpass/login/ann', { token: '', headers: inside(namespace), body });
  };

  it('are the same by header, by prefix and by both', async () => {
    await rate('mount', { path: 'a/b/kv' });
    const ways: [string, string | undefined][] = [
      ['kv/x', 'a/b'],
      ['kv/x', '/a/b/'],
      ['b/kv/x', 'a'],
      ['a/b/kv/x', undefined],
      ['a/b/kv/x', 'root'],
      ['a//b/kv/x', undefined],
      ['a/b/kv/%78', undefined],
    ];
    for (const [index, [path, header]] of ways.entries()) {
      const headers = header === undefined ? {} : inside(header);
      assert.equal(await status('GET', path, { headers }), index === 0 ? 200 : 429, `${path} ${header}`);
    }
    assert.equal(await status('GET', 'kv/x'), 200);
    assert.equal(await status('GET', 'kv/x', { headers: inside('a') }), 200);
    assert.equal(await status('GET', 'kv/x', { headers: inside('c') }), 200);
  });

  it('of a namespace hold in its children only where they are inheritable, and then for all together', async () => {
    await rate('own', { path: 'a' });
    assert.equal(await status('GET', 'kv/x', { headers: inside('a') }), 200);
    assert.equal(await status('GET', 'kv/x', { headers: inside('a') }), 429);
    assert.equal(await status('GET', 'kv/x', { headers: inside('a/b') }), 200);
    assert.equal(await status('GET', 'kv/x', { headers: inside('a/b') }), 200);
    await rate('own', { path: 'a', inheritable: true });
    assert.equal((await node.ok('GET', 'sys/quotas/rate-limit/own')).data.path, 'a/');
    assert.equal(await status('GET', 'a/b/kv/x'), 200);
    assert.equal(await status('GET', 'kv/x', { headers: inside('a') }), 429);
    await rate('child', { path: 'a/b/', rate: 2 });
    assert.deepEqual(
      [await status('GET', 'a/b/kv/x'), await status('GET', 'a/b/kv/x'), await status('GET', 'a/b/kv/x')],
      [200, 200, 429],
    );
  });

  it('of the whole server hold in all namespaces together, except where paths are exempt', async () => {
    await node.ok('POST', 'sys/quotas/config', {
      body: { rate_limit_exempt_paths: ['sys/*'], absolute_rate_limit_exempt_paths: ['c/kv/*'] },
    });
    await rate('all', {});
    assert.equal(await status('GET', 'kv/x', { headers: inside('a') }), 200);
    assert.equal(await status('GET', 'kv/x'), 429);
    assert.equal(await status('GET', 'a/b/kv/x'), 429);
    assert.equal(await status('GET', 'kv/x', { headers: inside('c') }), 200);
    assert.equal(await status('GET', 'a/sys/mounts'), 200);
    assert.equal(await status('GET', 'no/such/path'), 429);
    await node.ok('DELETE', 'sys/quotas/rate-limit/all');
  });

  it('of leases are counted by namespace, over restarts', async () => {
    const limit = (name: string, body: UnknownRecord) =>
      node.ok('POST', `sys/quotas/lease-count/${name}`, { body });
    const leases = async (name: string) =>
      (await node.ok('GET', `sys/quotas/lease-count/${name}`)).data.leases;
    assert.equal(await login('a/b'), 200);
    await limit('mount', { path: 'a/b/auth/userpass', max_leases: 2 });
    await limit('tree', { path: 'a', inheritable: true, max_leases: 1 });
    await limit('role', { path: 'c/auth/userpass', role: 'ann', max_leases: 1 });
    assert.deepEqual([await login('a/b'), await login('a/b')], [200, 429]);
    assert.deepEqual([await login('a'), await login('a')], [200, 429]);
    assert.deepEqual([await login('c'), await login('c')], [200, 429]);
    assert.deepEqual([await login(''), await login('')], [200, 200]);
    await node.restart();
    assert.deepEqual([await leases('mount'), await leases('tree'), await leases('role')], [2, 1, 1]);
    assert.deepEqual([await login('a/b'), await login('a'), await login('c')], [429, 429, 429]);
    await node.ok('DELETE', 'sys/quotas/lease-count/mount');
    assert.equal(await leases('tree'), 3);
  });

  it('are the root’s to set, and go with their namespace', async () => {
    await node.ok('POST', 'sys/namespaces/gone', { body: {} });
    await node.ok('POST', 'gone/sys/namespaces/below', { body: {} });
    for (const [kind, rest] of [
      ['rate-limit', { rate: 1000 }],
      ['lease-count', { max_leases: 1000 }],
    ] as const) {
      await node.ok('POST', `sys/quotas/${kind}/one`, { body: { path: 'gone', ...rest } });
      await node.ok('POST', `sys/quotas/${kind}/two`, { body: { path: 'gone/below/auth/token', ...rest } });
      await node.ok('POST', `sys/quotas/${kind}/kept`, { body: { path: 'a', ...rest } });
      for (const path of [`sys/quotas/${kind}/one`, `sys/quotas/${kind}`])
        for (const method of ['GET', 'LIST', 'POST', 'DELETE'])
          assert.ok(
            (await status(method, path, {
              headers: inside('a'),
              ...(method === 'POST' && { body: rest }),
            })) >= 400,
          );
    }
    await node.ok('DELETE', 'gone/sys/namespaces/below');
    for (let tries = 0; tries < 50 && (await status('GET', 'sys/quotas/lease-count/two')) === 200; tries++);
    await node.ok('DELETE', 'sys/namespaces/gone');
    for (let tries = 0; tries < 100 && (await status('GET', 'sys/quotas/lease-count/one')) === 200; tries++);
    for (const kind of ['rate-limit', 'lease-count'])
      assert.deepEqual((await node.ok('LIST', `sys/quotas/${kind}`)).data.keys, ['kept']);
  });
});
