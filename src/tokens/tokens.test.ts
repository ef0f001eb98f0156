import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDomains, settle, type TestDomains } from '../../test/domains.ts';
import { persist } from '../barrier/session.ts';
import { InvalidRequest } from '../base/errors.ts';
import { leaseIdOf, type NewToken, type Token } from './token.ts';

const WANTED: NewToken = {
  type: 'service',
  parent: undefined,
  policies: ['default'],
  path: 'auth/token/create',
  meta: null,
  displayName: 'token',
  numUses: 0,
  ttl: 3600,
  explicitMaxTtl: 0,
  period: 0,
  renewable: true,
  entityId: '',
  role: '',
  boundCidrs: [],
};

interface Made {
  readonly id: string;
  readonly token: Token;
}

function make(domains: TestDomains, wanted: Partial<NewToken> = {}): Made {
  const session = domains.session();
  const made = domains.tokens.create(session, { ...WANTED, ...wanted });
  session.apply();
  return made;
}

const isGood = ({ tokens, session }: TestDomains, { id }: Made) => tokens.find(session(), id) !== undefined;

/** What is left in the store of tokens, their indexes and leases. */
const leftovers = ({ session }: TestDomains) => [
  ...session().view('tokens/').keys(''),
  ...session().view('leases/').keys(''),
];

async function revoke({ session, tokens }: TestDomains, { token }: Made): Promise<void> {
  const within = session();
  const rest = tokens.revoke(within, token.key);
  await persist(within);
  await rest;
}

test('a token is found by its text and accessor, and its text is nowhere in the store', async () => {
  const domains = await openDomains();
  const made = make(domains);
  assert.match(made.id, /^hvs\.\w{24}$/);
  assert.equal(domains.tokens.find(domains.session(), made.id)?.accessor, made.token.accessor);
  assert.equal(
    domains.tokens.byAccessor(domains.session(), 'root', made.token.accessor)?.key,
    made.token.key,
  );
  assert.deepEqual(domains.tokens.accessors(domains.session(), 'root'), [made.token.accessor]);
  for (const odd of ['', 'hvs.', `${made.id} `, made.id.slice(0, -1), 'x'.repeat(5000)])
    assert.equal(domains.tokens.find(domains.session(), odd), undefined);
  for (const key of domains.session().view('').keys('')) assert.ok(!key.includes(made.id));
});

test('a token is good until it expires, cleaned up or not; then nothing is left of it', async () => {
  const domains = await openDomains();
  const made = make(domains);
  const root = domains.session();
  const eternal = domains.tokens.createRoot(root);
  root.apply();
  domains.clock.advance(3_599_999);
  assert.ok(isGood(domains, made));
  domains.clock.advance(1);
  assert.equal(isGood(domains, made), false);
  await settle();
  const rest = leftovers(domains);
  assert.equal(rest.length, 2, rest.join());
  assert.ok(domains.tokens.find(domains.session(), eternal));
});

test('renewal moves the end of token and lease; not of one that ended meanwhile', async () => {
  const domains = await openDomains();
  const made = make(domains);
  const session = domains.session();
  domains.tokens.prolong(session, made.token, 7200);
  session.apply();
  assert.equal(
    domains.leases.find(session, 'root', leaseIdOf(made.token))?.expiresAtMs,
    domains.clock.now() + 7_200_000,
  );
  domains.clock.advance(7_199_000);
  await settle();
  assert.ok(isGood(domains, made));
  domains.clock.advance(1000);
  assert.throws(() => domains.tokens.prolong(domains.session(), made.token, 7200), InvalidRequest);
});

