import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openNode, type TestRequest } from '../../test/pipeline-node.ts';
import { ApiLocked, InvalidRequest, NotFound, PermissionDenied, UnsupportedPath } from '../base/errors.ts';

const ALL = '{ capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"] }';

async function open() {
  const node = await openNode();
  const inside = (namespace: string, rest: TestRequest = {}): TestRequest => ({
    ...rest,
    headers: { 'x-vault-namespace': namespace, ...rest.headers },
  });
  const { data: a } = await node.call('sys/namespaces/a', { custom_metadata: { team: 'one' } });
  await node.call('sys/namespaces/b', {});
  await node.call('sys/namespaces/c', {}, inside('a'));
  for (const namespace of ['a', 'b', 'a/c']) {
    await node.send('sys/mounts/kv', { type: 'kv' }, inside(namespace));
    await node.send('kv/x', { here: namespace }, inside(namespace));
  }
  const policy = (namespace: string, name: string, text: string) =>
    node.send(`sys/policies/acl/${name}`, { policy: text }, inside(namespace));
  const tokenIn = async (namespace: string, ...policies: string[]) => {
    const { auth } = await node.call('auth/token/create', { policies, no_parent: true }, inside(namespace));
    return auth.client_token;
  };
  await policy('a', 'admin', `path "*" ${ALL}`);
  return { ...node, inside, policy, tokenIn, a, admin: await tokenIn('a', 'admin') };
}

const denied = PermissionDenied;
const missing = UnsupportedPath;

test('a namespace is created, shown, changed and listed where it is', async () => {
  const { call, send, inside, a } = await open();
  assert.match(String(a.id), /^[0-9A-Za-z]{6}$/);
  assert.equal(a.path, 'a/');
  assert.deepEqual({ ...(a.custom_metadata as object) }, { team: 'one' });
  assert.deepEqual((await call('sys/namespaces/a')).data, a);
  const again = await call('sys/namespaces/a', { custom_metadata: { team: 'two' } });
  assert.deepEqual(again.data, a);
  assert.match(again.warnings![0]!, /existed already/);
  const patched = await call(
    'sys/namespaces/a',
    { custom_metadata: { team: null, owner: 'ops' } },
    { method: 'PATCH' },
  );
  assert.deepEqual({ ...(patched.data.custom_metadata as object) }, { owner: 'ops' });
  const listed = await call('sys/namespaces', undefined, { method: 'LIST' });
  assert.deepEqual(listed.data.keys, ['a/', 'b/']);
  assert.deepEqual((await call('sys/namespaces', undefined, { method: 'SCAN' })).data.keys, [
    'a/',
    'a/c/',
    'b/',
  ]);
  const within = await call('sys/namespaces', undefined, inside('a', { method: 'LIST' }));
  assert.deepEqual(within.data.keys, ['c/']);
  assert.equal((await call('sys/namespaces/c', undefined, inside('a'))).data.path, 'a/c/');
  await assert.rejects(send('sys/namespaces/none'), NotFound);
  await assert.rejects(send('sys/namespaces/a/c'), /holds no slash/);
});

for (const name of [
  'root',
  'sys',
  'Auth',
  'cubbyhole',
  'identity',
  '..',
  'a b',
  'a*',
  '+',
  'x'.repeat(129),
]) {
  test(`no namespace is called ${name.slice(0, 20)}`, async () => {
    const { send } = await openNode();
    await assert.rejects(send(`sys/namespaces/${name}`, {}), InvalidRequest);
  });
}

test('header, path and both lead to the same place; no namespace sees into another', async () => {
  const { call, send, inside } = await open();
  for (const [path, request] of [
    ['a/c/kv/x', {}],
    ['kv/x', inside('a/c')],
    ['kv/x', inside('/a/c/')],
    ['c/kv/x', inside('a')],
    ['a/c/kv/x', inside('root')],
  ] as const) {
    assert.deepEqual((await call(path, undefined, request)).data, { here: 'a/c' }, path);
  }
  for (const [path, request] of [
    ['kv/x', {}],
    ['kv/x', inside('none')],
    ['kv/x', inside('a/none')],
    ['a/kv/x', inside('a')],
    ['none/kv/x', {}],
  ] as const) {
    await assert.rejects(send(path, undefined, request), missing, path);
  }
});

