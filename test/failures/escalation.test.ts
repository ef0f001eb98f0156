/**
 * No route to more than one has: names that others choose mean nothing in policies, paths and templates, and `root` comes
 * only from root, however it is spelled and whoever is asked for it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FailureNode } from './node.ts';

const ROOTS = [
  'root',
  'ROOT',
  ' root ',
  'Root',
  'root\u0000',
  '\ufeffroot',
  'ｒｏｏｔ',
  'root/',
  '/root',
  'default,root',
  'root,default',
  'rооt',
  'root\n',
  '*',
  '+',
  'r*',
];
const NAMES = [
  '*',
  '+',
  'a*',
  'a/*',
  '../a',
  'a,b',
  '{{identity.entity.id}}',
  '{{',
  '"',
  "'",
  '\\',
  'a" { capabilities = ["root"] }',
  '__proto__',
  'constructor',
];

describe('nobody gets more than they have', () => {
  let node: FailureNode;
  before(async () => {
    node = await FailureNode.start();
    await node.mountEverything();
    await node.ok('POST', 'secret/data/precious', { body: { data: { a: 1 } } });
  });
  after(() => node.stop());

  /** Whether the token may read what nobody but root may here. */
  const isRoot = async (token: string) =>
    (await node.request('GET', 'secret/data/precious', { token })).status === 200;

  it('by asking for root when making a token, also through a role or with sudo', async () => {
    const rules =
      'path "auth/token/*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }';
    for (const wanted of [rules, rules.replace(', "sudo"', '')]) {
      const token = await node.tokenWith(wanted);
      for (const policy of ROOTS) {
        for (const policies of [[policy], policy, [policy, 'default'], { 0: policy }]) {
          await node.request('POST', 'auth/token/roles/rich', {
            token,
            body: { allowed_policies: policies, allowed_policies_glob: ['*'], token_policies: policies },
          });
          for (const path of ['auth/token/create', 'auth/token/create-orphan', 'auth/token/create/rich']) {
            for (const extra of [{}, { no_parent: true }, { type: 'batch' }, { no_default_policy: true }]) {
              const { status, text } = await node.request('POST', path, {
                token,
                body: { policies, ...extra },
              });
              assert.ok(status < 500, text);
              if (status === 200)
                assert.equal(
                  await isRoot(JSON.parse(text).auth.client_token),
                  false,
                  `${path} ${JSON.stringify(policies)}`,
                );
            }
          }
        }
      }
      const inherited = await node.request('POST', 'auth/token/create/rich', { token });
      if (inherited.status === 200) assert.equal(await isRoot(inherited.json().auth.client_token), false);
    }
  });

  it('by a user or role that has root', async () => {
    for (const policy of ROOTS) {
      await node.request('POST', 'auth/userpass/users/rich', {
        body: { password: 'password', token_policies: [policy] },
      });
      const user = await node.request('POST', 'auth/userpass/login/rich', {
        token: '',
        body: { password: 'password' },
      });
      await node.ok('POST', 'auth/approle/role/rich', {
        body: { bind_secret_id: false, secret_id_bound_cidrs: ['127.0.0.1/32'], token_policies: [policy] },
      });
      const { role_id } = (await node.ok('GET', 'auth/approle/role/rich/role-id')).data;
      const role = await node.request('POST', 'auth/approle/login', { token: '', body: { role_id } });
      for (const { status, text } of [user, role]) {
        assert.ok(status < 500, text);
        if (status === 200) assert.equal(await isRoot(JSON.parse(text).auth.client_token), false, policy);
      }
    }
  });

  it('by a policy called root, or one of the host’s own', async () => {
    for (const policy of [...ROOTS, 'response-wrapping', 'control-group']) {
      for (const path of ['sys/policies/acl', 'sys/policy']) {
        const { status } = await node.request('POST', `${path}/${encodeURIComponent(policy)}`, {
          body: { policy: 'path "*" { capabilities = ["read"] }' },
        });
        assert.ok(status < 500);
      }
    }
    const { client_token } = (await node.ok('POST', 'auth/token/create', { body: { policies: ['default'] } }))
      .auth;
    assert.equal(await isRoot(client_token), false);
    for (const policy of ['response-wrapping', 'control-group']) {
      const { status } = await node.request('POST', 'auth/token/create', { body: { policies: [policy] } });
      assert.equal(status, 400, `${policy} cannot be assigned`);
    }
  });

  it('by names that look like rules', async () => {
    await node.ok('POST', 'sys/policies/acl/plain', {
      body: { policy: 'path "secret/data/mine" { capabilities = ["read"] }' },
    });
    for (const name of NAMES) {
      const { status, text } = await node.request('POST', 'auth/token/create', {
        body: {
          policies: ['plain'],
          display_name: name,
          meta: { name, [name]: name },
          no_default_policy: true,
        },
      });
      assert.ok(status < 500, text);
      if (status === 200) assert.equal(await isRoot(JSON.parse(text).auth.client_token), false, name);
      await node.request('POST', `sys/policies/acl/${encodeURIComponent(name)}`, {
        body: { policy: 'path "secret/data/mine" { capabilities = ["read"] }' },
      });
      const { auth } = await node.ok('POST', 'auth/token/create', { body: { policies: [name, 'plain'] } });
      assert.equal(await isRoot(auth.client_token), false, name);
    }
  });

  it('by a mount that takes the place of another', async () => {
    const token = await node.tokenWith(
      'path "sys/mounts/*" { capabilities = ["create", "update", "delete", "sudo"] }\npath "sys/remount" { capabilities = ["update", "sudo"] }',
    );
    for (const path of [
      'sys',
      'sys/x',
      'auth',
      'auth/token',
      'auth/userpass/login',
      'cubbyhole',
      'secret',
      'secret/data',
      'SECRET/../secret',
      'identity',
      'audit/x',
      ' secret',
      'secret%2fdata',
      'token',
    ]) {
      const { status, text } = await node.request('POST', `sys/mounts/${path.replaceAll(' ', '%20')}`, {
        token,
        body: { type: 'kv' },
      });
      if (path === 'identity' || path === 'token') continue;
      assert.ok(status >= 400 && status < 500, `${path}: ${status} ${text}`);
    }
    for (const [from, to] of [
      ['kv', 'sys'],
      ['kv', 'auth/kv'],
      ['sys', 'kv2'],
      ['auth/token', 'auth/x'],
      ['kv', 'secret/data'],
      ['kv', '../x'],
      ['cubbyhole', 'c'],
    ]) {
      const { status } = await node.request('POST', 'sys/remount', { token, body: { from, to } });
      assert.ok(status >= 400 && status < 500, `${from} to ${to}: ${status}`);
    }
    await node.ok('GET', 'secret/data/precious');
  });

  it('by another’s cubbyhole', async () => {
    const [one, two] = await Promise.all(
      ['one', 'two'].map(
        async () =>
          (await node.ok('POST', 'auth/token/create', { body: { policies: ['default'] } })).auth
            .client_token as string,
      ),
    );
    await node.ok('POST', 'cubbyhole/a/b', { token: one!, body: { secret: 1 } });
    for (const path of ['cubbyhole/a/b', 'cubbyhole/../a/b', 'cubbyhole//a/b', 'cubbyhole/']) {
      for (const method of ['GET', 'LIST'])
        assert.ok((await node.request(method, path, { token: two! })).status >= 400, path);
    }
    assert.ok((await node.request('GET', 'cubbyhole/a/b')).status >= 400, 'root neither');
  });
});
