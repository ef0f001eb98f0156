/**
 * One canonical identity: whatever somebody writes for a name, lockout, alias and policies are the same one's; and what is
 * written into an identity cannot make a policy mean more than its author did.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FailureNode } from './node.ts';

describe('identities', () => {
  let node: FailureNode;
  let accessor: string;
  before(async () => {
    node = await FailureNode.start();
    await node.mountEverything();
    accessor = (await node.ok('GET', 'sys/auth')).data['userpass/'].accessor;
    await node.ok('POST', 'auth/userpass/users/ann', { body: { password: 'password of ann' } });
  });
  after(() => node.stop());

  const logIn = (name: string, password = 'password of ann') =>
    node.request('POST', `auth/userpass/login/${name}`, { token: '', body: { password } });
  const entities = async (): Promise<number> =>
    (await node.ok('GET', 'sys/internal/counters/entities')).data.counters.entities.total;

  it('are the same however a name is spelled, or the login is refused', async () => {
    const plain = (await logIn('ann')).json().auth.entity_id;
    const before = await entities();
    for (const name of [
      'ANN',
      'Ann',
      'aNN',
      '%61nn',
      '%20ann',
      'ann%20',
      'ann%09',
      'ann%00',
      'ann%0a',
      '%EF%BD%81nn',
      'ann%E2%80%8B',
      'x/../ann',
      './ann',
      'ann/',
      '/ann',
      'ann%2f',
      'ann%2e',
      '%2e%2e/login/ann',
      'a%CC%8Ann',
      'ann%252f',
    ]) {
      const answer = await logIn(name);
      if (answer.status < 300) assert.equal(answer.json().auth.entity_id, plain, name);
      else assert.ok(answer.status < 500, `${name}: ${answer.status}`);
    }
    assert.equal(await entities(), before, 'nobody else came of it');
    for (const given of ['ANN', 'Ann']) {
      const body = { alias_name: given, alias_mount_accessor: accessor };
      assert.equal((await node.ok('POST', 'identity/lookup/entity', { body })).data.id, plain);
      const made = await node.ok('POST', 'identity/entity-alias', {
        body: { name: given, mount_accessor: accessor, canonical_id: plain },
      });
      assert.equal(made.data.canonical_id, plain);
    }
    const { aliases } = (await node.ok('GET', `identity/entity/id/${plain}`)).data;
    assert.deepEqual(
      aliases.map((alias: { name: string }) => alias.name),
      ['ann'],
    );
  });

  it('are locked out as one', async () => {
    for (let n = 0; n < 5; n++) await logIn(n % 2 ? 'ANN' : 'ann', 'wrong');
    for (const name of ['ann', 'ANN', 'Ann']) assert.equal((await logIn(name)).status, 403, name);
    const { by_namespace } = (await node.ok('GET', 'sys/locked-users')).data;
    assert.deepEqual(by_namespace[0].mount_accessors[0].alias_identifiers, ['ann']);
    await node.ok('POST', `sys/locked-users/${accessor}/unlock/ann`);
  });

  it('cannot be named so that a template grants more', async () => {
    const policy = `
      path "kv/{{identity.entity.metadata.team}}" { capabilities = ["read"] }
      path "kv/of/{{identity.entity.name}}/*" { capabilities = ["read"] }
      path "kv/at/{{identity.entity.aliases.${accessor}.custom_metadata.room}}/*" { capabilities = ["read"] }`;
    await node.ok('POST', 'sys/policies/acl/templated', { body: { policy } });
    for (const at of ['secret', 'of/bob/x', 'at/two/x', 'of', 'red'])
      await node.ok('POST', `kv/${at}`, { body: { v: 1 } });
    const { auth } = (await logIn('ann')).json();
    const entity = `identity/entity/id/${auth.entity_id}`;
    const [alias] = (await node.ok('GET', entity)).data.aliases;
    const reach = async () => {
      const found: string[] = [];
      for (const at of ['secret', 'of/bob/x', 'at/two/x', 'of', 'red'])
        if ((await node.request('GET', `kv/${at}`, { token: auth.client_token })).status === 200)
          found.push(at);
      return found;
    };
    await node.ok('POST', entity, { body: { policies: ['templated'], metadata: { team: 'red' } } });
    assert.deepEqual(await reach(), ['red']);
    for (const value of [
      '*',
      '+',
      's*',
      'red,secret',
      '+/bob',
      'of/bob/x',
      '../secret',
      'secret\n',
      '{{',
      '$&',
      '',
      ' ',
    ]) {
      const metadata = { team: value };
      const wrote = await node.request('POST', entity, { body: { metadata } });
      assert.equal(wrote.status, 204, JSON.stringify(value));
      const named = await node.request('POST', entity, { body: { name: value || 'x' } });
      assert.ok([204, 400].includes(named.status));
      await node.ok('POST', `identity/entity-alias/id/${alias.id}`, {
        body: { custom_metadata: { room: value } },
      });
      assert.deepEqual(await reach(), [], JSON.stringify(value));
    }
  });

  it('cannot be given what nobody may give', async () => {
    for (const policy of ['root', 'Root', ' ROOT ', 'response-wrapping', 'control-group']) {
      for (const path of [
        'identity/entity',
        'identity/group',
        'identity/entity/name/x',
        'identity/group/name/x',
      ]) {
        const answer = await node.request('POST', path, { body: { policies: [policy] } });
        assert.equal(answer.status, 400, `${path} ${policy}`);
      }
    }
  });

  it('that are disabled are refused by every way that a token is used', async () => {
    const { auth } = (await logIn('ann')).json();
    const token = auth.client_token;
    const child = (
      await node.ok('POST', 'auth/token/create', { token: node.rootToken, body: { policies: ['default'] } })
    ).auth;
    await node.ok('POST', 'sys/policies/acl/own', {
      body: { policy: 'path "auth/token/*" { capabilities = ["create", "update", "read"] }' },
    });
    await node.ok('POST', `identity/entity/id/${auth.entity_id}`, { body: { policies: ['own'] } });
    const made = (await node.ok('POST', 'auth/token/create', { token, body: { type: 'batch', ttl: '1h' } }))
      .auth;
    assert.equal(made.entity_id, auth.entity_id);
    await node.ok('POST', `identity/entity/id/${auth.entity_id}`, { body: { disabled: true } });
    for (const held of [token, made.client_token]) {
      for (const [method, path, body] of [
        ['GET', 'auth/token/lookup-self'],
        ['POST', 'auth/token/renew-self', {}],
        ['POST', 'auth/token/create', {}],
        ['POST', 'sys/capabilities-self', { paths: ['x'] }],
        ['GET', 'sys/internal/ui/resultant-acl'],
        ['GET', 'cubbyhole/x'],
      ] as const)
        assert.equal((await node.request(method, path, { token: held, body })).status, 403, path);
      const shown = await node.ok('GET', 'sys/internal/ui/mounts', { token: held });
      assert.deepEqual(shown.data.secret, {});
    }
    assert.equal((await node.request('POST', 'auth/token/renew', { body: { token } })).status, 400);
    const told = await node.ok('POST', 'sys/capabilities', { body: { token, paths: ['auth/token/create'] } });
    assert.deepEqual(told.data.capabilities, ['deny']);
    assert.equal((await logIn('ann')).status, 403);
    assert.equal(
      (await node.request('GET', 'auth/token/lookup-self', { token: child.client_token })).status,
      200,
    );
    await node.ok('POST', `identity/entity/id/${auth.entity_id}`, { body: { disabled: false } });
    await node.ok('GET', 'auth/token/lookup-self', { token });
  });

  it('of one namespace are out of another’s reach, whatever id of theirs is known', async () => {
    await node.ok('POST', 'sys/namespaces/one', { body: {} });
    await node.ok('POST', 'sys/namespaces/two', { body: {} });
    const of = (namespace: string) => ({ headers: { 'X-Vault-Namespace': namespace } });
    const made = async (path: string, body: object) =>
      (await node.ok('POST', path, { body, ...of('one') })).data.id;
    await node.ok('POST', 'sys/auth/userpass', { body: { type: 'userpass' }, ...of('one') });
    const theirs = {
      accessor: (await node.ok('GET', 'sys/auth', of('one'))).data['userpass/'].accessor,
      entity: await made('identity/entity', { name: 'x', policies: ['default'] }),
      group: await made('identity/group', { name: 'g', type: 'external' }),
      alias: '',
      groupAlias: '',
    };
    const named = { name: 'x', mount_accessor: theirs.accessor };
    theirs.alias = await made('identity/entity-alias', { ...named, canonical_id: theirs.entity });
    theirs.groupAlias = await made('identity/group-alias', { ...named, canonical_id: theirs.group });
    const before = await node.request('GET', 'identity/entity/name/x', of('one'));
    for (const namespace of ['root', 'two', 'one/..', '']) {
      const from = of(namespace);
      const mine = (await node.request('POST', 'identity/entity', { body: { name: 'mine' }, ...from })).text;
      const own = mine === '' ? (await node.ok('GET', 'identity/entity/name/mine', from)).data.id : '';
      for (const [method, path, body] of [
        ['GET', `identity/entity/id/${theirs.entity}`],
        ['GET', `identity/entity-alias/id/${theirs.alias}`],
        ['GET', `identity/group/id/${theirs.group}`],
        ['GET', `identity/group-alias/id/${theirs.groupAlias}`],
        ['POST', `identity/entity/id/${theirs.entity}`, { policies: ['taken'] }],
        ['POST', 'identity/entity', { id: theirs.entity, policies: ['taken'] }],
        ['POST', `identity/group/id/${theirs.group}`, { policies: ['taken'] }],
        ['POST', 'identity/entity-alias', { ...named, canonical_id: own }],
        ['POST', 'identity/entity-alias', { id: theirs.alias, canonical_id: own }],
        ['POST', 'identity/group-alias', named],
        ['POST', 'identity/group', { name: 'theirs', member_entity_ids: [theirs.entity] }],
        ['POST', 'identity/group', { name: 'theirs', member_group_ids: [theirs.group] }],
        ['POST', 'identity/entity/merge', { to_entity_id: theirs.entity, from_entity_ids: [own] }],
        ['POST', 'identity/entity/merge', { to_entity_id: own, from_entity_ids: [theirs.entity] }],
      ] as const) {
        const { status, text } = await node.request(method, path, { body, ...from });
        assert.ok([400, 404].includes(status), `${method} ${path} from "${namespace}": ${status} ${text}`);
      }
      for (const body of [
        { id: theirs.entity },
        { alias_id: theirs.alias },
        { alias_name: 'x', alias_mount_accessor: theirs.accessor },
      ])
        assert.notEqual(
          (await node.request('POST', 'identity/lookup/entity', { body, ...from })).status,
          200,
        );
      for (const path of ['entity/id', 'entity-alias/id', 'group/id', 'group-alias/id'])
        for (const id of [theirs.entity, theirs.alias, theirs.group, theirs.groupAlias])
          assert.ok(!(await node.request('LIST', `identity/${path}`, from)).text.includes(id));
      await node.request('DELETE', `identity/entity/id/${theirs.entity}`, from);
      await node.request('POST', 'identity/entity/batch-delete', {
        body: { entity_ids: [theirs.entity] },
        ...from,
      });
      await node.request('DELETE', `identity/entity-alias/id/${theirs.alias}`, from);
      await node.request('DELETE', `identity/group/id/${theirs.group}`, from);
      await node.request('DELETE', `identity/group-alias/id/${theirs.groupAlias}`, from);
    }
    const after = await node.request('GET', 'identity/entity/name/x', of('one'));
    assert.deepEqual(after.json().data, before.json().data);
    assert.equal((await node.ok('GET', 'identity/group/name/g', of('one'))).data.alias.id, theirs.groupAlias);
  });
});
