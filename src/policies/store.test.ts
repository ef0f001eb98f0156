import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Session } from '../barrier/session.ts';
import { ManualClock } from '../base/clock.ts';
import { InternalFailure, InvalidRequest, NotFound } from '../base/errors.ts';
import { seededRandom } from '../base/random.ts';
import { MemoryRecords } from '../engine/memory-view.ts';
import { DEFAULT_POLICY_TEXT } from './defaults.ts';
import { PasswordPolicies } from './password-store.ts';
import { Policies } from './store.ts';
import type { TemplateIdentity } from './templates.ts';

function open() {
  const records = new MemoryRecords();
  const clock = new ManualClock();
  const session: Session = {
    view: (prefix) => (prefix === '' ? records.view() : records.view().under(prefix)),
    apply: () => records.apply(),
    afterApply: (work) => work(),
    discard: () => records.discard(),
    settled: () => undefined,
  };
  return { records, clock, session, policies: new Policies({ clock }) };
}
const READ = 'path "a" { capabilities = ["read"] }';
const UPDATE = 'path "a" { capabilities = ["update"] }';

test('policies are written, read, listed and deleted', () => {
  const { session, policies, clock } = open();
  policies.initialize(session, 'root');
  policies.put(session, 'root', { name: ' My-Policy ', text: READ });
  policies.put(session, 'root', { name: 'team/one', text: READ });
  assert.deepEqual(policies.list(session, 'root'), ['default', 'my-policy', 'root', 'team/']);
  assert.deepEqual(policies.list(session, 'root', '', { after: 'default', limit: 2 }), ['my-policy', 'root']);
  assert.deepEqual(policies.list(session, 'root', 'team/'), ['one']);
  assert.deepEqual(policies.get(session, 'root', 'MY-POLICY'), {
    name: 'my-policy',
    text: READ,
    version: 1,
    modifiedAtMs: clock.now(),
    casRequired: false,
  });
  assert.equal(policies.get(session, 'root', 'default')?.text, DEFAULT_POLICY_TEXT);
  assert.equal(policies.get(session, 'root', 'Root')?.text, '');
  policies.put(session, 'root', { name: 'my-policy', text: UPDATE });
  assert.equal(policies.get(session, 'root', 'my-policy')?.version, 2);
  policies.delete(session, 'root', 'My-policy');
  policies.delete(session, 'root', 'my-policy');
  assert.equal(policies.get(session, 'root', 'my-policy'), undefined);
});

