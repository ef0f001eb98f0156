/** One-time means once, also for those who come at the same time, by different routes, and after a restart. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Answer } from '../services/http.ts';
import { FailureNode } from './node.ts';

const AT_ONCE = 24;

describe('one-time means once', () => {
  let node: FailureNode;
  before(async () => {
    node = await FailureNode.start({ onDisk: true });
    await node.mountEverything();
  });
  after(() => node.stop());

  const create = async (body: Record<string, unknown>) =>
    (await node.ok('POST', 'auth/token/create', { body: { policies: ['root'], ...body } })).auth
      .client_token as string;
  const wrap = async () =>
    (await node.ok('POST', 'sys/wrapping/wrap', { body: { a: 1 }, headers: { 'X-Vault-Wrap-TTL': '60' } }))
      .wrap_info.token as string;

  it('for a token with limited uses', async () => {
    const uses: [string, string, unknown?][] = [
      ['GET', 'auth/token/lookup-self'],
      ['POST', 'auth/userpass/users/ann', { password: 'password' }],
      ['POST', 'secret/data/used', { data: { a: 1 } }],
      ['GET', 'secret/data/missing'],
      ['GET', 'no/such/path'],
    ];
    for (const [method, path, body] of uses) {
      for (const numUses of [1, 3]) {
        const token = await create({ num_uses: numUses });
        const answers = await atOnce(() => node.request(method, path, { token, body }));
        const served = answers.filter(({ status }) => status !== 403).length;
        assert.equal(served, numUses, `${method} ${path}: ${answers.map(({ status }) => status).join()}`);
        assert.equal((await node.request('POST', 'auth/token/lookup', { body: { token } })).status, 403);
      }
    }
  });

  it('for a wrapping token, whoever brings it and how', async () => {
    const routes: ((token: string) => Promise<Answer>)[] = [
      (token) => node.request('POST', 'sys/wrapping/unwrap', { token }),
      (token) => node.request('POST', 'sys/wrapping/unwrap', { body: { token } }),
      (token) => node.request('PUT', 'sys/wrapping/unwrap', { token, body: { token } }),
      (token) => node.request('POST', 'sys/wrapping/rewrap', { token }),
      (token) => node.request('POST', 'sys/wrapping/rewrap', { body: { token } }),
      (token) => node.request('GET', 'cubbyhole/response', { token }),
    ];
    for (let round = 0; round < 5; round++) {
      const token = await wrap();
      const answers = await atOnce((index) => routes[(index + round) % routes.length]!(token));
      assert.ok(
        answers.filter(({ status }) => status < 300).length <= 1,
        answers.map(({ status }) => status).join(),
      );
    }
    for (const route of routes.slice(0, 5)) {
      const token = await wrap();
      const answers = await atOnce(() => route(token));
      assert.equal(answers.filter(({ status }) => status < 300).length, 1);
    }
  });

  it('for a secret-id', async () => {
    for (const numUses of [1, 3]) {
      await node.ok('POST', `auth/approle/role/uses-${numUses}`, { body: { secret_id_num_uses: numUses } });
      const { role_id } = (await node.ok('GET', `auth/approle/role/uses-${numUses}/role-id`)).data;
      const { secret_id } = (await node.ok('POST', `auth/approle/role/uses-${numUses}/secret-id`)).data;
      const answers = await atOnce(() =>
        node.request('POST', 'auth/approle/login', { token: '', body: { role_id, secret_id } }),
      );
      assert.equal(answers.filter(({ status }) => status === 200).length, numUses);
    }
  });

  it('for what is made under a name or a version', async () => {
    const makings: [string, (index: number) => unknown][] = [
      ['secret/data/cas', (index) => ({ options: { cas: 0 }, data: { index } })],
      [
        'sys/policies/acl/cas',
        (index) => ({ cas: -1, policy: `path "x/${index}" { capabilities = ["read"] }` }),
      ],
      ['sys/mounts/once', () => ({ type: 'kv' })],
      ['sys/auth/once', () => ({ type: 'approle' })],
      ['auth/approle/role/uses-3/custom-secret-id', () => ({ secret_id: 'chosen' })],
      ['auth/token/create', () => ({ id: 'chosen', policies: ['default'] })],
    ];
    for (const [path, body] of makings) {
      const answers = await atOnce((index) => node.request('POST', path, { body: body(index) }));
      assert.equal(
        answers.filter(({ status }) => status < 300).length,
        1,
        `${path}: ${answers.map(({ status }) => status).join()}`,
      );
    }
  });

  it('for a mount that is moved and disabled at the same time', async () => {
    for (let round = 0; round < 5; round++) {
      await node.ok('POST', 'sys/mounts/from', { body: { type: 'kv' } });
      await node.ok('POST', 'from/secret', { body: { a: 1 } });
      await Promise.all([
        node.request('POST', 'sys/remount', { body: { from: 'from', to: 'to' } }),
        node.request('DELETE', 'sys/mounts/from'),
        node.request('POST', 'sys/remount', { body: { from: 'from', to: 'elsewhere' } }),
        node.request('POST', 'sys/mounts/from/tune', { body: { description: 'changed' } }),
      ]);
      const before = await mountedAt(node, ['from/', 'to/', 'elsewhere/']);
      await node.reseal();
      const mounts = await mountedAt(node, ['from/', 'to/', 'elsewhere/']);
      assert.deepEqual(mounts, before, 'what is served is what is stored');
      assert.ok(mounts.length <= 1, `it is mounted at ${mounts.join(' and ')}`);
      for (const path of mounts) {
        const { status } = await node.request('GET', `${path}secret`);
        assert.equal(status, 200, `${path} is there without its data`);
        await node.ok('DELETE', `sys/mounts/${path}`);
      }
    }
  });

  it('after a restart', async () => {
    const [spent, wrapped] = [await create({ num_uses: 1 }), await wrap()];
    await node.ok('GET', 'auth/token/lookup-self', { token: spent });
    await node.ok('POST', 'sys/wrapping/unwrap', { token: wrapped });
    const half = await create({ num_uses: 2 });
    await node.ok('GET', 'auth/token/lookup-self', { token: half });
    await node.restart();
    assert.equal((await node.request('GET', 'auth/token/lookup-self', { token: spent })).status, 403);
    assert.equal(
      (await node.request('POST', 'sys/wrapping/unwrap', { body: { token: wrapped } })).status,
      400,
    );
    assert.equal((await node.request('GET', 'auth/token/lookup-self', { token: half })).status, 200);
    assert.equal((await node.request('GET', 'auth/token/lookup-self', { token: half })).status, 403);
  });
});

async function mountedAt(node: FailureNode, paths: readonly string[]): Promise<string[]> {
  return Object.keys((await node.ok('GET', 'sys/mounts')).data).filter((path) => paths.includes(path));
}

function atOnce(run: (index: number) => Promise<Answer>): Promise<Answer[]> {
  return Promise.all(Array.from({ length: AT_ONCE }, (_, index) => run(index)));
}
