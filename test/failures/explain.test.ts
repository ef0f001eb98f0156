/**
 * "permission denied" and nothing else: whoever may know can ask why, and is told what the policy lacks; whoever wrote it
 * is warned at once. The refusal itself stays silent.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FailureNode } from './node.ts';

const WITHOUT_DATA = 'path "secret/team/*" { capabilities = ["create", "read", "update", "list"] }';
const DENIED = { errors: ['permission denied'] };

/** What people write on a KV v2 mount, what they then cannot do, and what the explanation has to say. */
const MISTAKES: readonly { rules: string; operation: string; path: string; told: RegExp }[] = [
  {
    rules: WITHOUT_DATA,
    operation: 'read',
    path: 'secret/data/team/a',
    told: /"data\/": "secret\/data\/team\/\*"/,
  },
  { rules: WITHOUT_DATA, operation: 'create', path: 'secret/data/team/new', told: /secret\/data\/team\/\*/ },
  {
    rules: WITHOUT_DATA,
    operation: 'list',
    path: 'secret/metadata/team',
    told: /secret\/metadata\/team\/\*/,
  },
  {
    rules: 'path "secret/data/team/*" { capabilities = ["read", "list"] }',
    operation: 'list',
    path: 'secret/metadata/team',
    told: /secret\/data\/team/,
  },
  {
    rules: 'path "secret/data/team" { capabilities = ["read"] }',
    operation: 'read',
    path: 'secret/data/team/a',
    told: /secret\/data\/team\/\*/,
  },
  {
    rules:
      'path "secret/data/team/*" { capabilities = ["read"] }\npath "secret/data/team/a" { capabilities = ["list"] }',
    operation: 'read',
    path: 'secret/data/team/a',
    told: /more specific/,
  },
  {
    rules: 'path "secret/data/Team/*" { capabilities = ["read"] }',
    operation: 'read',
    path: 'secret/data/team/a',
    told: /upper and lower case/,
  },
];

