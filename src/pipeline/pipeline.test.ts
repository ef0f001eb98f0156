import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPending, openNode, type TestNode } from '../../test/pipeline-node.ts';
import { InvalidRequest, PermissionDenied, Sealed, UnsupportedPath } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import { type EngineType, path } from '../engine/engine.ts';
import { integer } from '../engine/fields.ts';

/** An engine whose handlers say what they did, and do what they are told. */
class Probe {
  readonly calls: string[] = [];
  readonly revoked: unknown[] = [];
  /** What an outside handler waits for. */
  outside: () => Promise<void> = async () => {};
  readonly type: EngineType = {
    type: 'probe',
    class: 'secret',
    summary: 'For tests.',
    open: () => ({
      leases: {
        thing: { outside: true, revoke: async (_, { name }) => void this.revoked.push(name) },
      },
      paths: [
        path({
          pattern: 'value',
          summary: 'A value.',
          fields: { number: integer({ description: 'Any.' }) },
          operations: {
            read: {
              handler: ({ view }) => {
                this.calls.push('read');
                return { data: { number: view.get('value') ?? 0 } };
              },
            },
            write: {
              handler: ({ view }, { number }) => {
                this.calls.push('write');
                view.put('value', number);
                if (number === 13) throw new InvalidRequest('unlucky');
                if (number === 14) throw new TypeError('a broken invariant');
                return undefined;
              },
            },
          },
        }),
        path({
          pattern: 'outside',
          summary: 'Reaches out.',
          fields: {},
          operations: {
            read: {
              outside: true,
              handler: async () => {
                this.calls.push('outside');
                await this.outside();
                return { data: {} };
              },
            },
          },
        }),
        path({
          pattern: 'lease',
          summary: 'Leases something.',
          fields: {},
          operations: {
            read: {
              outside: true,
              handler: async () => {
                await this.outside();
                return {
                  data: { name: 'thing' },
                  lease: { kind: 'thing', internal: { name: 'thing' }, ttl: 3600, renewable: true },
                };
              },
            },
          },
        }),
      ],
    }),
  };
}

const login: EngineType = {
  type: 'open',
  class: 'auth',
  summary: 'Lets anybody in.',
  open: () => ({
    paths: [
      path({
        pattern: 'login',
        summary: 'Logs in.',
        public: true,
        fields: {},
        operations: {
          write: {
            handler: () => ({
              login: {
                aliasName: 'ann',
                displayName: 'ann',
                metadata: {},
                token: {
                  ttl: 60,
                  maxTtl: 0,
                  explicitMaxTtl: 0,
                  period: 0,
                  policies: ['team'],
                  boundCidrs: [],
                  noDefaultPolicy: false,
                  numUses: 0,
                  type: 'default',
                },
              },
            }),
          },
        },
      }),
    ],
  }),
};

async function open(): Promise<
  TestNode & { probe: Probe; tokenWith(body?: UnknownRecord): Promise<string> }
> {
  const probe = new Probe();
  const node = await openNode({ engines: [probe.type, login] });
  await node.send('sys/mounts/probe', { type: 'probe' });
  await node.send('sys/auth/open', { type: 'open' });
  await node.send('sys/policies/acl/team', {
    policy: 'path "probe/*" { capabilities = ["create", "read", "update"] }',
  });
  const tokenWith = async (body: UnknownRecord = {}) =>
    (await node.call('auth/token/create', { policies: ['team'], ...body })).auth.client_token;
  return { ...node, probe, tokenWith };
}

const denied = { name: PermissionDenied.name };

test('nothing outside is touched before the request is on record', async () => {
  const { probe, trail, send } = await open();
  trail.gate.shut();
  const reply = send('probe/outside');
  assert.ok(await isPending(reply));
  assert.deepEqual(probe.calls, []);
  trail.gate.open();
  assert.equal((await reply).status, 200);
  assert.deepEqual(probe.calls, ['outside']);
});

