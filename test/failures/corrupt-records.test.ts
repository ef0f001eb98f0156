/**
 * One damaged record costs what it holds and nothing else: the server unseals, serves all the rest, keeps the bytes, and
 * tells which record it is. Every record of a store that has something of everything is damaged in turn.
 */
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openLmdbCopy } from '../../src/store/lmdb.ts';
import { unreliableEngine } from './engines.ts';
import { FailureNode, settle } from './node.ts';

/** Without these nothing can be decrypted, or nobody recognised: the server stays sealed and says so. */
const INDISPENSABLE = ['core/seal-config', 'core/root-key', 'core/keyring', 'core/token-salt'];
/** Read before anything can be decrypted, hence without the barrier's quarantine. */
const PLAIN = /^core\/(cluster|seal-config|root-key)$/;

describe('one damaged record', () => {
  let node: FailureNode;
  let store: Store;
  let keys: string[];
  before(async () => {
    node = await FailureNode.start({ onDisk: true, engines: [unreliableEngine({})] });
    store = await furnish(node);
    await node.end();
    keys = recordsOf(node);
    cpSync(node.storageFolder, pristine(node), { recursive: true });
  });
  after(() => node.stop());

  it('keeps nothing sealed, takes nothing else along, and is told of', async () => {
    assert.ok(keys.length > 40, keys.join('\n'));
    const failures: string[] = [];
    for (const key of keys.filter((each) => !INDISPENSABLE.includes(each))) {
      const [, expected] = store.consequences.find(([record]) => record.test(key)) ?? [];
      const broken = await brokenBy(node, store, key);
      const others = [...broken].filter(([probe]) => !expected?.test(probe));
      failures.push(...others.map(([probe, what]) => `${key}: ${probe}: ${what}`));
    }
    assert.deepEqual(failures, []);
  });

  for (const key of INDISPENSABLE) {
    it(`keeps the server sealed where nothing works without it: ${key}`, async () => {
      await assert.rejects(node.restart({ between: () => damage(node, key) }));
      assert.ok(node.serverLog().includes(key) || key === 'core/keyring');
      const health = await node.request('GET', 'sys/health', { token: '' });
      assert.ok([500, 503].includes(health.status), `${health.status} ${health.text}`);
      const again = { secret_shares: 1, secret_threshold: 1 };
      const init = await node.request('POST', 'sys/init', { token: '', body: again });
      assert.ok(init.status >= 400, 'nothing is made anew over what is there');
    });
  }

  it('can be written anew: a policy', async () => {
    const { reader, readerPolicy } = store;
    await node.end().catch(() => {});
    await node.restart({ between: () => damage(node, `sys/policy/${readerPolicy}`) });
    assert.equal(
      (await node.request('GET', 'kv/b', { token: reader })).status,
      500,
      'it may have held a denial',
    );
    assert.ok((await node.ok('LIST', 'sys/policies/acl')).data.keys.includes(readerPolicy));
    await node.ok('POST', `sys/policies/acl/${readerPolicy}`, { body: { policy: READER } });
    assert.equal((await node.request('GET', 'kv/b', { token: reader })).status, 200);
  });

  it('can be deleted and made anew: an entity, an alias, a group', async () => {
    const { ann, bob, group, aliasOfAnn } = store;
    const logIn = (name: string) =>
      node.request('POST', `auth/userpass/login/${name}`, {
        token: '',
        body: { password: `password of ${name}` },
      });
    const alias = keys.find((key) => /^identity\/root\/entity-alias\/name\/\w+\/ann$/.test(key)) ?? '';
    for (const [key, name, path] of [
      [`identity/root/entity/id/${ann}`, 'ann', `identity/entity/id/${ann}`],
      [alias, 'ann', `identity/entity-alias/id/${aliasOfAnn}`],
      [`identity/root/group/id/${group}`, 'bob', `identity/group/id/${group}`],
    ] as const) {
      await node.end().catch(() => {});
      await node.restart({ between: () => damage(node, key) });
      assert.equal((await logIn(name)).status, 500, key);
      await node.ok('DELETE', path);
      assert.equal((await logIn(name)).status, 200, key);
      const body = { name: 'staff', policies: ['default'], member_entity_ids: [bob] };
      await node.ok('POST', 'identity/group', { body });
      assert.equal((await logIn('bob')).status, 200, key);
    }
  });
});