describe('permission denied', () => {
  let node: FailureNode;
  before(async () => {
    node = await FailureNode.start();
    await node.mountEverything();
    await node.ok('POST', 'secret/data/team/a', { body: { data: { value: 'canary-value' } } });
  });
  after(() => node.stop());
  const explain = async (token: string, body: unknown, path = 'sys/policies/explain-self') =>
    (await node.ok('POST', path, { token, body })).data;

  for (const { rules, operation, path, told } of MISTAKES) {
    it(`is explained: ${operation} ${path} with ${rules.replaceAll('\n', ' ')}`, async () => {
      const token = await node.tokenWith(rules);
      const method = { read: 'GET', list: 'LIST', create: 'POST' }[operation]!;
      const body = operation === 'create' ? { body: { data: {} } } : {};
      const refused = await node.request(method, path, { token, ...body });
      assert.equal(refused.status, 403);
      assert.deepEqual(refused.json(), DENIED, 'nothing is told to who does not ask');
      const data = await explain(token, { path, operation });
      assert.equal(data.allowed, false);
      assert.match(JSON.stringify(data.nearest_miss).replaceAll('\\"', '"'), told);
      assert.match(data.nearest_miss.policy, /^made-/);
      assert.equal(typeof data.nearest_miss.line, 'number');
      assert.doesNotMatch(JSON.stringify(data), /canary/);
    });
  }

  it('is foretold when the policy is written', async () => {
    const reply = await node.ok('POST', 'sys/policies/acl/team', { body: { policy: WITHOUT_DATA } });
    assert.match(reply.warnings.join(), /secret\/team\/\*.*line 1.*data\//);
    const right = 'path "secret/data/team/*" { capabilities = ["read"] }';
    assert.deepEqual(
      (await node.ok('POST', 'sys/policies/acl/team', { body: { policy: right } })).warnings,
      undefined,
    );
    const other = 'path "kv/team/*" { capabilities = ["read"] }';
    assert.deepEqual(
      (await node.ok('POST', 'sys/policies/acl/team', { body: { policy: other } })).warnings,
      undefined,
    );
  });

  it('says what is asked for by name: a parameter, a wrapping time, sudo', async () => {
    const token = await node.tokenWith(`
      path "kv/p" { capabilities = ["create", "update"] required_parameters = ["owner"] }
      path "kv/w" { capabilities = ["read"] min_wrapping_ttl = "1m" }
      path "sys/audit" { capabilities = ["read"] }`);
    assert.match(
      (await explain(token, { path: 'kv/p', operation: 'create' })).explanation,
      /"owner" is missing/,
    );
    assert.equal(
      (await explain(token, { path: 'kv/p', operation: 'create', data: { owner: 'me' } })).allowed,
      true,
    );
    assert.match((await explain(token, { path: 'kv/w' })).explanation, /wrapped for at least 60 seconds/);
    assert.equal((await explain(token, { path: 'kv/w', wrap_ttl: '2m' })).allowed, true);
    assert.match((await explain(token, { path: '/v1/sys/audit' })).explanation, /sudo/);
  });

  it('agrees with what then happens', async () => {
    const rules = `
      path "secret/data/+/a" { capabilities = ["read"] }
      path "secret/data/team/*" { capabilities = ["list", "update"] }
      path "secret/metadata/" { capabilities = ["list"] }
      path "auth/userpass/users/ann" { capabilities = ["deny"] }
      path "auth/*" { capabilities = ["read", "list"] }`;
    const token = await node.tokenWith(rules);
    for (const path of [
      ...[
        'secret/data/team/a',
        'secret/data/other/a',
        'secret/metadata/',
        'secret/metadata',
        'kv/x',
        'nowhere',
      ],
      ...[
        'auth/userpass/users/ann',
        'auth/userpass/users/Ann',
        'auth/userpass/users/bob',
        'auth/userpass/users',
      ],
      ...['sys/mounts', 'sys/auth', 'auth/token/lookup-self', 'cubbyhole/x'],
    ]) {
      for (const [operation, method] of [
        ['read', 'GET'],
        ['list', 'LIST'],
      ] as const) {
        const { status } = await node.request(method, path, { token });
        const { allowed, explanation } = await explain(token, { path, operation });
        assert.equal(allowed, status !== 403, `${method} ${path} was ${status}, but: ${explanation}`);
      }
    }
  });

  it('is told about another token only with sudo', async () => {
    const { auth } = await node.ok('POST', 'auth/token/create', { body: { policies: ['default'] } });
    const about = { path: 'secret/data/team/a' };
    const plain = await node.tokenWith('path "sys/policies/explain" { capabilities = ["update"] }');
    const asked = [
      { token: auth.client_token },
      { accessor: auth.accessor },
      { token: 'hvs.none' },
      { accessor: 'none' },
    ];
    const answers = await Promise.all(
      asked.map((whom) =>
        node.request('POST', 'sys/policies/explain', { token: plain, body: { ...about, ...whom } }),
      ),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [403, 403, 403, 403],
    );
    assert.equal(
      new Set(answers.map(({ text }) => text)).size,
      1,
      'nor is it told whether there is such a token',
    );
    assert.equal((await explain(plain, { ...about, token: plain }, 'sys/policies/explain')).allowed, false);
    const sudo = await node.tokenWith('path "sys/policies/explain" { capabilities = ["update", "sudo"] }');
    for (const whom of asked.slice(0, 2)) {
      const data = await explain(sudo, { ...about, ...whom }, 'sys/policies/explain');
      assert.deepEqual(data.policies, ['default']);
      assert.equal(data.allowed, false);
    }
    assert.equal(
      (await node.request('POST', 'sys/policies/explain-self', { token: '', body: about })).status,
      403,
    );
  });

  it('leaves no token asked about in the audit log', async () => {
    const { auth } = await node.ok('POST', 'auth/token/create', { body: {} });
    await explain(node.rootToken, { path: 'kv/x', token: auth.client_token }, 'sys/policies/explain');
    assert.equal(node.auditLog().includes(auth.client_token), false);
  });
});