test('without an audit entry there is neither work nor reply', async () => {
  const { probe, trail, send } = await open();
  trail.failing = new Error('no device could record the request');
  await assert.rejects(send('probe/outside'), trail.failing);
  assert.deepEqual(probe.calls, []);
  await assert.rejects(send('probe/value'), trail.failing);
  await assert.rejects(send('probe/nothing'), trail.failing);
});

test('a reply waits until its commit and its audit entry are on disk', async () => {
  const { disk, trail, send } = await open();
  for (const gate of [disk, trail.gate]) {
    gate.shut();
    const written = send('probe/value', { number: 1 });
    assert.ok(await isPending(written));
    const read = send('probe/value');
    assert.ok(await isPending(read), 'a read of what is not durable yet');
    gate.open();
    assert.equal((await written).status, 204);
    assert.deepEqual((await read).body?.data, { number: 1 });
  }
});

test('a failed handler changes nothing, and is on record', async () => {
  const { trail, send, call } = await open();
  await send('probe/value', { number: 1 });
  await assert.rejects(send('probe/value', { number: 13 }), /unlucky/);
  await assert.rejects(send('probe/value', { number: 14 }), TypeError);
  assert.deepEqual((await call('probe/value')).data, { number: 1 });
  const failures = trail.records.filter(({ type, error }) => type === 'response' && error);
  assert.deepEqual(
    failures.map(({ error }) => error?.message),
    ['unlucky', 'a broken invariant'],
  );
});

test('each request is on record twice, whatever came of it', async () => {
  const { trail, send } = await open();
  trail.records.length = 0;
  await send('probe/value');
  await assert.rejects(send('probe/value', undefined, { token: 'hvs.unknown' }));
  await assert.rejects(send('nowhere/at/all'));
  await assert.rejects(send('probe/value', { number: 'x' }));
  assert.deepEqual(
    trail.records.map(({ type }) => type),
    ['request', 'response', 'request', 'response', 'request', 'response', 'request', 'response'],
  );
});

test('who asks comes before what is there', async () => {
  const { send, tokenWith, probe } = await open();
  const token = await tokenWith();
  for (const path of ['probe/value', 'nowhere', 'sys/mounts', 'secret/x']) {
    await assert.rejects(send(path, undefined, { token: '' }), denied, path);
    await assert.rejects(send(path, undefined, { token: 'hvs.unknown' }), /permission denied\ninvalid token/);
  }
  await assert.rejects(send('nowhere', undefined, { token }), denied);
  await assert.rejects(send('nowhere'), UnsupportedPath);
  assert.deepEqual(probe.calls, []);
});

test('a use counts whatever comes of it, and the last one ends the token', async () => {
  const { send, tokenWith, domains } = await open();
  const token = await tokenWith({ num_uses: 5 });
  const by = { token };
  await send('probe/value', undefined, by);
  await assert.rejects(send('probe/value', { number: 13 }, by), /unlucky/);
  await assert.rejects(send('sys/mounts', undefined, by), denied);
  await assert.rejects(send('probe/nothing', undefined, by), UnsupportedPath);
  const before = domains.tokens.find(domains.openSession(), token);
  assert.equal(before?.numUses, 1);
  await assert.rejects(send('sys/mounts', undefined, by), /^PermissionDenied: permission denied$/);
  assert.equal(domains.tokens.find(domains.openSession(), token), undefined);
  await assert.rejects(send('probe/value', undefined, by), /invalid token/);
});

test('of many requests with a token that is good for one, one is served', async () => {
  const { send, tokenWith } = await open();
  const token = await tokenWith({ num_uses: 1 });
  const all = await Promise.allSettled(
    Array.from({ length: 10 }, () => send('probe/outside', undefined, { token })),
  );
  assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 1);
});

test('a secret that would end with its token’s last use is not given out', async () => {
  const { send, tokenWith, probe } = await open();
  const token = await tokenWith({ num_uses: 1 });
  await assert.rejects(send('probe/lease', undefined, { token }), /token had one use left/);
  await isPending(Promise.resolve());
  assert.deepEqual(probe.revoked, ['thing']);
});