test('mounts and namespaces do not take each other’s paths', async () => {
  const { send, inside } = await open();
  await assert.rejects(send('sys/mounts/a', { type: 'kv' }), /in use by the namespace/);
  await assert.rejects(send('sys/mounts/a/deep', { type: 'kv' }), /in use by the namespace/);
  await assert.rejects(send('sys/namespaces/kv', {}, inside('a')), /in use at kv/);
  await send('sys/mounts/a', { type: 'kv' }, inside('b'));
});

test('a token is good in its namespace and below, by policies relative to it', async () => {
  const { call, send, inside, policy, tokenIn, admin } = await open();
  await policy('a', 'below', 'path "c/kv/*" { capabilities = ["read"] }');
  const below = await tokenIn('a', 'below');
  assert.deepEqual((await call('kv/x', undefined, inside('a/c', { token: below }))).data, { here: 'a/c' });
  assert.deepEqual((await call('a/c/kv/x', undefined, { token: below })).data, { here: 'a/c' });
  await assert.rejects(send('kv/x', undefined, inside('a', { token: below })), denied);
  for (const elsewhere of ['', 'b']) {
    await assert.rejects(send('kv/x', undefined, inside(elsewhere, { token: admin })), denied);
    await assert.rejects(send('sys/mounts', undefined, inside(elsewhere, { token: admin })), denied);
  }
  const { data } = await call('auth/token/lookup-self', undefined, inside('a', { token: admin }));
  assert.equal(data.namespace_path, 'a/');
  assert.match(admin, /^hvs\.\w{24}\.\w{6}$/);
  assert.match(String(data.accessor), /^\w{24}\.\w{6}$/);
});

test('a token of one namespace that makes one in another hands on nothing but default', async () => {
  const { call, send, inside, admin, policy, tokenIn } = await open();
  await policy('a/c', 'admin', `path "*" ${ALL}`);
  await policy('a', 'maker', 'path "c/auth/token/create" { capabilities = ["update"] }');
  const maker = await tokenIn('a', 'maker');
  const made = await call('auth/token/create', {}, inside('a/c', { token: maker }));
  assert.deepEqual(made.auth.policies, ['default']);
  await assert.rejects(
    send('auth/token/create', { policies: ['maker'] }, inside('a/c', { token: maker })),
    InvalidRequest,
  );
  const bySudo = await call('auth/token/create', { policies: ['admin'] }, inside('a/c', { token: admin }));
  assert.deepEqual(bySudo.auth.policies, ['admin', 'default']);
  for (const policies of [['root'], ['Root ']])
    await assert.rejects(send('auth/token/create', { policies }, inside('a')), /root tokens may not be/);
  const child = await call('auth/token/create', {}, inside('a'));
  assert.deepEqual(child.auth.policies, ['default']);
});

test('policies of a namespace are its own', async () => {
  const { call, send, inside, policy } = await open();
  await policy('a', 'p', 'path "kv/*" { capabilities = ["read"] }');
  await policy('b', 'p', 'path "kv/*" { capabilities = ["deny"] }');
  assert.match(String((await call('sys/policies/acl/p', undefined, inside('a'))).data.policy), /"read"/);
  await assert.rejects(send('sys/policies/acl/p'), NotFound);
  const list = await call('sys/policies/acl', undefined, inside('a', { method: 'LIST' }));
  assert.deepEqual(list.data.keys, ['admin', 'default', 'p']);
  await assert.rejects(send('sys/policies/acl/root', undefined, inside('a')), NotFound);
});

test('what is the root’s alone is refused elsewhere, whichever way it is asked for', async () => {
  const { send, inside } = await open();
  for (const path of [
    'sys/audit',
    'sys/raw/core',
    'sys/seal',
    'sys/rotate',
    'sys/config/cors',
    'sys/health',
    'sys/init',
  ]) {
    await assert.rejects(send(`a/${path}`), /unavailable operation/);
    if (!/health|init/.test(path))
      await assert.rejects(send(path, undefined, inside('a')), /unavailable operation/);
  }
});

