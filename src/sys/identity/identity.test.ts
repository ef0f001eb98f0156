import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openNode, type TestNode } from '../../../test/pipeline-node.ts';
import { InvalidRequest, NotFound, PermissionDenied } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { type EngineType, path } from '../../engine/engine.ts';
import { list, pairs, text } from '../../engine/fields.ts';

/** Whoever asks is let in, in groups of their choice. */
const trusting: EngineType = {
  type: 'trusting',
  class: 'auth',
  summary: 'Believes everybody.',
  open: () => {
    const groups = new Map<string, string[]>();
    return {
      canonicalAliasName: (name) => name.toLowerCase(),
      paths: [
        path({
          pattern: 'login',
          summary: 'Logs in.',
          public: true,
          fields: {
            name: text({ description: 'Who.', required: true }),
            groups: list({ description: 'In which groups.' }),
            metadata: pairs({ description: 'Of the alias.' }),
          },
          operations: {
            write: {
              handler(_, input) {
                const aliasName = input.name.toLowerCase();
                if (input.groups) groups.set(aliasName, input.groups);
                return {
                  login: {
                    aliasName,
                    displayName: aliasName,
                    metadata: {},
                    ...(input.metadata && { aliasMetadata: input.metadata }),
                    ...(input.groups && { groupAliases: input.groups }),
                    token: TOKEN,
                  },
                };
              },
            },
          },
        }),
        path({
          pattern: 'groups/{name}',
          summary: 'Changes groups.',
          fields: {
            name: text({ description: 'Who.', required: true }),
            groups: list({ description: 'Now.' }),
          },
          operations: {
            write: { handler: (_, input) => void groups.set(input.name, input.groups ?? []) },
          },
        }),
      ],
      renewLogin: (_, { aliasName }) => ({ ...TOKEN, groupAliases: groups.get(aliasName) ?? [] }),
    };
  },
};

const TOKEN = {
  ttl: 3600,
  maxTtl: 0,
  explicitMaxTtl: 0,
  period: 0,
  policies: ['own'],
  boundCidrs: [],
  noDefaultPolicy: false,
  numUses: 0,
  type: 'default',
} as const;

interface Bench extends TestNode {
  readonly accessor: string;
  /** The reply's data. */
  write(at: string, body?: UnknownRecord): Promise<UnknownRecord>;
  read(at: string): Promise<UnknownRecord>;
  logIn(name: string, more?: UnknownRecord): Promise<Auth>;
  /** Whether that token may read at a path. */
  may(token: string, at: string): Promise<boolean>;
}
type Auth = Awaited<ReturnType<TestNode['call']>>['auth'];

async function open(): Promise<Bench> {
  const node = await openNode({ engines: [trusting] });
  const { call, send } = node;
  await send('sys/auth/trusting', { type: 'trusting' });
  await send('sys/mounts/kv', { type: 'kv' });
  for (const name of ['own', 'a', 'b', 'c']) {
    await send(`sys/policies/acl/${name}`, { policy: `path "kv/${name}" { capabilities = ["read"] }` });
    await send(`kv/${name}`, { value: name });
  }
  const { data } = await call('sys/auth');
  return {
    ...node,
    accessor: (data['trusting/'] as { accessor: string }).accessor,
    write: async (at, body = {}) => (await call(`identity/${at}`, body))?.data,
    read: async (at) => (await call(`identity/${at}`)).data,
    logIn: async (name, more = {}) =>
      (await call('auth/trusting/login', { name, ...more }, { token: '' })).auth,
    may: (token, at) =>
      send(at, undefined, { token }).then(
        () => true,
        (error) => {
          assert.ok(error instanceof PermissionDenied, String(error));
          return false;
        },
      ),
  };
}

test('who logs in for the first time becomes an entity, and is the same one from then on', async () => {
  const bench = await open();
  const first = await bench.logIn('Ann', { metadata: { team: 'x' } });
  const again = await bench.logIn('ANN', { metadata: { team: 'x' } });
  assert.equal(again.entity_id, first.entity_id);
  assert.notEqual((await bench.logIn('bob')).entity_id, first.entity_id);
  const entity = await bench.read(`entity/id/${first.entity_id}`);
  const [alias] = entity.aliases as UnknownRecord[];
  assert.equal(alias?.name, 'ann');
  assert.equal(alias?.mount_path, 'auth/trusting/');
  assert.deepEqual({ ...(alias?.metadata as object) }, { team: 'x' });
  assert.match(String(entity.name), /^entity_[0-9a-f]{8}$/);
  assert.equal(entity.policies, null);
  const { data } = await bench.call('sys/internal/counters/entities');
  assert.deepEqual(data, { counters: { entities: { total: 2 } } });
});

test('a login that changes nothing writes nothing of identities', async () => {
  const bench = await open();
  const { entity_id: id } = await bench.logIn('ann', { metadata: { team: 'x' } });
  const before = await bench.read(`entity/id/${id}`);
  bench.clock.advance(5000);
  await bench.logIn('ann', { metadata: { team: 'x' } });
  assert.deepEqual(await bench.read(`entity/id/${id}`), before);
  await bench.logIn('ann', { metadata: { team: 'y' } });
  const [alias] = (await bench.read(`entity/id/${id}`)).aliases as UnknownRecord[];
  assert.deepEqual({ ...(alias?.metadata as object) }, { team: 'y' });
});