interface Store {
  readonly reader: string;
  readonly readerPolicy: string;
  readonly other: string;
  readonly wrapping: string;
  /** Ids of entities. */
  readonly ann: string;
  readonly bob: string;
  readonly aliasOfAnn: string;
  /** Id of the group that one is in. */
  readonly group: string;
  /** Which probes may fail when a record of that name is damaged; of other records none. */
  readonly consequences: readonly (readonly [record: RegExp, probes: RegExp])[];
}

const READER = 'path "kv/*" { capabilities = ["read"] }\npath "cubbyhole/*" { capabilities = ["read"] }';

/** Something of everything. */
async function furnish(node: FailureNode): Promise<Store> {
  const post = (path: string, body: unknown, token = node.rootToken) =>
    node.ok('POST', path, { body, token });
  await node.mountEverything();
  await post('kv/a', { value: 'a' });
  await post('kv/b', { value: 'b' });
  await post('secret/data/a', { data: { value: 'a' } });
  await post('secret/data/b', { data: { value: 'b' } });
  await post('auth/userpass/users/ann', { password: 'password of ann' });
  await post('auth/userpass/users/bob', { password: 'password of bob' });
  await post('auth/approle/role/web', { token_policies: ['default'] });
  await post('auth/approle/role/web/role-id', { role_id: 'role-id' });
  await post('auth/approle/role/web/custom-secret-id', { secret_id: 'secret-id' });
  await post('auth/token/roles/maker', { allowed_policies: ['default'] });
  await post('sys/policies/password/digits', {
    policy: 'length = 20\nrule "charset" { charset = "0123456789" }',
  });
  await post('sys/config/ui/headers/x-color', { values: ['blue'] });
  await post('sys/config/auditing/request-headers/x-color', { hmac: false });
  await post('sys/config/cors', { allowed_origins: ['http://127.0.0.1'] });
  await post('sys/audit/second', { type: 'file', options: { file_path: join(node.folder, 'second.log') } });
  const people = await furnishPeople(node);
  const reader = await node.tokenWith(READER, { ttl: '1h' });
  const other = await node.tokenWith(READER, { ttl: '1h', no_parent: true });
  const mine = await node.tokenWith('path "cubbyhole/*" { capabilities = ["create", "update"] }');
  await post('cubbyhole/mine', { value: 'mine' }, mine);
  await node.ok('GET', 'unreliable/creds/a');
  await node.ok('GET', 'unreliable/creds/b');
  const wrapped = await node.ok('GET', 'kv/a', { headers: { 'X-Vault-Wrap-TTL': '1h' } });
  const wrapping = wrapped.wrap_info.token;
  const policyOf = async (token: string) =>
    (await node.ok('GET', 'auth/token/lookup-self', { token })).data.policies.find(
      (name: string) => name !== 'default',
    );
  const readerPolicy = await policyOf(reader);
  const consequences = consequencesIn(node, {
    reader,
    other,
    wrapping,
    readerPolicy,
    otherPolicy: await policyOf(other),
    ...people,
  });
  return { reader, other, wrapping, readerPolicy, ...people, consequences };
}

type People = Pick<Store, 'ann' | 'bob' | 'aliasOfAnn' | 'group'>;

/** Two who have logged in, one of them in a group. */
async function furnishPeople(node: FailureNode): Promise<People> {
  const logIn = async (name: string): Promise<string> => {
    const body = { password: `password of ${name}` };
    return (await node.ok('POST', `auth/userpass/login/${name}`, { token: '', body })).auth.entity_id;
  };
  const [ann, bob] = [await logIn('ann'), await logIn('bob')];
  const body = { name: 'staff', policies: ['default'], member_entity_ids: [bob] };
  const group = (await node.ok('POST', 'identity/group', { body })).data.id;
  const [alias] = (await node.ok('GET', `identity/entity/id/${ann}`)).data.aliases;
  return { ann, bob, group, aliasOfAnn: alias.id };
}

