/**
 * Crossing namespaces: by an id that one of them gave out, by naming the namespace in another way, by a token of another.
 * Every endpoint of every mount is tried, and what was there before is there afterwards.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Endpoint, endpoints, filled, placeholders, prepare, query, sendsBody } from './endpoints.ts';
import { FailureNode } from './node.ts';

const ALL = '["create", "read", "update", "patch", "delete", "list", "scan", "sudo"]';
const EVERYTHING = `path "*" { capabilities = ${ALL} }`;

/** What one namespace has: by the name of a parameter an id of it. */
type Ids = Readonly<Record<string, string>>;

describe('namespaces', () => {
  let node: FailureNode;
  let owner: string;
  let stranger: string;
  let all: Endpoint[];
  let idsOfOther: Ids;

  before(async () => {
    node = await FailureNode.start();
    for (const [namespace, parent] of [
      ['own', ''],
      ['tenant2', ''],
      ['below', 'own'],
    ] as const)
      await within(parent, () => node.ok('POST', `sys/namespaces/${namespace}`, { body: {} }));
    for (const namespace of ['own', 'tenant2'])
      await within(namespace, async () => {
        await node.mountEverything();
        await prepare(node);
      });
    idsOfOther = await within('tenant2', idsOf);
    await within('own', async () => {
      owner = await node.tokenWith(EVERYTHING, { no_parent: true });
      stranger = (await node.ok('POST', 'auth/token/create', { body: { policies: ['default'] } })).auth
        .client_token;
      all = endpoints(node);
    });
    assert.ok(all.length > 250);
  });
  after(() => node?.stop());

  async function within<T>(namespace: string, work: () => Promise<T>): Promise<T> {
    const before = node.namespace;
    node.namespace = namespace;
    try {
      return await work();
    } finally {
      node.namespace = before;
    }
  }

  async function idsOf(): Promise<Ids> {
    const made = (await node.ok('POST', 'auth/token/create', { body: { policies: ['sample'], ttl: '1h' } }))
      .auth;
    const leases = (await node.ok('LIST', 'sys/leases/lookup/auth/token/create')).data.keys as string[];
    const { secret_id_accessor } = (await node.ok('POST', 'auth/approle/role/sample/secret-id')).data;
    const mounts = (await node.ok('GET', 'sys/auth')).data;
    const wrapped = await node.ok('GET', 'kv/sample', { headers: { 'X-Vault-Wrap-TTL': '60m' } });
    const entity = await node.ok('POST', 'identity/entity', { body: { name: 'crossed' } });
    const group = await node.ok('POST', 'identity/group', { body: { name: 'crossed' } });
    const lease = `auth/token/create/${leases.find((id) => id.startsWith('h'))}`;
    return {
      accessor: made.accessor,
      token: made.client_token,
      wrapping: wrapped.wrap_info.token,
      lease_id: lease,
      url_lease_id: lease,
      secret_id_accessor,
      mount_accessor: mounts['userpass/'].accessor,
      id: entity.data.id,
      entity_id: entity.data.id,
      entity_ids: entity.data.id,
      from_entity_ids: entity.data.id,
      to_entity_id: entity.data.id,
      canonical_id: entity.data.id,
      member_entity_ids: entity.data.id,
      group: group.data.id,
      member_group_ids: group.data.id,
    };
  }

  /** How the other namespace is, as far as anybody could change it. */
  const stateOfOther = () =>
    within('tenant2', async () => {
      const told = await Promise.all([
        node.ok('POST', 'auth/token/lookup', { body: { token: idsOfOther.token } }),
        node.ok('POST', 'sys/leases/lookup', { body: { lease_id: idsOfOther.lease_id } }),
        node.ok('POST', 'sys/wrapping/lookup', { token: '', body: { token: idsOfOther.wrapping } }),
        node.ok('GET', `identity/entity/id/${idsOfOther.id}`),
        node.ok('GET', `identity/group/id/${idsOfOther.group}`),
        node.ok('SCAN', 'kv'),
        node.ok('GET', 'kv/sample'),
        node.ok('GET', 'sys/mounts'),
        node.ok('GET', 'sys/auth'),
        node.ok('LIST', 'sys/policies/acl'),
        node.ok('GET', 'sys/policies/acl/sample'),
        node.ok('LIST', 'auth/approle/role/sample/secret-id'),
      ]);
      return told.map(({ data }) => ({ ...data, ttl: undefined, lease_count: undefined }));
    });

  it('give no answer to another’s ids, whichever endpoint they are brought to', async () => {
    const before = await stateOfOther();
    const failures: string[] = [];
    await within('own', async () => {
      for (const endpoint of all) {
        const { path, mount, method } = endpoint;
        const inPath = new Set(placeholders(path));
        for (const [name, field] of Object.entries(path.fields)) {
          // What a new token's text shall be is no id of anything.
          if (mount.entry.type === 'token' && name === 'id') continue;
          for (const there of valuesFor(name)) {
            const missing = unlike(there);
            const answers: string[] = [];
            for (const value of [there, missing]) {
              const url = mount.info.path + filled(path, (each) => (each === name ? value : 'sample'));
              const list = field.type === 'list' ? [value] : value;
              const data = inPath.has(name) ? endpoint.body : { ...endpoint.body, [name]: list };
              const asked = inPath.has(name) ? url : endpoint.url;
              const { status, text } = await node.request(
                method,
                sendsBody({ method }) ? asked : `${asked}${query(data)}`,
                { token: owner, ...(sendsBody({ method }) ? { body: data } : {}) },
              );
              if (text.includes(idsOfOther.token!.slice(0, 20)) && value !== idsOfOther.token)
                failures.push(`${method} ${asked} shows another's token`);
              answers.push(`${status} ${plain(text, value)}`);
            }
            if (answers[0] !== answers[1] && !answers.every((answer) => answer.startsWith('2')))
              failures.push(`${method} ${endpoint.url}, ${name}: ${answers.join(' but ')}`);
          }
        }
      }
    });
    assert.deepEqual(failures, []);
    assert.deepEqual(await stateOfOther(), before);
  });

  function valuesFor(name: string): string[] {
    if (name === 'token') return [idsOfOther.token!, idsOfOther.wrapping!];
    if (name === 'id') return [idsOfOther.id!, idsOfOther.group!];
    const value = idsOfOther[name];
    return value === undefined ? [] : [value];
  }

  it('take no token of another one, nor of one below', async () => {
    const below = await within('own/below', () => node.tokenWith(EVERYTHING, { no_parent: true }));
    const before = await stateOfOther();
    const failures: string[] = [];
    for (const [namespace, token] of [
      ['tenant2', owner],
      ['', owner],
      ['own', below],
      ['tenant2', below],
      ['', below],

      ['own', idsOfOther.wrapping!],
    ] as const) {
      for (const { path, method, url, body } of all.filter((each) => !each.path.public)) {
        const { status, text } = await within(namespace, () =>
          node.request(method, url, { token, ...(sendsBody({ method }) ? { body } : {}) }),
        );
        if (path.badToken !== undefined ? status < 400 : status !== 403)
          failures.push(`${method} ${url} in ${namespace}: ${status} ${text}`);
      }
    }
    assert.deepEqual(failures, []);
    assert.deepEqual(await stateOfOther(), before);
  });

  it('are the same by header, by path and by both, for everybody and in the audit log', async () => {
    await within('own/below', async () => {
      await node.mountEverything();
      await prepare(node);
    });
    const [belowAll, some] = await within('own/below', async () => [
      endpoints(node),
      await node.tokenWith('path "kv/*" { capabilities = ["read", "list"] }', { no_parent: true }),
    ]);
    const fromAbove = await within('own', () =>
      node.tokenWith('path "below/kv/*" { capabilities = ["read", "list"] }', { no_parent: true }),
    );
    const failures: string[] = [];
    for (const { method, url, body, path, mount } of belowAll) {
      const reads = method === 'GET' || method === 'LIST';
      // The second time, these would find something else.
      if (path.pattern === 'revoke-self' || path.loginName || (mount.entry.type === 'cubbyhole' && !reads))
        continue;
      for (const [who, token] of [
        ['nobody', ''],
        ['some', some],
        ['above', fromAbove],
        ['sibling', stranger],
        ...(reads && !path.sudo ? [['root', node.rootToken] as const] : []),
      ] as const) {
        node.newAuditEntries();
        const told: string[] = [];
        for (const [namespace, prefix] of [
          ['own/below', ''],
          ['', 'own/below/'],
          ['own', 'below/'],
          ['/own/', 'below/'],
        ] as const) {
          const answer = await within(namespace, () =>
            node.request(method, `${prefix}${url}`, {
              token,
              ...(sendsBody({ method }) ? { body } : {}),
            }),
          );
          const audited = node.newAuditEntries().map(({ request }) => {
            const { id: _, headers: __, remote_port: ___, ...rest } = request as Record<string, unknown>;
            return rest;
          });
          told.push(JSON.stringify([answer.status, varying(answer.text), audited]));
        }
        if (new Set(told).size > 1)
          failures.push(`${method} ${url} as ${who}:\n${[...new Set(told)].join('\n')}`);
      }
    }
    assert.deepEqual(failures.slice(0, 5), []);
  });

  it('are met by every other spelling as by their plain name, or not at all', async () => {
    const failures: string[] = [];
    for (const spelling of [
      'OWN',
      'own%20',
      ' own ',
      'own//below',
      './own',
      'own/..',
      '%6fwn',
      'own/.',
      'ｏｗｎ',
      'own,other',
      'own\\',
    ]) {
      const header = await within(spelling.replace(/[^\x20-\x7e]/g, '?'), () =>
        node.request('GET', 'kv/sample', { token: owner }),
      );
      if (header.status < 400 && spelling.trim() !== 'own')
        failures.push(`header ${spelling}: ${header.status}`);
      const path = await node.request('GET', `${encodeURI(spelling)}/kv/sample`, { token: stranger });
      if (path.status < 400) failures.push(`path ${spelling}: ${path.status}`);
    }
    assert.deepEqual(failures, []);
  });

  it('show nothing of another one in any list or document', async () => {
    await within('own', async () => {
      for (const path of [
        'sys/internal/ui/mounts',
        'sys/internal/ui/namespaces',
        'sys/internal/specs/openapi',
        'sys/locked-users',
        'sys/leases/count?include_child_namespaces=true',
        'sys/mounts',
        'sys/auth',
      ]) {
        const { status, text } = await node.request('GET', path, { token: owner });
        assert.equal(status, 200, path);
        assert.ok(!text.includes('tenant2'), path);
      }
      const { keys } = (await node.ok('GET', 'sys/internal/ui/namespaces', { token: owner })).data;
      assert.deepEqual(keys, ['below/']);
      assert.deepEqual(
        (await node.ok('GET', 'sys/internal/ui/namespaces', { token: stranger })).data.keys,
        [],
      );
      const accessors = await node.ok('LIST', 'auth/token/accessors', { token: owner });
      assert.ok(!(accessors.data.keys as string[]).includes(idsOfOther.accessor!));
    });
  });
});

/** Of the same form, but of nothing. */
function unlike(id: string): string {
  const dot = id.indexOf('.', id.lastIndexOf('/') + 1);
  const at = id.startsWith('hvs.') ? 4 : id.lastIndexOf('/') + 2;
  const end = dot > at ? dot : (id.indexOf('.', at) + 1 || id.length + 1) - 1;
  return id.slice(0, at) + id.slice(at, end).replaceAll(/[a-z0-9]/g, 'q') + id.slice(end);
}

/** Without what differs from one request to the next. */
function plain(text: string, value: string): string {
  return varying(text.replaceAll(value, '<id>'));
}

function varying(text: string): string {
  return text
    .replaceAll(/"(request_id|random_bytes|password|migration_id|backup)":"[^"]*"/g, '')
    .replaceAll(
      /"(start_time|last_renewal|issue_time|expire_time|encryptions|ttl|lease_count)":("[^"]*"|\d+)/g,
      '',
    );
}