test('many first logins at once make one entity', async () => {
  const bench = await open();
  bench.disk.shut();
  const logins = Array.from({ length: 20 }, (_, n) => bench.logIn(n % 2 ? 'ann' : 'ANN'));
  bench.disk.open();
  const ids = new Set((await Promise.all(logins)).map(({ entity_id }) => entity_id));
  assert.equal(ids.size, 1);
  const { keys } = (await bench.call('identity/entity/id', undefined, { method: 'LIST' })).data;
  assert.equal((keys as string[]).length, 1);
});

test('policies of an entity and of its groups, and of groups above those, count for tokens that are there already', async () => {
  const bench = await open();
  const { entity_id: id, client_token: token } = await bench.logIn('ann');
  assert.equal(await bench.may(token, 'kv/own'), true);
  assert.equal(await bench.may(token, 'kv/a'), false);
  await bench.write(`entity/id/${id}`, { policies: ['A'] });
  assert.equal(await bench.may(token, 'kv/a'), true);
  const inner = await bench.write('group', { name: 'inner', policies: ['b'], member_entity_ids: [id] });
  await bench.write('group', { name: 'outer', policies: ['c'], member_group_ids: [inner.id] });
  assert.equal(await bench.may(token, 'kv/b'), true);
  assert.equal(await bench.may(token, 'kv/c'), true);
  const { data } = await bench.call('auth/token/lookup-self', undefined, { token });
  assert.deepEqual(data.identity_policies, ['a', 'b', 'c']);
  assert.deepEqual(data.policies, ['default', 'own']);
  const next = await bench.logIn('ann');
  assert.deepEqual(next.policies, ['a', 'b', 'c', 'default', 'own']);
  assert.deepEqual(next.token_policies, ['default', 'own']);
  assert.deepEqual(next.identity_policies, ['a', 'b', 'c']);
  const told = await bench.call('sys/capabilities-self', { paths: ['kv/c'] }, { token });
  assert.deepEqual(told.data.capabilities, ['read']);
  const record = bench.trail.records.findLast(({ request }) => request.path === 'sys/capabilities-self');
  assert.deepEqual(record?.auth?.policies, ['a', 'b', 'c', 'default', 'own']);
  assert.deepEqual(record?.auth?.identityPolicies, ['a', 'b', 'c']);
  assert.equal(record?.auth?.entityId, id);
  await bench.write('group/name/inner', { member_entity_ids: [] });
  assert.equal(await bench.may(token, 'kv/b'), false);
  assert.equal(await bench.may(token, 'kv/c'), false);
  assert.equal(await bench.may(token, 'kv/a'), true);
});

test('a disabled or deleted entity may nothing, and cannot log in', async () => {
  const bench = await open();
  const { entity_id: id, client_token: token } = await bench.logIn('ann');
  await bench.write(`entity/id/${id}`, { disabled: true });
  assert.equal(await bench.may(token, 'kv/own'), false);
  await assert.rejects(bench.logIn('ann'), PermissionDenied);
  await bench.write(`entity/id/${id}`, { disabled: false });
  assert.equal(await bench.may(token, 'kv/own'), true);
  await bench.send(`identity/entity/id/${id}`, undefined, { method: 'DELETE' });
  assert.equal(await bench.may(token, 'kv/own'), false);
  assert.notEqual((await bench.logIn('ann')).entity_id, id);
});

test('external groups follow what the method says, at logins and at renewals', async () => {
  const bench = await open();
  const group = await bench.write('group', { name: 'staff', type: 'external', policies: ['a'] });
  await bench.write('group-alias', {
    name: 'cn=staff',
    mount_accessor: bench.accessor,
    canonical_id: group.id,
  });
  const { client_token: token, entity_id: id } = await bench.logIn('ann', { groups: ['cn=staff', 'other'] });
  assert.equal(await bench.may(token, 'kv/a'), true);
  assert.deepEqual((await bench.read('group/name/staff')).member_entity_ids, [id]);
  await bench.send('auth/trusting/groups/ann', { groups: [] });
  assert.equal(await bench.may(token, 'kv/a'), true);
  await bench.send('auth/token/renew', { token });
  assert.equal(await bench.may(token, 'kv/a'), false);
  await bench.logIn('ann', { groups: ['cn=staff'] });
  assert.equal(await bench.may(token, 'kv/a'), true);
  await bench.logIn('ann');
  assert.equal(await bench.may(token, 'kv/a'), true, 'a method that knows nothing of groups changes none');
  await assert.rejects(bench.write('group/name/staff', { member_entity_ids: [id] }), InvalidRequest);
});

