/**
 * What a policy's rule says about lists: never more keys than its `pagination_limit`, none that its filter hides, by every
 * way to list.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FailureNode } from './node.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const BELOW = ['f/g', 'f/h', 'i/j'];

/** Each way to list something, and the path that a rule has for it. */
const LISTS: readonly { method: string; url: string; rule: string; after?: string }[] = [
  { method: 'LIST', url: 'kv', rule: 'kv/' },
  { method: 'LIST', url: 'kv/', rule: 'kv/' },
  { method: 'GET', url: 'kv?list=true', rule: 'kv/' },
  { method: 'SCAN', url: 'kv', rule: 'kv/' },
  { method: 'GET', url: 'kv?scan=true', rule: 'kv/' },
  { method: 'LIST', url: 'secret/metadata', rule: 'secret/metadata/' },
  { method: 'GET', url: 'secret/metadata?list=true', rule: 'secret/metadata/' },
  { method: 'SCAN', url: 'secret/metadata', rule: 'secret/metadata/' },
  { method: 'LIST', url: 'secret/detailed-metadata', rule: 'secret/detailed-metadata/' },
  { method: 'LIST', url: 'auth/userpass/users', rule: 'auth/userpass/users/' },
  { method: 'LIST', url: 'auth/approle/role', rule: 'auth/approle/role/' },
  { method: 'LIST', url: 'sys/policies/acl', rule: 'sys/policies/acl/' },
  { method: 'LIST', url: 'database/roles', rule: 'database/roles/' },
];

describe('a list under a rule', () => {
  let node: FailureNode;
  before(async () => {
    node = await FailureNode.start();
    await node.mountEverything();
    for (const name of [...NAMES, ...BELOW]) {
      await node.ok('POST', `kv/${name}`, { body: { value: name } });
      await node.ok('POST', `secret/data/${name}`, { body: { data: { value: name } } });
    }
    for (const name of NAMES) {
      await node.ok('POST', `auth/userpass/users/${name}`, { body: { password: 'password' } });
      await node.ok('POST', `auth/approle/role/${name}`, { body: {} });
      await node.ok('POST', `sys/policies/acl/${name}`, { body: { policy: '# none' } });
      await node.ok('POST', `database/roles/${name}`, { body: DATABASE_ROLE });
    }
  });
  after(() => node.stop());

  const rule = (path: string, rest: string) =>
    `path "${path}" { capabilities = ["list", "scan"]\n${rest} }\n`;
  const names = async (token: string, { method, url }: { method: string; url: string }) => {
    const { data } = await node.ok(method, url, { token });
    if (data.key_info) assert.deepEqual(Object.keys(data.key_info).filter(isHidden(data.keys)), []);
    return data.keys as string[];
  };

  for (const list of LISTS) {
    it(`holds ${list.method} ${list.url} to the page limit`, async () => {
      const token = await node.tokenWith(rule(list.rule, 'pagination_limit = 2'));
      const all = await names(node.rootToken, list);
      assert.ok(all.length > 2);
      assert.deepEqual(await names(token, list), all.slice(0, 2));
      assert.deepEqual(await names(token, paged(list, 'limit=1')), all.slice(0, 1));
      assert.deepEqual(await names(token, paged(list, `limit=2&after=${all[1]}`)), all.slice(2, 4));
      assert.deepEqual(await names(token, paged(list, 'limit=0')), all.slice(0, 2));
      for (const limit of ['3', '-1', '1e3', '99999999999999999999', 'all', 'NaN', 'Infinity', '1&limit=9'])
        await assertKeptShort(node, token, paged(list, `limit=${limit}`));
    });

    it(`makes ${list.method} ${list.url} name a limit where the rule requires it`, async () => {
      const token = await node.tokenWith(
        rule(list.rule, 'pagination_limit = 2\nrequired_parameters = ["limit"]'),
      );
      assert.equal((await node.request(list.method, list.url, { token })).status, 403);
      assert.equal((await names(token, paged(list, 'limit=2'))).length, 2);
      assert.equal((await node.request(list.method, paged(list, 'limit=3').url, { token })).status, 403);
    });

    it(`shows of ${list.method} ${list.url} only what the caller may read`, async () => {
      const readable = `${list.rule.replace(/(detailed-)?metadata/, 'data')}`;
      const filter = String.raw`list_scan_response_keys_filter_path = "{{ .path | replace \"detailed-metadata/\" \"data/\" | replace \"metadata/\" \"data/\" }}{{ .key }}"`;
      const grants = ['b', 'f/h'].map((name) => `path "${readable}${name}" { capabilities = ["read"] }\n`);
      const token = await node.tokenWith(rule(list.rule, filter) + grants.join(''));
      const all = await names(node.rootToken, list);
      const expected = all.filter((name) => name === 'b' || name === 'f/h');
      assert.deepEqual(await names(token, list), expected);
      const blind = await node.tokenWith(rule(list.rule, filter));
      assert.deepEqual(await names(blind, list), []);
    });
  }
});

const DATABASE_ROLE = { db_name: 'sample', creation_statements: ['SELECT 1'] };

function isHidden(keys: readonly string[]): (name: string) => boolean {
  return (name) => !keys.includes(name);
}

function paged({ method, url }: { method: string; url: string }, query: string) {
  return { method, url: `${url}${url.includes('?') ? '&' : '?'}${query}` };
}

/** Refused, or no more than the limit; never everything. */
async function assertKeptShort(
  node: FailureNode,
  token: string,
  { method, url }: { method: string; url: string },
): Promise<void> {
  const { status, text } = await node.request(method, url, { token });
  assert.ok(status < 500, `${method} ${url}: ${status} ${text}`);
  if (status < 300) assert.ok(JSON.parse(text).data.keys.length <= 2, `${method} ${url} shows ${text}`);
  else assert.ok(status === 400 || status === 403, `${method} ${url}: ${status} ${text}`);
}