test('uses are counted once each, however requests interleave', async () => {
  const domains = await openDomains();
  const { id } = make(domains, { numUses: 3 });
  const spend = () => {
    const session = domains.session();
    const token = domains.tokens.find(session, id);
    const spent = token !== undefined && domains.tokens.spend(session, token);
    session.apply();
    return spent;
  };
  assert.deepEqual([spend(), spend(), spend(), spend(), spend()], [true, true, true, false, false]);
  const [one, other] = [domains.session(), domains.session()];
  const last = make(domains, { numUses: 1 });
  const [first, second] = [domains.tokens.find(one, last.id)!, domains.tokens.find(other, last.id)!];
  assert.equal(domains.tokens.spend(one, first), true);
  one.apply();
  assert.equal(domains.tokens.spend(other, second), false);
});

test('a thousand children end with their parent, and all that hangs on them', async () => {
  const domains = await openDomains();
  const parent = make(domains);
  const children = Array.from({ length: 1000 }, () => make(domains, { parent: parent.token.key }));
  const grandchild = make(domains, { parent: children[500]!.token.key });
  const beside = make(domains);
  await revoke(domains, parent);
  for (const each of [parent, ...children, grandchild]) assert.equal(isGood(domains, each), false);
  assert.ok(isGood(domains, beside));
  await revoke(domains, beside);
  assert.deepEqual(leftovers(domains), []);
});

test('a chain of a thousand ends with its first link', async () => {
  const domains = await openDomains();
  const chain = [make(domains)];
  for (let i = 1; i < 1000; i++) chain.push(make(domains, { parent: chain.at(-1)!.token.key }));
  await revoke(domains, chain[0]!);
  assert.equal(
    chain.some((link) => isGood(domains, link)),
    false,
  );
  assert.deepEqual(leftovers(domains), []);
});

test('descendants are no good from the moment their ancestor ends', async () => {
  const domains = await openDomains();
  const parent = make(domains, { ttl: 60 });
  const child = make(domains, { parent: parent.token.key });
  const grandchild = make(domains, { parent: child.token.key });
  domains.clock.advance(60_000);
  assert.equal(isGood(domains, child) || isGood(domains, grandchild), false);
});

test('the ending of a tree that a crash cut short goes on at the start', async () => {
  const domains = await openDomains();
  const parent = make(domains);
  const children = Array.from({ length: 300 }, () => make(domains, { parent: parent.token.key }));
  const session = domains.session();
  domains.tokens.revoke(session, parent.token.key);
  domains.tokens.stop();
  await persist(session);
  await settle();
  assert.ok(leftovers(domains).length > 300);
  const again = await openDomains({ disk: domains.disk, clock: domains.clock });
  await settle();
  assert.equal(
    children.some((child) => isGood(again, child)),
    false,
  );
  assert.deepEqual(leftovers(again), []);
});

test('a request that is discarded revokes nothing', async () => {
  const domains = await openDomains();
  const parent = make(domains);
  const child = make(domains, { parent: parent.token.key });
  const session = domains.session();
  void domains.tokens.revoke(session, parent.token.key);
  session.discard();
  session.apply();
  await settle();
  assert.ok(isGood(domains, parent) && isGood(domains, child));
});

test('orphans outlive who made them, with children of their own', async () => {
  const domains = await openDomains();
  const parent = make(domains);
  const child = make(domains, { parent: parent.token.key });
  const grandchild = make(domains, { parent: child.token.key });
  const session = domains.session();
  domains.tokens.revokeOrphan(session, parent.token.key);
  await persist(session);
  assert.equal(isGood(domains, parent), false);
  assert.equal(domains.tokens.find(domains.session(), child.id)?.parent, undefined);
  assert.ok(isGood(domains, grandchild));
  await revoke(domains, child);
  assert.deepEqual(leftovers(domains), []);
});