test('templates in policies have the values of the caller', async () => {
  const bench = await open();
  await bench.send('sys/policies/acl/own', {
    policy: `
      path "kv/{{identity.entity.id}}" { capabilities = ["read"] }
      path "kv/{{identity.entity.metadata.team}}/x" { capabilities = ["read"] }
      path "kv/{{identity.entity.aliases.${bench.accessor}.name}}/y" { capabilities = ["read"] }`,
  });
  const { entity_id: id, client_token: token } = await bench.logIn('ann');
  for (const at of [id, 'red/x', 'ann/y', 'bob/y', 'blue/x']) await bench.send(`kv/${at}`, { v: 1 });
  assert.equal(await bench.may(token, `kv/${id}`), true);
  assert.equal(await bench.may(token, 'kv/ann/y'), true);
  assert.equal(await bench.may(token, 'kv/bob/y'), false);
  assert.equal(await bench.may(token, 'kv/red/x'), false);
  await bench.write(`entity/id/${id}`, { metadata: { team: 'red' } });
  assert.equal(await bench.may(token, 'kv/red/x'), true);
  for (const team of ['*', '+', 'red/x', 're*', 'red,blue']) {
    await bench.write(`entity/id/${id}`, { metadata: { team } });
    assert.equal(await bench.may(token, 'kv/red/x'), false, team);
    assert.equal(await bench.may(token, 'kv/blue/x'), false, team);
  }
});

test('a merged entity’s logins and tokens are the other’s', async () => {
  const bench = await open();
  await bench.send('sys/auth/second', { type: 'trusting' });
  const ann = await bench.logIn('ann');
  const other = (await bench.call('auth/second/login', { name: 'annie' }, { token: '' })).auth;
  await bench.write('group', { name: 'g', policies: ['b'], member_entity_ids: [other.entity_id] });
  await bench.write(`entity/id/${ann.entity_id}`, { policies: ['a'] });
  await bench.write('entity/merge', {
    to_entity_id: ann.entity_id,
    from_entity_ids: [other.entity_id, other.entity_id],
  });
  assert.equal(await bench.may(other.client_token, 'kv/a'), true);
  assert.equal(await bench.may(ann.client_token, 'kv/b'), true);
  const again = (await bench.call('auth/second/login', { name: 'annie' }, { token: '' })).auth;
  assert.equal(again.entity_id, ann.entity_id);
  const entity = await bench.read(`entity/id/${other.entity_id}`);
  assert.equal(entity.id, ann.entity_id);
  assert.deepEqual(entity.merged_entity_ids, [other.entity_id]);
  assert.equal((entity.aliases as unknown[]).length, 2);
});

test('two aliases at one mount are merged only when one is chosen', async () => {
  const bench = await open();
  const [ann, bob] = [await bench.logIn('ann'), await bench.logIn('bob')];
  const merge = { to_entity_id: ann.entity_id, from_entity_ids: [bob.entity_id] };
  await assert.rejects(bench.write('entity/merge', merge), /aliases with the same mount accessor/);
  const [alias] = (await bench.read(`entity/id/${bob.entity_id}`)).aliases as UnknownRecord[];
  await bench.write('entity/merge', { ...merge, conflicting_alias_ids_to_keep: [alias?.id] });
  assert.equal((await bench.logIn('bob')).entity_id, ann.entity_id);
  assert.notEqual((await bench.logIn('ann')).entity_id, ann.entity_id);
});

test('a token role gives tokens to who has an alias that it allows', async () => {
  const bench = await open();
  await bench.send('auth/token/roles/jobs', {
    allowed_entity_aliases: ['job-*', 'ann'],
    allowed_policies: ['own'],
  });
  const make = async (alias: string) =>
    (await bench.call('auth/token/create/jobs', { entity_alias: alias, policies: ['own'] })).auth;
  const made = await make('Job-7');
  assert.equal((await make('job-7')).entity_id, made.entity_id);
  await bench.write(`entity/id/${made.entity_id}`, { policies: ['a'] });
  assert.equal(await bench.may(made.client_token, 'kv/a'), true);
  await assert.rejects(make('other'), /invalid 'entity_alias' value/);
  await assert.rejects(
    bench.call('auth/token/create', { entity_alias: 'ann' }),
    /only allowed in combination/,
  );
});

test('a disabled mount takes its aliases along; the entities stay', async () => {
  const bench = await open();
  const { entity_id: id } = await bench.logIn('ann');
  await bench.send('sys/auth/trusting', undefined, { method: 'DELETE' });
  assert.deepEqual((await bench.read(`entity/id/${id}`)).aliases, []);
  await assert.rejects(bench.call('identity/entity-alias/id', undefined, { method: 'LIST' }), NotFound);
});

test('groups cannot be within themselves', async () => {
  const bench = await open();
  const a = await bench.write('group', { name: 'ga' });
  const b = await bench.write('group', { name: 'gb', member_group_ids: [a.id] });
  const c = await bench.write('group', { name: 'gc', member_group_ids: [b.id] });
  for (const ids of [[a.id], [b.id], [c.id]])
    await assert.rejects(bench.write('group/name/ga', { member_group_ids: ids }), /cyclic relationship/);
  assert.deepEqual((await bench.read('group/name/ga')).parent_group_ids, [b.id]);
});