function consequencesIn(
  { domains, rootToken }: FailureNode,
  names: People & {
    reader: string;
    other: string;
    wrapping: string;
    readerPolicy: string;
    otherPolicy: string;
  },
): Store['consequences'] {
  const { mounts, tokens } = domains;
  const mount = (path: string) => mounts.root.get(path)!.entry.uuid;
  const table: [record: string, probes: RegExp][] = [
    [`core/mounts/${mount('kv/')}`, /^(kv|token reader|token other)/],
    [`core/mounts/${mount('secret/')}`, /^secret/],
    [`core/mounts/${mount('auth/userpass/')}`, /^users/],
    [`core/mounts/${mount('auth/approle/')}`, /^approle/],
    [`core/mounts/${mount('unreliable/')}`, /^lease creds/],
    [`logical/${mount('kv/')}/plain/a`, /^kv a$/],
    [`logical/${mount('kv/')}/plain/b`, /^(kv b|token reader|token other)$/],
    [`logical/${mount('secret/')}/\\w+/a`, /^secret a$/],
    [`logical/${mount('secret/')}/\\w+/b`, /^secret b$/],
    [`logical/${mount('auth/userpass/')}/user/ann`, /^users ann$/],
    [`logical/${mount('auth/userpass/')}/user/bob`, /^users bob$/],
    [`identity/root/entity/id/${names.ann}`, /^(users ann|entity)$/],
    [`identity/root/entity/id/${names.bob}`, /^users bob$/],
    ['identity/root/entity-alias/name/\\w+/ann', /^(users ann|entity)$/],
    ['identity/root/entity-alias/name/\\w+/bob', /^users bob$/],
    [`identity/root/entity-alias/id/`, /^alias of ann$/],
    [`identity/root/group/id/${names.group}`, /^(users bob|group)$/],
    ['identity/root/group/name/', /^group$/],
    [`logical/${mount('auth/approle/')}/`, /^approle$/],
    [`logical/${mount('auth/token/')}/roles/maker`, /^role$/],
    [`tokens/key/${tokens.keyOf(rootToken)}`, /(?<!^token other|users .*|approle)$/],
    [`tokens/key/${tokens.keyOf(names.reader)}`, /^token reader$/],
    [`tokens/key/${tokens.keyOf(names.other)}`, /^token other$/],
    [`tokens/key/${tokens.keyOf(names.wrapping)}`, /^wrapped$/],
    ['wrapping/', /^wrapped$/],
    [`sys/policy/${names.readerPolicy}$`, /^token reader$/],
    [`sys/policy/${names.otherPolicy}$`, /^token other$/],
    ['sys/policy/default', /^token (reader|other)$/],
    ['sys/policy/response-wrapping', /^wrapped$/],
    ['sys/password-policy/', /^password policy$/],
    ['core/audit/', /^audit hash$/],
    ['core/config/ui-headers', /^headers$/],
  ];
  return table.map(([record, probes]) => [new RegExp(`^${record}`), probes] as const);
}

