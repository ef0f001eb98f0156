import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDomains } from '../../test/domains.ts';
import { PermissionDenied } from '../base/errors.ts';
import type { EngineType } from '../engine/engine.ts';
import type { UserLockout } from '../mounts/entry.ts';
import { LOCKOUT_DEFAULTS, Lockouts } from './lockouts.ts';

const method = (type: string): EngineType => ({
  type,
  class: 'auth',
  summary: 'For tests.',
  open: () => ({ paths: [] }),
});

async function open(user_lockout_config: UserLockout = {}, type = 'userpass') {
  const { mounts, session, clock } = await openDomains({ engines: [method(type)] });
  const mount = (path: string) =>
    mounts.enable(session(), { path, class: 'auth', type, config: { user_lockout_config } });
  const lockouts = new Lockouts({ clock });
  const people = mount('people');
  const isLocked = (name: string, at = people) => {
    try {
      lockouts.check(at, name);
      return false;
    } catch (error) {
      assert.ok(error instanceof PermissionDenied);
      assert.equal(error.message, 'permission denied');
      return true;
    }
  };
  const fail = (name: string, times: number) => {
    for (let i = 0; i < times; i++) lockouts.failed(people, name);
  };
  return { lockouts, clock, mounts, people, others: mount('others'), isLocked, fail };
}

test('after the threshold a name is locked, at its mount, for the duration', async () => {
  const { lockouts, clock, mounts, people, others, isLocked, fail } = await open();
  fail('ann', LOCKOUT_DEFAULTS.threshold - 1);
  assert.equal(isLocked('ann'), false);
  fail('ann', 1);
  assert.equal(isLocked('ann'), true);
  assert.equal(isLocked('ben'), false);
  assert.equal(isLocked('ann', others), false);
  const locked = () => [...lockouts.locked((accessor) => mounts.root.byAccessor(accessor))];
  assert.deepEqual(locked(), [[people.entry.accessor, ['ann']]]);
  clock.advance(899_999);
  assert.equal(isLocked('ann'), true);
  clock.advance(1);
  assert.equal(isLocked('ann'), false);
  assert.deepEqual(locked(), []);
});

test('failures are forgotten after a success, after a while and when an operator says so', async () => {
  const { lockouts, clock, people, isLocked, fail } = await open();
  fail('ann', 4);
  lockouts.succeeded(people, 'ann');
  fail('ann', 4);
  clock.advance(900_000);
  fail('ann', 4);
  assert.equal(isLocked('ann'), false);
  fail('ann', 1);
  assert.equal(lockouts.unlock(people.entry.accessor, 'ann'), true);
  assert.equal(lockouts.unlock(people.entry.accessor, 'ann'), false);
  assert.equal(isLocked('ann'), false);
});

test('tries while locked neither prolong nor end it; afterwards the count starts over', async () => {
  const { clock, isLocked, fail } = await open({ lockout_duration: 60 });
  fail('ann', 7);
  clock.advance(59_000);
  fail('ann', 1);
  assert.equal(isLocked('ann'), true);
  clock.advance(1000);
  assert.equal(isLocked('ann'), false);
  fail('ann', 4);
  assert.equal(isLocked('ann'), false);
  fail('ann', 1);
  assert.equal(isLocked('ann'), true);
});

test('a mount has its own rules, or none', async () => {
  const strict = await open({ lockout_threshold: 1 });
  strict.fail('ann', 1);
  assert.equal(strict.isLocked('ann'), true);
  const free = await open({ lockout_disable: true });
  free.fail('ann', 100);
  assert.equal(free.isLocked('ann'), false);
  const other = await open({}, 'jwt');
  other.fail('ann', 100);
  assert.equal(other.isLocked('ann'), false);
});
