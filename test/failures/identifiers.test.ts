/**
 * Ids and names of what the caller may not see: whether they exist or not, the answer is the same, and no list or document
 * shows them.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Endpoint, endpoints, filled, placeholders, prepare, query, sendsBody } from './endpoints.ts';
import { FailureNode } from './node.ts';

/** Whoever has a lease's id, which is random, may look at it and renew it: the `default` policy says so. */
const BY_KNOWLEDGE = new Set(['leases/lookup', 'leases/renew', 'renew']);

describe('what the caller may not see', () => {
  let node: FailureNode;
  let all: Endpoint[];
  /** A token with nothing but the `default` policy. */
  let stranger: string;
  let existing: Readonly<Record<string, string>>;
  before(async () => {
    node = await FailureNode.start();
    await node.mountEverything();
    all = endpoints(node);
    await prepare(node);
    stranger = (await node.ok('POST', 'auth/token/create', { body: { policies: ['default'] } })).auth
      .client_token;
    const other = (await node.ok('POST', 'auth/token/create', { body: { policies: ['sample'], ttl: '1h' } }))
      .auth;
    const leases = (await node.ok('LIST', 'sys/leases/lookup/auth/token/create')).data.keys as string[];
    const { secret_id_accessor } = (await node.ok('POST', 'auth/approle/role/sample/secret-id')).data;
    const mounts = (await node.ok('GET', 'sys/auth')).data;
    existing = {
      accessor: other.accessor,
      lease_id: `auth/token/create/${leases.at(-1)}`,
      url_lease_id: `auth/token/create/${leases.at(-1)}`,
      prefix: 'auth/token/create',
      secret_id_accessor,
      mount_accessor: mounts['userpass/'].accessor,
      path: 'userpass',
      from: 'sample',
    };
  });
  after(() => node.stop());

  const ask = ({ method, url, body }: Endpoint, changes: Record<string, string>, token: string) => {
    const data = { ...body, ...changes };
    return node.request(
      method,
      sendsBody({ method }) ? url : `${url}${query(data)}`,
      sendsBody({ method }) ? { body: data, token } : { token },
    );
  };

  it('is answered the same whether it is there or not', async () => {
    const failures: string[] = [];
    for (const endpoint of all.filter(({ path }) => !path.public && !BY_KNOWLEDGE.has(path.pattern))) {
      const { path, mount, method } = endpoint;
      const inPath = new Set(placeholders(path));
      for (const name of Object.keys(path.fields)) {
        const there = existing[name] ?? (inPath.has(name) ? 'sample' : undefined);
        if (there === undefined) continue;
        const missing = there.replaceAll(/[a-z]/g, 'q');
        const answers: string[] = [];
        for (const value of [there, missing]) {
          const url = mount.info.path + filled(path, (each) => (each === name ? value : 'sample'));
          const asked = inPath.has(name) ? { ...endpoint, url } : endpoint;
          const { status, text } = await ask(asked, inPath.has(name) ? {} : { [name]: value }, stranger);
          answers.push(`${status} ${text.replaceAll(value, '<id>').replace(/"request_id":"[^"]*"/, '')}`);
        }
        if (answers[0] !== answers[1])
          failures.push(`${method} ${endpoint.url}, ${name}: ${answers.join(' but ')}`);
      }
    }
    assert.deepEqual(failures, []);
  });

  it('is a mount, with or without a token', async () => {
    for (const token of [stranger, 'hvs.unknown', '']) {
      for (const [there, missing] of [
        ['kv/sample', 'nowhere/sample'],
        ['auth/userpass/users/sample', 'auth/nowhere/users/sample'],
        ['sys/internal/ui/mounts/kv/sample', 'sys/internal/ui/mounts/nowhere/sample'],
      ] as const) {
        for (const method of ['GET', 'LIST', 'POST', 'DELETE']) {
          const [a, b] = [
            await node.request(method, there, { token, body: method === 'POST' ? {} : undefined }),
            await node.request(method, missing, { token, body: method === 'POST' ? {} : undefined }),
          ];
          assert.deepEqual(
            [a.status, a.text.replaceAll('kv/', 'nowhere/')],
            [b.status, b.text],
            `${method} ${there} with ${token.slice(0, 6)}`,
          );
        }
      }
    }
  });

  it('is why a token is no good', async () => {
    const make = async (body: Record<string, unknown>) =>
      (await node.ok('POST', 'auth/token/create', { body: { policies: ['default'], ...body } })).auth
        .client_token as string;
    const [revoked, usedUp, expired] = [
      await make({}),
      await make({ num_uses: 1 }),
      await make({ ttl: '1s' }),
    ];
    await node.ok('POST', 'auth/token/revoke', { body: { token: revoked } });
    await node.ok('GET', 'auth/token/lookup-self', { token: usedUp });
    await pause(1100);
    const batch = await make({ type: 'batch' });
    const bad = [
      revoked,
      usedUp,
      expired,
      'hvs.unknown',
      'x',
      '__proto__',
      `${batch}x`,
      batch.slice(0, -4),
      'hvb.',
      'hvb.AAAA',
      `hvs.${'x'.repeat(5000)}`,
    ];
    for (const path of ['auth/token/lookup-self', 'secret/data/sample', 'nowhere']) {
      const answers = await Promise.all(bad.map((token) => node.request('GET', path, { token })));
      assert.equal(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1, path);
    }
  });

  it('is in no list or document that anybody may read', async () => {
    for (const path of [
      'sys/internal/ui/mounts',
      'sys/internal/ui/resultant-acl',
      'sys/internal/specs/openapi',
      'sys/internal/ui/namespaces',
    ]) {
      const { text } = await node.request('GET', path, { token: stranger });
      for (const hidden of ['kv/', 'approle', 'userpass', 'database', 'secret/', 'sample'])
        assert.ok(!text.includes(hidden), `${path} shows ${hidden}`);
    }
  });

  it('is not told by how a parameter is refused', async () => {
    const failures: string[] = [];
    for (const endpoint of all.filter(({ path }) => !path.public)) {
      for (const data of [{}, endpoint.body, { no_such_field: 1 }]) {
        const { status, text } = await node.request(endpoint.method, endpoint.url, {
          token: 'hvs.unknown',
          ...(sendsBody(endpoint) ? { body: data } : {}),
        });
        const expected = endpoint.path.badToken === undefined ? 403 : 400;
        if (status !== expected) failures.push(`${endpoint.method} ${endpoint.url}: ${status} ${text}`);
      }
    }
    assert.deepEqual(failures, []);
  });
});