/** What fails now, by name, with how; names begin with what they are about. */
async function probes(
  node: FailureNode,
  { reader, other, wrapping, ann }: Store,
): Promise<Map<string, string>> {
  const failed = new Map<string, string>();
  const probe = async (what: string, method: string, path: string, sent = {}) => {
    const { status, text } = await node.request(method, path, sent);
    if (status >= 300) failed.set(what, `${status} ${text.trim()}`);
  };
  await probe('seal status', 'GET', 'sys/seal-status', { token: '' });
  await probe('health', 'GET', 'sys/health', { token: '' });
  await probe('leader', 'GET', 'sys/leader', { token: '' });
  await probe('root', 'GET', 'auth/token/lookup-self');
  await probe('kv a', 'GET', 'kv/a');
  await probe('kv b', 'GET', 'kv/b');
  await probe('kv list', 'LIST', 'kv');
  await probe('kv write', 'POST', 'kv/new', { body: { value: 'new' } });
  await probe('secret a', 'GET', 'secret/data/a');
  await probe('secret b', 'GET', 'secret/data/b');
  await probe('secret list', 'LIST', 'secret/detailed-metadata');
  await probe('secret write', 'POST', 'secret/data/new', { body: { data: { value: 'new' } } });
  for (const user of ['ann', 'bob'])
    await probe(`users ${user}`, 'POST', `auth/userpass/login/${user}`, {
      token: '',
      body: { password: `password of ${user}` },
    });
  const login = { role_id: 'role-id', secret_id: 'secret-id' };
  await probe('approle', 'POST', 'auth/approle/login', { token: '', body: login });
  await probe('token reader', 'GET', 'kv/b', { token: reader });
  await probe('token other', 'GET', 'kv/b', { token: other });
  await probe('token create', 'POST', 'auth/token/create', { body: { policies: ['default'] } });
  await probe('token list', 'LIST', 'auth/token/accessors');
  await probe('token tidy', 'POST', 'auth/token/tidy');
  await probe('role', 'POST', 'auth/token/create/maker', { body: {} });
  await probe('lease creds', 'GET', 'unreliable/creds/c');
  await probe('lease count', 'GET', 'sys/leases/count');
  await probe('lease list', 'LIST', 'sys/leases/lookup/unreliable/creds');
  await probe('policies', 'LIST', 'sys/policies/acl');
  await probe('policy', 'POST', 'sys/policies/acl/new', { body: { policy: READER } });
  await probe('password policy', 'GET', 'sys/policies/password/digits/generate');
  await probe('mounts', 'GET', 'sys/mounts');
  await probe('auth', 'GET', 'sys/auth');
  await probe('mount', 'POST', 'sys/mounts/new', { body: { type: 'kv' } });
  await probe('audit', 'GET', 'sys/audit');
  await probe('audit hash', 'POST', 'sys/audit-hash/file', { body: { input: 'x' } });
  await probe('headers', 'GET', 'sys/config/ui/headers/x-color');
  await probe('cors', 'GET', 'sys/config/cors');
  await probe('versions', 'LIST', 'sys/version-history');
  await probe('key', 'GET', 'sys/key-status');
  await probe('entity', 'POST', 'identity/lookup/entity', { body: { id: ann } });
  await probe('group', 'GET', 'identity/group/name/staff');
  await probe('entities', 'LIST', 'identity/entity/id');
  await probe('groups', 'LIST', 'identity/group/name');
  await probe('wrapped', 'POST', 'sys/wrapping/unwrap', { token: wrapping });
  return failed;
}

/** The probes that fail once `key` is damaged, and what else is not as it should be. */
async function brokenBy(node: FailureNode, store: Store, key: string): Promise<Map<string, string>> {
  const logged = node.serverLog().length;
  try {
    await node.restart({ between: () => damage(node, key) });
  } catch (error) {
    return new Map([['unsealing', `${error instanceof Error ? error.stack : error}`]]);
  }
  const broken = await probes(node, store);
  await settle();
  const told = node.serverLog().slice(logged);
  if (broken.size > 0 && !told.includes(key)) broken.set('log', 'says nothing of it');
  const unexpected = told.match(/.*failed unexpectedly.*/);
  if (unexpected) broken.set('log', unexpected[0]);
  const listed = await node.request('GET', 'sys/quarantine');
  if (
    listed.status === 200 &&
    told.includes(key) &&
    !PLAIN.test(key) &&
    !listed.text.includes(JSON.stringify(key))
  )
    broken.set('quarantine', listed.text);
  return broken;
}

async function damage(node: FailureNode, key: string): Promise<void> {
  rmSync(node.storageFolder, { recursive: true });
  cpSync(pristine(node), node.storageFolder, { recursive: true });
  const copy = openLmdbCopy({ path: node.storageFolder });
  const value = Uint8Array.from(copy.get(key)!);
  value[value.length - 1]! ^= 0x01;
  await copy.apply([{ key, value }], copy.revision + 1);
  await copy.close();
}

function recordsOf(node: FailureNode): string[] {
  const copy = openLmdbCopy({ path: node.storageFolder });
  const keys = copy.keys({ start: '\u0001', end: undefined, limit: 10_000 });
  void copy.close();
  return keys;
}

function pristine(node: FailureNode): string {
  return join(node.folder, 'pristine');
}
