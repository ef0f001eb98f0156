/** Who makes the leases is seen while it happens, by those who may see it, in numbers that are right. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Trouble, unreliableEngine } from './engines.ts';
import { FailureNode } from './node.ts';

describe('the top lease creators', () => {
  const trouble: Trouble = {};
  let node: FailureNode;
  before(async () => {
    node = await FailureNode.start({ manualClock: true, onDisk: true, engines: [unreliableEngine(trouble)] });
    await node.ok('POST', 'sys/mounts/things', { body: { type: 'unreliable' } });
    await node.ok('POST', 'sys/auth/userpass', { body: { type: 'userpass' } });
    await node.ok('POST', 'sys/namespaces/team', { body: {} });
    const headers = { 'X-Vault-Namespace': 'team' };
    await node.ok('POST', 'sys/auth/userpass', { headers, body: { type: 'userpass' } });
    for (const user of ['ann', 'bob']) {
      await node.ok('POST', `auth/userpass/users/${user}`, { body: { password: 'password' } });
      await node.ok('POST', `auth/userpass/users/${user}`, { headers, body: { password: 'password' } });
    }
    for (let i = 0; i < 4; i++) await login(i === 0 ? 'bob' : 'Ann');
    await login('ann', 'team');
    for (let i = 0; i < 2; i++) await node.ok('GET', 'things/local/web');
  });
  after(() => node.stop());

  const login = async (user: string, namespace = '') =>
    (
      await node.ok('POST', `auth/userpass/login/${user}`, {
        token: '',
        headers: { 'X-Vault-Namespace': namespace },
        body: { password: 'password' },
      })
    ).auth.entity_id as string;
  const pairs = (tallies: { name: string; leases: number }[]) =>
    tallies.map(({ name, leases }) => [name, leases]);

  it('are told by mount, role and entity', async () => {
    const { data } = await node.ok('GET', 'sys/leases/top');
    assert.deepEqual(pairs(data.created.mounts), [
      ['auth/userpass/', 4],
      ['things/', 2],
      ['team/auth/userpass/', 1],
    ]);
    assert.deepEqual(pairs(data.created.roles), [
      ['auth/userpass/ann', 3],
      ['things/local/web', 2],
      ['auth/userpass/bob', 1],
      ['team/auth/userpass/ann', 1],
    ]);
    assert.deepEqual(
      (data.created.entities as { leases: number }[]).map(({ leases }) => leases),
      [3, 1, 1],
    );
    assert.deepEqual(data.recent.roles, data.created.roles);
    assert.equal(data.counted, null);
    const few = (await node.ok('GET', 'sys/leases/top?by=role&limit=1')).data;
    assert.deepEqual(Object.keys(few.created), ['since', 'roles']);
    assert.equal(few.created.roles.length, 1);
    const { text } = await node.request('GET', 'sys/metrics?format=prometheus');
    assert.match(text, /top_lease_creators\{by="role",name="auth\/userpass\/ann"\} 3/);
    assert.equal((await node.request('GET', 'sys/leases/top?by=colour')).status, 400);
  });

  it('are counted exactly, also after a restart, and show what is there and no more', async () => {
    await node.restart();
    assert.deepEqual((await node.ok('GET', 'sys/leases/top')).data.created.mounts, []);
    await node.ok('POST', 'sys/leases/revoke-prefix/auth/userpass/login/ann', { body: {} });
    const { data } = await node.ok('POST', 'sys/leases/top', { body: {} });
    assert.equal(data.counted.total, 4);
    assert.deepEqual(pairs(data.counted.roles), [
      ['things/local/web', 2],
      ['auth/userpass/bob', 1],
      ['team/auth/userpass/ann', 1],
    ]);
    assert.deepEqual(pairs(data.counted.mounts).sort(), [
      ['auth/userpass/', 1],
      ['team/auth/userpass/', 1],
      ['things/', 2],
    ]);
    const all = (await node.ok('GET', 'sys/leases/count')).data.lease_count;
    assert.ok(all <= data.counted.total);
  });

  it('of a namespace are told there, and nothing of the others', async () => {
    const headers = { 'X-Vault-Namespace': 'team' };
    await login('ann', 'team');
    const { data } = await node.ok('GET', 'sys/leases/top', { headers });
    assert.deepEqual(pairs(data.created.roles), [['auth/userpass/ann', 1]]);
    assert.deepEqual(pairs(data.counted.mounts), [['auth/userpass/', 1]]);
    assert.equal(data.counted.total, undefined);
    const prefixed = await node.ok('GET', 'team/sys/leases/top');
    assert.deepEqual(prefixed.data.created, data.created);
  });

  it('are for those with sudo, and lose what is long ago', async () => {
    const token = await node.tokenWith('path "sys/leases/top" { capabilities = ["read", "update"] }');
    for (const method of ['GET', 'POST'])
      assert.equal(
        (await node.request(method, 'sys/leases/top', { token, ...(method === 'POST' && { body: {} }) }))
          .status,
        403,
      );
    await login('bob');
    node.sleep(1_200_000);
    const { data } = await node.ok('GET', 'sys/leases/top?by=role');
    assert.deepEqual(data.recent.roles, []);
    assert.ok(pairs(data.created.roles).some(([name]) => name === 'auth/userpass/bob'));
  });
});