test('what was made for a token that ended meanwhile is taken back', async () => {
  const { send, tokenWith, probe, domains, clock } = await open();
  const token = await tokenWith();
  let go = () => {};
  probe.outside = () => new Promise((resolve) => (go = resolve));
  const reply = send('probe/lease', undefined, { token });
  reply.catch(() => {});
  await isPending(reply);
  await send('auth/token/revoke', { token });
  go();
  await assert.rejects(reply, denied);
  clock.advance(0);
  await isPending(Promise.resolve());
  assert.deepEqual(probe.revoked, ['thing']);
  assert.deepEqual(domains.openSession().view('leases/id/probe/').list(''), []);
});

test('a batch token’s leases end with it at the latest', async () => {
  const { call, tokenWith } = await open();
  const token = await tokenWith({ type: 'batch', ttl: 100 });
  assert.equal((await call('probe/lease', undefined, { token })).lease_duration, 100);
  assert.equal((await call('probe/lease')).lease_duration, 3600);
});

test('a login’s reply can be wrapped: nothing of it shows before it is unwrapped', async () => {
  const { call, send, trail } = await open();
  trail.records.length = 0;
  const { auth, wrap_info } = await call(
    'auth/open/login',
    {},
    { token: '', headers: { 'x-vault-wrap-ttl': '60' } },
  );
  assert.equal(auth, null);
  assert.equal(wrap_info.creation_path, 'auth/open/login');
  const shown = JSON.stringify(trail.records.map(({ response }) => response?.data ?? null));
  assert.ok(!shown.includes('client_token'));
  const unwrapped = await call('sys/wrapping/unwrap', {}, { token: wrap_info.token });
  assert.equal(unwrapped.auth.accessor, wrap_info.wrapped_accessor);
  await send('auth/token/lookup-self', undefined, { token: unwrapped.auth.client_token });
  await assert.rejects(
    call('sys/wrapping/unwrap', {}, { token: wrap_info.token }),
    /wrapping token is not valid/,
  );
});

for (const [header, ttl] of [
  ['60', 60],
  ['60s', 60],
  ['1m', 60],
  ['1h30m', 5400],
  ['0', 0],
  ['', 0],
  ['-1', /cannot be negative/],
  ['soon', /error parsing X-Vault-Wrap-TTL header/],
  ['60, 60', /error parsing X-Vault-Wrap-TTL header/],
] as const) {
  test(`X-Vault-Wrap-TTL: ${JSON.stringify(header)}`, async () => {
    const { call } = await open();
    const reply = call('probe/value', undefined, { headers: { 'x-vault-wrap-ttl': header } });
    if (typeof ttl !== 'number') return assert.rejects(reply, ttl);
    const { wrap_info, data } = await reply;
    assert.equal(wrap_info?.ttl ?? 0, ttl);
    assert.equal(data === null, ttl > 0);
  });
}

test('help is for who may read, and is not wrapped', async () => {
  const { call, send, tokenWith } = await open();
  const help = (token: string) =>
    send('probe/value', undefined, { token, query: { help: '1' }, headers: { 'x-vault-wrap-ttl': '60' } });
  const { body } = await help(await tokenWith());
  assert.match(JSON.stringify(body), /A value\./);
  await assert.rejects(help(''), denied);
  assert.equal((await call('probe/value')).data.number, 0);
});

test('a sealed server serves its state and nothing else; requests under way are told', async () => {
  const { lifecycle, send, probe, inFlight } = await open();
  let go = () => {};
  probe.outside = () => new Promise((resolve) => (go = resolve));
  const underWay = send('probe/outside');
  underWay.catch(() => {});
  await isPending(underWay);
  assert.equal(inFlight.size, 1);
  await lifecycle.seal();
  go();
  await underWay.catch(() => {});
  await assert.rejects(send('probe/value'), Sealed);
  assert.equal((await send('sys/seal-status')).body?.sealed, true);
  assert.equal(inFlight.size, 0);
});