test('a locked namespace answers nothing but its unlocking, and what is below it neither', async () => {
  const { call, send, inside, admin } = await open();
  const { data } = await call('sys/namespaces/api-lock/lock', {}, inside('a', { token: admin }));
  const key = String(data.unlock_key);
  for (const [path, namespace] of [
    ['kv/x', 'a'],
    ['kv/x', 'a/c'],
    ['auth/token/lookup-self', 'a'],
    ['sys/namespaces/api-lock/lock', 'a'],
  ] as const) {
    await assert.rejects(send(path, undefined, inside(namespace)), (error: Error) => {
      assert.ok(error instanceof ApiLocked);
      assert.match(error.message, /"a\/" must be unlocked to gain access/);
      return true;
    });
  }
  await call('kv/x', undefined, inside('b'));
  const unlock = (body: Record<string, unknown>, token?: string) =>
    send('sys/namespaces/api-lock/unlock', body, inside('a', token ? { token } : {}));
  await assert.rejects(unlock({}, admin), /unlock key must be provided/);
  await assert.rejects(unlock({ unlock_key: 'wrong' }, admin), /incorrect/);
  await unlock({ unlock_key: key }, admin);
  await call('kv/x', undefined, inside('a'));
  await send('sys/namespaces/api-lock/lock/a/c', {});
  await assert.rejects(send('kv/x', undefined, inside('a/c')), ApiLocked);
  await call('kv/x', undefined, inside('a'));
  await send('sys/namespaces/api-lock/unlock/a/c', {});
  await call('kv/x', undefined, inside('a/c'));
  await assert.rejects(send('sys/namespaces/api-lock/lock', {}), /root namespace/);
});

test('with a namespace goes everything in it', async () => {
  const { call, send, inside, domains, admin, a } = await open();
  await send('cubbyhole/mine', { secret: 'yes' }, inside('a', { token: admin }));
  await send(
    'sys/policies/password/p',
    { policy: 'length = 20\nrule "charset" { charset = "ab" }' },
    inside('a'),
  );
  await send('auth/token/roles/r', {}, inside('a'));
  await assert.rejects(send('sys/namespaces/a', undefined, { method: 'DELETE' }), /containing child/);
  await send('sys/namespaces/c', undefined, inside('a', { method: 'DELETE' }));
  const { status } = await send('sys/namespaces/a', undefined, { method: 'DELETE' });
  assert.equal(status, 204);
  await assert.rejects(send('sys/namespaces/a'), NotFound);
  const session = domains.openSession();
  const named = (key: string) => key.includes(`/${a.id}`) || key.includes(`.${a.id}`);
  const left = [...session.view('').keys('')].filter(named);
  assert.deepEqual(left, []);
  assert.equal(domains.tokens.find(session, admin), undefined);
  await call('sys/namespaces/a', {});
  await assert.rejects(send('kv/x', undefined, inside('a')), missing);
  await assert.rejects(send('sys/mounts', undefined, inside('a', { token: admin })), denied);
});

test('what a token keeps in another namespace’s cubbyhole goes with the token', async () => {
  const { call, send, inside, domains } = await open();
  const { auth } = await call('auth/token/create', { policies: ['root'] });
  await send('cubbyhole/mine', { secret: 'yes' }, inside('a', { token: auth.client_token }));
  const kept = () =>
    [...domains.openSession().view('logical/').keys('')].filter((key) => key.endsWith('/mine'));
  assert.equal(kept().length, 1);
  await send('auth/token/revoke', { token: auth.client_token });
  assert.deepEqual(kept(), []);
});

test('every request’s audit entries name its namespace', async () => {
  const { call, inside, trail, a } = await open();
  trail.records.length = 0;
  await call('kv/x', undefined, inside('a'));
  await call('a/kv/x');
  for (const { request } of trail.records) {
    assert.deepEqual([request?.namespace?.id, request?.namespace?.path, request?.path], [a.id, 'a/', 'kv/x']);
  }
  assert.equal(trail.records.length, 4);
});