test('a batch token is itself and nothing in the store', async () => {
  const domains = await openDomains();
  const parent = make(domains);
  const before = leftovers(domains);
  const batch = make(domains, { type: 'batch', parent: parent.token.key, ttl: 60, meta: { a: 'b' } });
  const orphan = make(domains, { type: 'batch', ttl: 60 });
  assert.deepEqual(leftovers(domains), before);
  assert.match(batch.id, /^hvb\./);
  const found = domains.tokens.find(domains.session(), batch.id);
  assert.deepEqual(
    [found?.type, found?.accessor, found?.renewable, found?.meta],
    ['batch', '', false, { a: 'b' }],
  );
  for (let at = 4; at < batch.id.length; at += 7) {
    const tampered = `${batch.id.slice(0, at)}${batch.id[at] === 'A' ? 'B' : 'A'}${batch.id.slice(at + 1)}`;
    assert.equal(domains.tokens.find(domains.session(), tampered), undefined, tampered);
  }
  await revoke(domains, parent);
  assert.equal(isGood(domains, batch), false);
  assert.ok(isGood(domains, orphan));
  domains.clock.advance(60_000);
  assert.equal(isGood(domains, orphan), false);
});

test('a chosen text is good once, and not while the children of one before it are being ended', async () => {
  const domains = await openDomains();
  const made = make(domains, { id: 'chosen' });
  for (let i = 0; i < 200; i++) make(domains, { parent: made.token.key });
  assert.throws(() => make(domains, { id: 'chosen' }), /duplicate ID/);
  const session = domains.session();
  const rest = domains.tokens.revoke(session, made.token.key);
  session.apply();
  assert.throws(() => make(domains, { id: 'chosen' }), /duplicate ID/);
  await rest;
  make(domains, { id: 'chosen' });
});

test('a damaged token ends like any other, with its children', async () => {
  const domains = await openDomains();
  const parent = make(domains, { ttl: 60 });
  const child = make(domains, { parent: parent.token.key });
  const raw = domains.store.begin();
  raw.put(`tokens/key/${parent.token.key}`, Buffer.from('not an envelope'));
  raw.apply();
  await settle();
  const again = await openDomains({ disk: domains.disk, clock: domains.clock });
  domains.leases.stop();
  again.clock.advance(60_000);
  await settle();
  assert.equal(isGood(again, child), false);
  assert.deepEqual(leftovers(again), []);
});

test('the accessor of a damaged token that was revoked goes with tidying', async () => {
  const domains = await openDomains();
  const { token } = make(domains, { ttl: 0 });
  const raw = domains.store.begin();
  raw.put(`tokens/key/${token.key}`, Buffer.from('not an envelope'));
  raw.apply();
  const session = domains.session();
  domains.tokens.revoke(session, token.key);
  await persist(session);
  assert.equal(await domains.tokens.tidy(), 1);
  assert.deepEqual(leftovers(domains), []);
});

test('tidying removes accessors of tokens that are gone, and only those', async () => {
  const domains = await openDomains();
  const kept = make(domains);
  const session = domains.session();
  for (let i = 0; i < 300; i++) session.view('tokens/accessor/').put(`accessor-${i}`, 'gone');
  await persist(session);
  assert.equal(await domains.tokens.tidy(), 300);
  assert.deepEqual(domains.tokens.accessors(domains.session(), 'root'), [kept.token.accessor]);
});

test('a token bound to addresses is good from there only, but for a root token that never expires', async () => {
  const { tokens, ...domains } = await openDomains();
  const usable = (wanted: Partial<NewToken>, address: string) =>
    tokens.usableFrom(
      make({ tokens, ...domains }, { boundCidrs: ['10.0.0.0/8', '::1'], ...wanted }).token,
      address,
    );
  assert.equal(usable({}, '10.1.2.3'), true);
  assert.equal(usable({}, '::1'), true);
  assert.equal(usable({}, '11.0.0.1'), false);
  assert.equal(usable({ boundCidrs: [] }, '11.0.0.1'), true);
  assert.equal(usable({ policies: ['root'] }, '11.0.0.1'), false);
  assert.equal(usable({ policies: ['root'], ttl: 0 }, '11.0.0.1'), true);
});
