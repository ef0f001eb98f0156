import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../../test/domains.ts';
import { isPending, openNode, type TestNode } from '../../../test/pipeline-node.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { type EngineType, path } from '../../engine/engine.ts';
import type { LoginRenewal, TokenParameters } from '../../engine/login.ts';

const PARAMETERS: TokenParameters = {
  ttl: 60,
  maxTtl: 0,
  explicitMaxTtl: 0,
  period: 0,
  policies: ['team'],
  boundCidrs: [],
  noDefaultPolicy: false,
  numUses: 0,
  type: 'default',
};

/** A method whose tokens and whose mind about renewals the test sets. */
class Method {
  parameters = PARAMETERS;
  readonly renewals: LoginRenewal[] = [];
  refusing: Error | undefined;
  readonly type: EngineType = {
    type: 'method',
    class: 'auth',
    summary: 'For tests.',
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
                login: { aliasName: 'ann', displayName: 'ann', metadata: {}, token: this.parameters },
              }),
            },
          },
        }),
      ],
      renewLogin: (_, renewal) => {
        this.renewals.push(renewal);
        if (this.refusing) throw this.refusing;
        return this.parameters;
      },
    }),
  };
}

interface Bench extends TestNode {
  readonly method: Method;
  create(body?: UnknownRecord, request?: { path?: string; token?: string }): Promise<Made>;
  logIn(): Promise<Made>;
  lookup(made: Made): Promise<UnknownRecord>;
  renew(made: Made, body?: UnknownRecord): Promise<{ ttl: number; warnings: readonly string[] | null }>;
}

type Made = Awaited<ReturnType<TestNode['call']>>['auth'] & { warnings: readonly string[] | null };

async function open(): Promise<Bench> {
  const method = new Method();
  const node = await openNode({ engines: [method.type] });
  const { call, send } = node;
  await send('sys/auth/method', { type: 'method' });
  const policy = 'path "auth/token/*" { capabilities = ["create", "read", "update"] }';
  for (const name of ['team', 'web']) await send(`sys/policies/acl/${name}`, { policy });
  const made = async (reply: ReturnType<TestNode['call']>) => {
    const { auth, warnings } = await reply;
    return { ...auth, warnings };
  };
  return {
    ...node,
    method,
    create: (body = {}, { path: at = 'create', ...request } = {}) =>
      made(call(`auth/token/${at}`, body, request)),
    logIn: () => made(call('auth/method/login', {}, { token: '' })),
    lookup: async ({ client_token: token }) => (await call('auth/token/lookup', { token })).data,
    async renew({ client_token: token }, body = {}) {
      const { auth, warnings } = await call('auth/token/renew', { token, ...body });
      return { ttl: auth.lease_duration, warnings };
    },
  };
}

test('a child has what its parent has, unless it asks for less', async () => {
  const { create } = await open();
  const parent = await create({ policies: ['team', 'web'] });
  const by = { token: parent.client_token };
  assert.deepEqual(parent.policies, ['default', 'team', 'web']);
  assert.deepEqual((await create({}, by)).policies, ['default', 'team', 'web']);
  assert.deepEqual((await create({ no_default_policy: true }, by)).policies, ['team', 'web']);
  assert.deepEqual((await create({ policies: [' TEAM '] }, by)).policies, ['default', 'team']);
  assert.deepEqual((await create({ policies: ['team'], no_default_policy: true }, by)).policies, ['team']);
  await assert.rejects(create({ policies: ['other'] }, by), /child policies must be subset of parent/);
  for (const root of ['root', ' Root '])
    await assert.rejects(create({ policies: [root] }, by), /without parent token being root/);
});

test('policies that do not exist are told of', async () => {
  const { create } = await open();
  assert.deepEqual((await create({ policies: ['stage', 'team'] })).warnings, [
    'Policy "stage" does not exist',
  ]);
});

test('an orphan, a chosen text and a period are for the privileged', async () => {
  const { create } = await open();
  const { client_token: token } = await create({ policies: ['team'] });
  for (const body of [{ no_parent: true }, { id: 'chosen' }, { period: '1h' }])
    await assert.rejects(create(body, { token }), /root or sudo privileges required/);
  assert.equal((await create({}, { token })).orphan, false);
  assert.equal((await create({ no_parent: true })).orphan, true);
  assert.equal((await create({}, { path: 'create-orphan' })).orphan, true);
  assert.equal((await create({ id: 'chosen' })).client_token, 'chosen');
  await assert.rejects(create({ id: 'hvs.chosen' }), /cannot contain '.'/);
});

