import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import { type Created, LeaseCreators } from './creators.ts';

const login = (role: string, entityId = ''): Created => ({
  namespace: '',
  mount: 'auth/up/',
  path: `auth/up/login/${role}`,
  role,
  entityId,
  isToken: true,
});

function open() {
  const clock = new ManualClock();
  const warnings: unknown[] = [];
  const log = { ...silentLogger, warn: (_: string, details?: object) => void warnings.push(details) };
  return { clock, warnings, creators: new LeaseCreators({ clock, log }) };
}

test('who makes the most leases is told by mount, role and entity', () => {
  const { creators } = open();
  for (let i = 0; i < 3; i++) creators.note(login('ann', 'entity of ann'));
  creators.note(login('bob'));
  creators.note({ ...login(''), mount: 'db/', path: 'db/creds/web', isToken: false });
  creators.note({ ...login('ann'), namespace: 'team/' });
  const keys = (by: 'mount' | 'role' | 'entity') => creators.total(by).map(({ key, count }) => [key, count]);
  assert.deepEqual(keys('mount'), [
    ['auth/up/', 4],
    ['db/', 1],
    ['team/auth/up/', 1],
  ]);
  assert.deepEqual(keys('role'), [
    ['auth/up/ann', 3],
    ['auth/up/bob', 1],
    ['db/creds/web', 1],
    ['team/auth/up/ann', 1],
  ]);
  assert.deepEqual(keys('entity'), [['entity of ann', 3]]);
});

test('what was long ago is no longer recent', () => {
  const { clock, creators } = open();
  creators.note(login('ann'));
  clock.advance(599_000);
  creators.note(login('ann'));
  clock.advance(1000);
  assert.deepEqual(creators.recent('role'), [{ key: 'auth/up/ann', count: 2 }]);
  clock.advance(599_000);
  assert.equal(creators.recentSeconds, 1199);
  assert.deepEqual(creators.recent('role'), [{ key: 'auth/up/ann', count: 2 }]);
  clock.advance(1000);
  assert.deepEqual(creators.recent('role'), []);
  assert.equal(creators.total('role')[0]?.count, 2);
});

test('an explosion is warned about once, whoever it is, however many others there are', () => {
  const { clock, creators, warnings } = open();
  for (let i = 0; i < 9999; i++) {
    creators.note(login(`role ${i}`, `entity ${i}`));
    creators.note(login('runaway', 'runaway'));
  }
  const of = (name: string) => warnings.filter((warning) => Object.hasOwn(warning as object, name));
  assert.deepEqual([of('mount').length, of('role').length, of('entity').length], [1, 0, 0]);
  for (let i = 0; i < 3000; i++) creators.note(login('runaway', 'runaway'));
  assert.deepEqual(of('role'), [{ role: 'auth/up/runaway', leases: 10_000, withinSeconds: 0 }]);
  assert.equal(of('entity').length, 1);
  assert.ok(creators.total('role').length <= 200);
  clock.advance(600_000);
  for (let i = 0; i < 10_000; i++) creators.note(login('runaway', 'runaway'));
  assert.equal(of('role').length, 2);
});