test('built-in policies are kept', () => {
  const { session, policies } = open();
  policies.initialize(session, 'root');
  for (const name of ['root', ' ROOT', 'response-wrapping']) {
    assert.throws(() => policies.put(session, 'root', { name, text: READ }), /cannot update "/);
    assert.throws(() => policies.delete(session, 'root', name), /cannot delete "/);
  }
  assert.throws(() => policies.delete(session, 'root', 'Default'), /cannot delete "default" policy/);
  policies.put(session, 'root', { name: 'default', text: READ });
  assert.equal(policies.get(session, 'root', 'default')?.text, READ);
});

test('names and texts that cannot be are refused', () => {
  const { session, policies } = open();
  for (const name of ['', '  ', 'a,b', 'a\nb', '/a', 'a/', 'x'.repeat(600)]) {
    assert.throws(() => policies.put(session, 'root', { name, text: READ }), InvalidRequest);
  }
  assert.throws(
    () => policies.put(session, 'root', { name: 'a', text: ' ' }),
    /'policy' parameter not supplied or empty/,
  );
  assert.throws(() => policies.put(session, 'root', { name: 'a', text: 'path' }), /failed to parse policy/);
});

test('check-and-set guards a write', () => {
  const { session, policies } = open();
  const put = (cas?: number, casRequired?: boolean) =>
    policies.put(session, 'root', { name: 'p', text: READ, cas, casRequired });
  assert.throws(() => put(undefined, true), /check-and-set parameter required/);
  assert.throws(() => put(0), /did not match/);
  put(-1, true);
  assert.throws(() => put(-1), /did not match/);
  assert.throws(() => put(), /check-and-set parameter required/);
  put(1);
  put();
  assert.equal(policies.get(session, 'root', 'p')?.version, 3);
});

test('a patch keeps what it does not name', () => {
  const { session, policies, clock } = open();
  const expiresAtMs = clock.now() + 60_000;
  policies.put(session, 'root', { name: 'p', text: READ, expiresAtMs, cas: -1, casRequired: true });
  policies.patch(session, 'root', { name: 'p', text: UPDATE, cas: 1 });
  assert.deepEqual(policies.get(session, 'root', 'p'), {
    name: 'p',
    text: UPDATE,
    version: 2,
    modifiedAtMs: clock.now(),
    casRequired: true,
    expiresAtMs,
  });
  policies.patch(session, 'root', { name: 'p', ttlSeconds: 10, cas: 2 });
  assert.equal(policies.get(session, 'root', 'p')?.expiresAtMs, clock.now() + 10_000);
  assert.throws(() => policies.patch(session, 'root', { name: 'q', text: READ }), NotFound);
});

test('an expired policy is gone at once', () => {
  const { session, policies, clock } = open();
  policies.put(session, 'root', { name: 'p', text: READ, ttlSeconds: 60 });
  assert.throws(
    () => policies.put(session, 'root', { name: 'q', text: READ, ttlSeconds: 1, expiresAtMs: 1 }),
    /cannot both be set/,
  );
  assert.throws(
    () => policies.put(session, 'root', { name: 'q', text: READ, expiresAtMs: clock.now() }),
    /in the past/,
  );
  const may = () => policies.aclFor(session, 'root', ['p']).check({ path: 'a', operation: 'read' }).allowed;
  assert.equal(may(), true);
  clock.advance(60_000);
  assert.equal(may(), false);
  assert.equal(policies.get(session, 'root', 'p'), undefined);
  assert.deepEqual(policies.list(session, 'root'), ['root']);
  assert.equal(policies.removeExpired(session, 'root'), 1);
  assert.equal(policies.removeExpired(session, 'root'), 0);
});

test('a compiled set follows every change, also one that is taken back', () => {
  const { session, policies, records, clock } = open();
  policies.put(session, 'root', { name: 'p', text: READ });
  session.apply();
  const may = (operation: 'read' | 'update') =>
    policies.aclFor(session, 'root', ['P', 'gone']).check({ path: 'a', operation }).allowed;
  assert.deepEqual([may('read'), may('update')], [true, false]);
  assert.equal(policies.aclFor(session, 'root', ['p']), policies.aclFor(session, 'root', ['p']));
  policies.put(session, 'root', { name: 'p', text: UPDATE });
  assert.deepEqual([may('read'), may('update')], [false, true]);
  session.discard();
  assert.deepEqual([may('read'), may('update')], [true, false]);
  policies.put(session, 'root', { name: 'gone', text: UPDATE });
  assert.deepEqual([may('read'), may('update')], [true, true]);
  policies.delete(session, 'root', 'p');
  assert.deepEqual([may('read'), may('update')], [false, true]);
  new Policies({ clock }).put(session, 'root', { name: 'gone', text: READ });
  assert.deepEqual([may('read'), may('update')], [true, false]);
  assert.equal([...records.entries()].length, 1);
});

test('root in a set allows everything, and nothing else poses as such a set', () => {
  const { session, policies } = open();
  assert.equal(policies.aclFor(session, 'root', ['nothing', 'root']).root, true);
  for (const names of [['nothing,root'], ['nothing","root'], ['nothing'], ['nothing\0root']]) {
    assert.equal(policies.aclFor(session, 'root', names).root, false);
  }
});

test('templates are expanded for each caller', () => {
  const { session, policies } = open();
  policies.put(session, 'root', {
    name: 'p',
    text: 'path "a/{{identity.entity.name}}" { capabilities = ["read"] }',
  });
  const who = (name: string): TemplateIdentity => ({
    entity: { id: name, name, metadata: {}, aliases: new Map() },
    groups: [],
  });
  const may = (name: string, path: string) =>
    policies.aclFor(session, 'root', ['p'], who(name)).check({ path, operation: 'read' }).allowed;
  assert.deepEqual(
    [may('ann', 'a/ann'), may('ann', 'a/bob'), may('bob', 'a/bob'), may('bob', 'a/ann')],
    [true, false, true, false],
  );
  const ann = who('ann');
  assert.equal(policies.aclFor(session, 'root', ['p'], ann), policies.aclFor(session, 'root', ['p'], ann));
  assert.equal(
    policies.aclFor(session, 'root', ['p']).check({ path: 'a/', operation: 'read' }).allowed,
    false,
  );
  assert.equal(may('x/y', 'a/x/y'), false);
  policies.put(session, 'root', {
    name: 'p',
    text: 'path "a/{{identity.entity.name}}" { capabilities = ["read"] }',
    allowSlashes: true,
  });
  assert.equal(may('x/y', 'a/x/y'), true);
});

test('a stored policy that cannot be parsed refuses, instead of leaving out what it denies', () => {
  const { session, policies } = open();
  session.view('sys/policy/').put('p', { text: 'path', version: 1, modifiedAtMs: 0, casRequired: false });
  assert.throws(() => policies.aclFor(session, 'root', ['p']), InternalFailure);
});

test('password policies are kept and used', () => {
  const { session } = open();
  const passwords = new PasswordPolicies({ random: seededRandom(3) });
  passwords.put(session, 'root', {
    name: 'Digits',
    text: Buffer.from('length = 6\nrule "charset" { charset = "01" }').toString('base64'),
  });
  assert.match(passwords.get(session, 'root', 'Digits') ?? '', /^length = 6/);
  assert.deepEqual(passwords.list(session, 'root'), ['Digits']);
  assert.match(passwords.generate(session, 'root', 'Digits'), /^[01]{6}$/);
  assert.match(passwords.generate(session, 'root', undefined), /^[\w-]{20}$/);
  assert.throws(() => passwords.generate(session, 'root', 'digits'), /no password policy named "digits"/);
  assert.throws(() => passwords.put(session, 'root', { name: 'a/b', text: 'length = 6' }), InvalidRequest);
  passwords.delete(session, 'root', 'Digits');
  assert.equal(passwords.get(session, 'root', 'Digits'), undefined);
});
