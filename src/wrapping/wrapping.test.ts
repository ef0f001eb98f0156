import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDomains, settle, type TestDomains } from '../../test/domains.ts';
import { rfc3339 } from '../base/clock.ts';
import { BAD_WRAPPING_TOKEN, type WrapInfo } from './wrapping.ts';

const BODY = { data: { secret: 'canary' }, auth: { accessor: 'the-accessor' } };
const bad = { message: BAD_WRAPPING_TOKEN };

function wrap({ wrapping, session }: TestDomains, ttl = 60): WrapInfo {
  const within = session();
  const info = wrapping.wrap(within, 'root', { body: BODY, path: 'secret/a', ttl });
  within.apply();
  return info;
}

function within<T>({ session }: TestDomains, work: (session: ReturnType<TestDomains['session']>) => T): T {
  const opened = session();
  const result = work(opened);
  opened.apply();
  return result;
}

const kept = ({ session }: TestDomains) => [
  ...session().view('wrapping/').keys(''),
  ...session().view('tokens/').keys(''),
  ...session().view('leases/').keys(''),
];

test('a wrapped reply is told of, and given once', async () => {
  const domains = await openDomains();
  const { wrapping } = domains;
  const info = wrap(domains);
  const creation_time = rfc3339(domains.clock.now());
  assert.deepEqual(
    { ...info, token: '', accessor: '' },
    {
      token: '',
      accessor: '',
      ttl: 60,
      creation_time,
      creation_path: 'secret/a',
      wrapped_accessor: 'the-accessor',
    },
  );
  for (const _ of [1, 2]) {
    assert.deepEqual(wrapping.lookup(domains.session(), 'root', info.token), {
      creation_path: 'secret/a',
      creation_time,
      creation_ttl: 60,
    });
  }
  assert.deepEqual(
    within(domains, (session) => wrapping.unwrap(session, 'root', info.token)),
    BODY,
  );
  assert.throws(() => wrapping.unwrap(domains.session(), 'root', info.token), bad);
  assert.throws(() => wrapping.lookup(domains.session(), 'root', info.token), bad);
  await settle();
  assert.deepEqual(kept(domains), []);
});

test('an unwrapping that failed can be tried again', async () => {
  const domains = await openDomains();
  const info = wrap(domains);
  const session = domains.session();
  domains.wrapping.unwrap(session, 'root', info.token);
  session.discard();
  assert.deepEqual(domains.wrapping.unwrap(domains.session(), 'root', info.token), BODY);
});

test('rewrapping moves the reply to another token for as long again', async () => {
  const domains = await openDomains();
  const first = wrap(domains);
  domains.clock.advance(50_000);
  const second = within(domains, (session) => domains.wrapping.rewrap(session, 'root', first.token));
  assert.throws(() => domains.wrapping.lookup(domains.session(), 'root', first.token), bad);
  assert.deepEqual([second.ttl, second.creation_path], [60, 'secret/a']);
  domains.clock.advance(59_000);
  assert.deepEqual(
    within(domains, (session) => domains.wrapping.unwrap(session, 'root', second.token)),
    BODY,
  );
});

test('an expired wrapping token gives nothing, and leaves nothing', async () => {
  const domains = await openDomains();
  const info = wrap(domains);
  domains.clock.advance(60_000);
  assert.throws(() => domains.wrapping.unwrap(domains.session(), 'root', info.token), bad);
  await settle();
  assert.deepEqual(kept(domains), []);
});

test('what a wrapping token kept ends with it', async () => {
  const domains = await openDomains();
  const info = wrap(domains);
  const { key } = domains.tokens.find(domains.session(), info.token)!;
  within(domains, (session) => domains.tokens.revoke(session, key));
  assert.deepEqual(kept(domains), []);
});

test('a token that wraps nothing unwraps nothing', async () => {
  const domains = await openDomains();
  const root = within(domains, (session) => domains.tokens.createRoot(session));
  for (const id of [root, 'hvs.unknown', 'hvb.unknown', '']) {
    assert.throws(() => domains.wrapping.lookup(domains.session(), 'root', id), bad);
    assert.throws(() => domains.wrapping.rewrap(domains.session(), 'root', id), bad);
  }
  assert.ok(domains.tokens.find(domains.session(), root));
});