test('display names cannot pass for a login’s', async () => {
  const { create, logIn, lookup } = await open();
  const shown = async (display_name?: string) => (await lookup(await create({ display_name }))).display_name;
  assert.equal(await shown(), 'token');
  assert.equal(await shown('ci/cd job'), 'token-ci-cd-job');
  assert.equal((await lookup(await logIn())).display_name, 'method-ann');
});

test('a root token never expires unless it was told to', async () => {
  const { create, lookup, renew, root, call } = await open();
  const child = await create();
  assert.deepEqual([child.policies, child.lease_duration, child.renewable], [['root'], 0, false]);
  const { ttl, expire_time, renewable } = await lookup(child);
  assert.deepEqual([ttl, expire_time, renewable], [0, null, undefined]);
  await assert.rejects(renew(child), /lease is not renewable/);
  assert.equal(
    (await call('auth/token/lookup-self', undefined, { token: root })).data.path,
    'auth/token/root',
  );
  const expiring = await create({ ttl: '1h' });
  assert.deepEqual([expiring.lease_duration, expiring.renewable], [3600, true]);
  await assert.rejects(create({}, { token: expiring.client_token }), /expiring root tokens cannot create/);
  await assert.rejects(create({ type: 'batch', ttl: '1h' }), /batch tokens cannot be root tokens/);
});

test('what makes no sense is refused', async () => {
  const { create } = await open();
  const bodies = [{ ttl: -1 }, { period: -1 }, { num_uses: -1 }, { explicit_max_ttl: -1 }, { type: 'other' }];
  for (const body of [...bodies, { type: 'batch', num_uses: 1 }, { type: 'batch', period: 60 }])
    await assert.rejects(create({ policies: ['team'], ...body }), JSON.stringify(body));
  const { client_token: token } = await create({ policies: ['team'], num_uses: 5 });
  await assert.rejects(create({}, { token }), /restricted use token cannot generate child tokens/);
});

test('renewal counts from now; who asks for nothing is not warned', async () => {
  const { create, renew, clock } = await open();
  const made = await create({ policies: ['team'] });
  assert.equal(made.lease_duration, LIMITS.defaultLeaseTtl);
  clock.advance(3600 * 1000);
  const left = LIMITS.maxLeaseTtl - 3600;
  assert.deepEqual(await renew(made), { ttl: left, warnings: null });
  assert.deepEqual(await renew(made, { increment: 3600 }), { ttl: 3600, warnings: null });
  const { ttl, warnings } = await renew(made, { increment: '800h' });
  assert.equal(ttl, left);
  assert.deepEqual(warnings, [
    'TTL of "800h0m0s" exceeded the effective max_ttl of "767h0m0s"; TTL value is capped accordingly',
  ]);
});

test('a periodic token goes on past every maximum but its explicit one', async () => {
  const { create, send, renew, clock, lookup } = await open();
  await send('sys/auth/token/tune', { max_lease_ttl: '1h' });
  const period = 7200;
  const made = await create({ policies: ['team'], period });
  const ending = await create({ policies: ['team'], period, explicit_max_ttl: 1.5 * period });
  assert.equal(made.lease_duration, period);
  clock.advance(period * 1000 - 1000);
  assert.deepEqual(await renew(made, { increment: 60 }), { ttl: period, warnings: null });
  assert.equal((await renew(ending)).ttl, period / 2 + 1);
  clock.advance((period / 2) * 1000 + 1000);
  assert.equal((await lookup(made)).period, period);
  await assert.rejects(lookup(ending), /bad token/);
});

test('the token mount’s own lease times hold for tokens made from tokens', async () => {
  const { create, send, renew, clock } = await open();
  await send('sys/auth/token/tune', { default_lease_ttl: '1h', max_lease_ttl: '2h' });
  const made = await create({ policies: ['team'] });
  assert.equal(made.lease_duration, 3600);
  clock.advance(3_000_000);
  assert.equal((await renew(made, { increment: '9h' })).ttl, 7200 - 3000);
});

