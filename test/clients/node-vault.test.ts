/** node-vault, the Node client, unmodified, does all that it can with one Coffer node. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import nodeVault from 'node-vault';
import type { CofferNode } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';

type Client = ReturnType<typeof nodeVault>;

describe('node-vault', () => {
  let node: CofferNode;
  let vault: Client;
  let keys: string[];
  const clientWith = (token: string | undefined, options = {}) =>
    nodeVault({ endpoint: node.address, token, ...options });
  /** node-vault takes the token of a reply for its own, also where it was made for somebody else. */
  const copyOf = (client: Client) => clientWith(client.token);

  before(async () => {
    delete process.env.VAULT_TOKEN;
    node = await coffer.start();
    vault = clientWith(undefined);
  });
  after(() => node?.stop());

  /** The error has this status, and the text among its errors. */
  async function refused(answer: Promise<unknown>, status: number, text = ''): Promise<void> {
    await assert.rejects(answer, (error: { message: string; response?: { statusCode: number } }) => {
      assert.equal(error.response?.statusCode, status, error.message);
      assert.ok(error.message.includes(text), error.message);
      return true;
    });
  }

  test('node-vault initialises and unseals', async () => {
    assert.deepEqual(await vault.initialized(), { initialized: false });
    assert.equal((await vault.health()).initialized, false);
    const made = await vault.init({ secret_shares: 3, secret_threshold: 2 });
    keys = made.keys;
    assert.equal(keys.length, 3);
    await refused(vault.init({ secret_shares: 1, secret_threshold: 1 }), 400, 'already initialized');
    vault.token = made.root_token;
    await refused(vault.mounts(), 503, 'Vault is sealed');
    assert.equal((await vault.status()).sealed, true);
    assert.equal((await vault.unseal({ key: keys[0] })).progress, 1);
    assert.equal((await vault.unseal({ reset: true, key: keys[0] })).progress, 0);
    await vault.unseal({ key: keys[0] });
    assert.equal((await vault.unseal({ key: keys[2] })).sealed, false);
    assert.equal((await vault.health()).sealed, false);
    assert.equal((await vault.leader()).is_self, true);
  });

  test('node-vault reads, writes, lists, patches and deletes key/value secrets', async () => {
    await vault.mount({ mount_point: 'kv1', type: 'kv', description: 'first' });
    await vault.mount({ mount_point: 'secret', type: 'kv', options: { version: '2' } });
    await vault.write('kv1/app/one', { user: 'ada', port: 5432 });
    assert.deepEqual((await vault.read('kv1/app/one')).data, { user: 'ada', port: 5432 });
    assert.deepEqual((await vault.list('kv1/app')).data.keys, ['one']);
    assert.deepEqual((await clientWith(vault.token, { noCustomHTTPVerbs: true }).list('kv1/app')).data.keys, [
      'one',
    ]);
    await vault.delete('kv1/app/one');
    await refused(vault.read('kv1/app/one'), 404);

    assert.equal((await vault.write('secret/data/a/b', { data: { one: 1, two: 2 } })).data.version, 1);
    assert.equal((await vault.update('secret/data/a/b', { data: { two: null, three: 3 } })).data.version, 2);
    assert.deepEqual((await vault.read('secret/data/a/b')).data.data, { one: 1, three: 3 });
    assert.deepEqual((await vault.read('secret/data/a/b?version=1')).data.data, { one: 1, two: 2 });
    await refused(
      vault.write('secret/data/a/b', { data: {}, options: { cas: 1 } }),
      400,
      'check-and-set parameter did not match',
    );
    await vault.delete('secret/data/a/b');
    await refused(vault.read('secret/data/a/b'), 404);
    await vault.write('secret/undelete/a/b', { versions: [2] });
    await vault.destroySecretVersions({ path: 'a/b', versions: [1] });
    await refused(vault.read('secret/data/a/b?version=1'), 404);
    await vault.write('secret/metadata/a/b', { custom_metadata: { owner: 'ada' }, max_versions: 5 });
    await vault.update('secret/metadata/a/b', { custom_metadata: { team: 'ops' } });
    assert.deepEqual((await vault.read('secret/metadata/a/b')).data.custom_metadata, {
      owner: 'ada',
      team: 'ops',
    });
    assert.deepEqual((await vault.read('secret/subkeys/a/b')).data.subkeys, { one: null, three: null });
    assert.deepEqual((await vault.list('secret/metadata/a')).data.keys, ['b']);
    await vault.delete('secret/metadata/a/b');
    await refused(vault.read('secret/metadata/a/b'), 404);
    assert.match((await vault.help('secret/data/a')).help, /PARAMETERS/);
  });

  test('node-vault uses the cubbyhole, wraps and unwraps', async () => {
    await vault.write('cubbyhole/mine', { a: 'b' });
    assert.deepEqual((await vault.read('cubbyhole/mine')).data, { a: 'b' });
    const wrapped = await vault.read('cubbyhole/mine', { headers: { 'X-Vault-Wrap-TTL': '60s' } });
    assert.deepEqual((await vault.unwrap({ token: wrapped.wrap_info.token })).data, { a: 'b' });
    await refused(
      vault.unwrap({ token: wrapped.wrap_info.token }),
      400,
      'wrapping token is not valid or does not exist',
    );
    const again = await vault.read('cubbyhole/mine', { headers: { 'X-Vault-Wrap-TTL': '60s' } });
    assert.deepEqual((await clientWith(again.wrap_info.token).unwrap()).data, { a: 'b' });
    await vault.delete('cubbyhole/mine');
  });

  test('node-vault mounts, tunes, moves and removes secrets engines and auth methods', async () => {
    await vault.remount({ from: 'kv1', to: 'moved/kv1' });
    assert.equal((await vault.mounts()).data['moved/kv1/'].description, 'first');
    await vault.write('sys/mounts/moved/kv1/tune', { default_lease_ttl: '1h' });
    assert.equal((await vault.read('sys/mounts/moved/kv1/tune')).data.default_lease_ttl, 3600);
    await vault.unmount({ mount_point: 'moved/kv1' });
    assert.equal((await vault.mounts()).data['moved/kv1/'], undefined);
    await refused(
      vault.mount({ mount_point: 'x', type: 'no-such-type' }),
      400,
      'plugin not found in the catalog',
    );
    await vault.enableAuth({ mount_point: 'temporary', type: 'userpass', description: 'for a while' });
    assert.equal((await vault.auths()).data['temporary/'].type, 'userpass');
    await vault.disableAuth({ mount_point: 'temporary' });
    assert.equal((await vault.auths()).data['temporary/'], undefined);
  });

  test('node-vault writes policies, which bind', async () => {
    const rules = 'path "secret/data/team/*" { capabilities = ["read"] }';
    await vault.addPolicy({ name: 'team', rules });
    assert.equal((await vault.getPolicy({ name: 'team' })).rules, rules);
    assert.ok((await vault.policies()).policies.includes('team'));
    await vault.write('secret/data/team/x', { data: { a: 1 } });
    const { auth } = await copyOf(vault).tokenCreate({ policies: ['team'], ttl: '5m' });
    const limited = clientWith(auth.client_token);
    assert.deepEqual((await limited.read('secret/data/team/x')).data.data, { a: 1 });
    await refused(limited.write('secret/data/team/x', { data: {} }), 403, 'permission denied');
    await refused(limited.read('secret/data/other'), 403, 'permission denied');
    assert.deepEqual(
      (await limited.write('sys/capabilities-self', { paths: ['secret/data/team/x'] })).capabilities,
      ['read'],
    );
    await vault.removePolicy({ name: 'team' });
    await refused(limited.read('secret/data/team/x'), 403);
    await refused(vault.getPolicy({ name: 'team' }), 404);
  });

  test('node-vault makes, looks up, renews and revokes tokens', async () => {
    const { auth } = await copyOf(vault).tokenCreate({
      policies: ['default'],
      ttl: '10m',
      meta: { who: 'ada' },
      display_name: 'ada',
    });
    assert.equal((await vault.tokenLookup({ token: auth.client_token })).data.display_name, 'token-ada');
    assert.equal((await vault.tokenLookupAccessor({ accessor: auth.accessor })).data.accessor, auth.accessor);
    assert.ok((await vault.tokenAccessors()).data.keys.includes(auth.accessor));
    const own = clientWith(auth.client_token);
    assert.deepEqual((await own.tokenLookupSelf()).data.meta, { who: 'ada' });
    assert.equal((await own.tokenRenewSelf({ increment: '20m' })).auth.lease_duration, 1200);
    assert.equal(
      (await copyOf(vault).tokenRenew({ token: auth.client_token, increment: '15m' })).auth.lease_duration,
      900,
    );
    await own.tokenRevokeSelf();
    await refused(own.tokenLookupSelf(), 403, 'permission denied');

    const orphan = (await copyOf(vault).tokenCreateOrphan({ policies: ['default'] })).auth;
    assert.equal((await vault.tokenLookup({ token: orphan.client_token })).data.orphan, true);
    await vault.tokenRevokeAccessor({ accessor: orphan.accessor });
    const parent = (await copyOf(vault).tokenCreate({ policies: ['root'] })).auth;
    const child = (await clientWith(parent.client_token).tokenCreate({ policies: ['default'] })).auth;
    await vault.tokenRevokeOrphan({ token: parent.client_token });
    assert.equal((await clientWith(child.client_token).tokenLookupSelf()).data.orphan, true);
    await vault.tokenRevoke({ token: child.client_token });
    await refused(clientWith(child.client_token).tokenLookupSelf(), 403);

    await vault.addTokenRole({ role_name: 'ci', allowed_policies: 'default,ci', orphan: true });
    assert.deepEqual((await vault.tokenRoles()).data.keys, ['ci']);
    assert.equal((await vault.getTokenRole({ role_name: 'ci' })).data.orphan, true);
    assert.deepEqual(
      (await copyOf(vault).tokenCreateRole({ role_name: 'ci', policies: ['ci'] })).auth.policies,
      ['ci', 'default'],
    );
    await vault.removeTokenRole({ role_name: 'ci' });
    await refused(vault.getTokenRole({ role_name: 'ci' }), 404);
  });

  test('node-vault renews its token by itself', async () => {
    const { auth } = await copyOf(vault).tokenCreate({
      policies: ['default'],
      ttl: '2s',
      explicit_max_ttl: '1h',
    });
    const own = clientWith(auth.client_token);
    const renewed = new Promise((resolve, reject) => {
      own.on('token:renewed', resolve);
      own.on('token:error:renew', reject);
    });
    await own.startTokenRenewal({ increment: '2s', renewFraction: 0.3 });
    await renewed;
    await pause(1800);
    own.stopTokenRenewal();
    assert.equal((await own.tokenLookupSelf()).data.type, 'service');
  });

  test('node-vault logs in by AppRole', async () => {
    await vault.enableAuth({ mount_point: 'approle', type: 'approle' });
    await vault.addApproleRole({
      role_name: 'web',
      policies: 'default,web',
      token_ttl: 600,
      secret_id_num_uses: 2,
    });
    assert.deepEqual((await vault.approleRoles()).data.keys, ['web']);
    assert.deepEqual((await vault.getApproleRole({ role_name: 'web' })).data.token_policies, [
      'default',
      'web',
    ]);
    await vault.updateApproleRoleId({ role_name: 'web', role_id: 'the-web' });
    const { role_id } = (await vault.getApproleRoleId({ role_name: 'web' })).data;
    assert.equal(role_id, 'the-web');
    const made = (await vault.getApproleRoleSecret({ role_name: 'web', metadata: '{"host":"w1"}' })).data;
    assert.deepEqual((await vault.approleSecretAccessors({ role_name: 'web' })).data.keys, [
      made.secret_id_accessor,
    ]);
    assert.deepEqual(
      (await vault.approleSecretLookup({ role_name: 'web', secret_id: made.secret_id })).data.metadata,
      { host: 'w1' },
    );
    const accessor = { role_name: 'web', secret_id_accessor: made.secret_id_accessor };
    assert.equal((await vault.approleSecretAccessorLookup(accessor)).data.secret_id_num_uses, 2);
    const login = clientWith(undefined);
    const { auth } = await login.approleLogin({ role_id, secret_id: made.secret_id });
    assert.deepEqual(auth.policies, ['default', 'web']);
    assert.equal(login.token, auth.client_token);
    assert.equal((await login.tokenLookupSelf()).data.path, 'auth/approle/login');
    await refused(
      clientWith(undefined).approleLogin({ role_id, secret_id: 'wrong' }),
      400,
      'invalid role or secret ID',
    );
    await vault.approleSecretAccessorDestroy(accessor);
    await refused(clientWith(undefined).approleLogin({ role_id, secret_id: made.secret_id }), 400);
    const second = (await vault.getApproleRoleSecret({ role_name: 'web' })).data;
    await vault.approleSecretDestroy({ role_name: 'web', secret_id: second.secret_id });
    await refused(clientWith(undefined).approleLogin({ role_id, secret_id: second.secret_id }), 400);
    await vault.deleteApproleRole({ role_name: 'web' });
    await refused(vault.getApproleRole({ role_name: 'web' }), 404);
  });

  test('node-vault logs in by userpass', async () => {
    await vault.enableAuth({ mount_point: 'userpass', type: 'userpass' });
    await vault.write('auth/userpass/users/ada', {
      password: 'a password of hers',
      token_policies: 'default',
    });
    const login = clientWith(undefined);
    const { auth } = await login.userpassLogin({ username: 'ada', password: 'a password of hers' });
    assert.equal(auth.metadata.username, 'ada');
    assert.equal((await login.tokenLookupSelf()).data.display_name, 'userpass-ada');
    await refused(
      login.userpassLogin({ username: 'ada', password: 'no' }),
      400,
      'invalid username or password',
    );
  });

  test('node-vault renews and revokes leases', async () => {
    const login = clientWith(undefined);
    await login.userpassLogin({ username: 'ada', password: 'a password of hers' });
    const [first] = (await vault.list('sys/leases/lookup/auth/userpass/login/ada')).data.keys;
    const lease_id = `auth/userpass/login/ada/${first}`;
    await vault.renew({ lease_id, increment: 600 });
    const { ttl } = (await vault.write('sys/leases/lookup', { lease_id })).data;
    assert.ok(ttl > 590 && ttl <= 600, String(ttl));
    await vault.revoke({ lease_id });
    await vault.revokePrefix({ path_prefix: 'auth/userpass' });
    await refused(login.tokenLookupSelf(), 403);
    await refused(vault.renew({ lease_id, increment: 600 }), 400, 'lease not found');
  });

  test('node-vault enables and disables audit devices; nothing secret is in their log', async () => {
    const file = join(node.folder, 'audit.log');
    await vault.enableAudit({
      name: 'tmp',
      type: 'file',
      description: 'for a test',
      options: { file_path: file },
    });
    assert.equal((await vault.audits()).data['tmp/'].type, 'file');
    await vault.write('secret/data/audited', { data: { password: 'a canary in the mine' } });
    const { hash } = await vault.write('sys/audit-hash/tmp', { input: 'a canary in the mine' });
    await vault.disableAudit({ name: 'tmp' });
    assert.deepEqual((await vault.audits()).data, {});
    const log = readFileSync(file, 'utf8');
    assert.ok(log.includes(hash));
    assert.ok(!log.includes('a canary in the mine') && !log.includes(vault.token));
  });

  test('node-vault works in namespaces', async () => {
    const root = copyOf(vault);
    await root.write('sys/namespaces/team', { custom_metadata: { owner: 'ops' } });
    const team = clientWith(root.token, { namespace: 'team' });
    await team.write('sys/namespaces/inner', {});
    const inner = clientWith(root.token, { namespace: 'team/inner' });
    await inner.mount({ mount_point: 'kv', type: 'kv' });
    await inner.write('kv/app', { where: 'inner' });
    assert.deepEqual((await root.read('team/inner/kv/app')).data, { where: 'inner' });
    assert.deepEqual((await team.read('inner/kv/app')).data, { where: 'inner' });
    await refused(root.read('kv/app'), 404, 'no handler for route');
    const { auth } = await clientWith(root.token, { namespace: 'team' }).tokenCreate({
      policies: ['default'],
    });
    const own = clientWith(auth.client_token, { namespace: 'team' });
    assert.equal((await own.tokenLookupSelf()).data.namespace_path, 'team/');
    await refused(clientWith(auth.client_token).tokenLookupSelf(), 403, 'permission denied');
    await refused(team.audits(), 400, 'unavailable operation');
    await refused(root.delete('sys/namespaces/team'), 400, 'child namespaces');
    await team.delete('sys/namespaces/inner');
    await root.delete('sys/namespaces/team');
    await refused(own.tokenLookupSelf(), 403, 'permission denied');
  });

  test('node-vault rotates the key, seals and unseals', async () => {
    const { term } = (await vault.read('sys/key-status')).data;
    await vault.rotate();
    assert.equal((await vault.read('sys/key-status')).data.term, term + 1);
    await vault.stepDown();
    await vault.seal();
    assert.equal((await vault.status()).sealed, true);
    await refused(vault.read('secret/data/audited'), 503, 'Vault is sealed');
    await vault.unseal({ key: keys[1] });
    await vault.unseal({ key: keys[2] });
    assert.deepEqual((await vault.read('secret/data/audited')).data.data, {
      password: 'a canary in the mine',
    });
  });

  test('node-vault meets each failure with its status and words', async () => {
    await refused(clientWith(undefined).mounts(), 403, 'permission denied');
    await refused(clientWith('no-such-token').mounts(), 403, 'permission denied');
    await refused(vault.read('no/such/mount'), 404, 'no handler for route');
    await refused(vault.write('sys/tools/random', { bytes: 'many' }), 400, 'bytes');
    await refused(vault.delete('sys/wrapping/wrap'), 405, 'unsupported operation');
  });
});