test('a role’s current period holds at renewal; without the role there is none', async () => {
  const { create, send, renew } = await open();
  const role = (token_period: string) =>
    send('auth/token/roles/job', { token_period, allowed_policies: 'team', orphan: true });
  await role('1h');
  const made = await create({}, { path: 'create/job' });
  assert.deepEqual([made.policies, made.orphan, made.lease_duration], [['default', 'team'], true, 3600]);
  const shorter = await create({ period: '10m' }, { path: 'create/job' });
  assert.equal(shorter.lease_duration, 600);
  await role('2h');
  assert.equal((await renew(made)).ttl, 7200);
  await send('auth/token/roles/job', undefined, { method: 'DELETE' });
  await assert.rejects(renew(made), /original token role "job" could not be found, not renewing/);
});

test('a role gives nobody the root policy', async () => {
  const { create, send } = await open();
  await send('auth/token/roles/all', { allowed_policies: 'root,team' });
  const { client_token: token } = await create({ policies: ['team'] });
  for (const policies of [[], ['root']])
    await assert.rejects(
      create({ policies }, { path: 'create/all', token }),
      /without parent token being root/,
    );
});

test('a method decides about renewals by itself, and its current times hold', async () => {
  const { logIn, renew, method, clock, lookup } = await open();
  const made = await logIn();
  assert.equal(made.lease_duration, 60);
  method.parameters = { ...PARAMETERS, ttl: 600, maxTtl: 900, policies: ['other'] };
  assert.deepEqual(await renew(made), { ttl: 600, warnings: null });
  assert.deepEqual(method.renewals[0]?.policies, ['team']);
  assert.deepEqual((await lookup(made)).policies, ['default', 'team']);
  clock.advance(500_000);
  assert.equal((await renew(made)).ttl, 400);
  method.refusing = new Error('no more');
  await assert.rejects(renew(made), /no more/);
});

test('a mount tuned to one type of token overrides its method', async () => {
  const { logIn, send, method } = await open();
  const type = async () => (await logIn()).token_type;
  method.parameters = { ...PARAMETERS, type: 'batch' };
  assert.equal(await type(), 'batch');
  await send('sys/auth/method/tune', { token_type: 'service' });
  assert.equal(await type(), 'service');
  method.parameters = { ...PARAMETERS, numUses: 1 };
  await send('sys/auth/method/tune', { token_type: 'batch' });
  await assert.rejects(logIn(), /batch tokens cannot have a limited use count/);
});

test('who revokes themselves takes their children along, before the reply', async () => {
  const { create, send, lookup } = await open();
  const parent = await create({ policies: ['team'] });
  const by = { token: parent.client_token };
  const children = [await create({}, by), await create({}, by)];
  const grandchild = await create({}, { token: children[0]!.client_token });
  assert.equal((await send('auth/token/revoke-self', {}, by)).status, 204);
  for (const gone of [parent, ...children, grandchild]) await assert.rejects(lookup(gone), /bad token/);
  await assert.rejects(send('auth/token/revoke-self', {}, by), /permission denied/);
});

test('a token that is bound to addresses is good from there only', async () => {
  const { create, send } = await open();
  await send('auth/token/roles/near', { token_bound_cidrs: '10.0.0.0/8', allowed_policies: 'team' });
  const { client_token: token } = await create({}, { path: 'create/near' });
  const from = (address: string) => send('auth/token/lookup-self', undefined, { token, address });
  await from('10.1.2.3');
  await assert.rejects(from('11.1.2.3'), /permission denied/);
});

test('a lease of a token is renewed and revoked as the token', async () => {
  const { create, call, send, lookup, clock } = await open();
  const made = await create({ policies: ['team'], ttl: '1h' });
  const { keys } = (await call('sys/leases/lookup/auth/token/create', undefined, { method: 'LIST' })).data;
  const lease_id = `auth/token/create/${(keys as string[])[0]}`;
  clock.advance(60_000);
  assert.equal((await call('sys/leases/renew', { lease_id })).auth.lease_duration, 3600);
  await send('sys/leases/revoke', { lease_id });
  await assert.rejects(lookup(made), /bad token/);
  await isPending(Promise.resolve());
  await assert.rejects(call('sys/leases/lookup', { lease_id }), /invalid lease/);
});
