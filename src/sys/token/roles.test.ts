import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidRequest } from '../../base/errors.ts';
import { checkRolePolicies, type PolicyChoice, type TokenRole } from './roles.ts';

const ROLE: TokenRole = {
  name: 'role',
  orphan: false,
  renewable: true,
  path_suffix: '',
  allowed_policies: [],
  disallowed_policies: [],
  allowed_policies_glob: [],
  disallowed_policies_glob: [],
  allowed_entity_aliases: [],
  token_ttl: 0,
  token_max_ttl: 0,
  token_explicit_max_ttl: 0,
  token_period: 0,
  token_policies: [],
  token_bound_cidrs: [],
  token_no_default_policy: false,
  token_num_uses: 0,
  token_type: 'default',
  token_strictly_bind_ip: false,
};

function choose(role: Partial<TokenRole>, asked: string[] = [], choice: Partial<PolicyChoice> = {}) {
  const whole = { asked, parentPolicies: ['default', 'team'], withDefault: true, sudo: false, ...choice };
  return checkRolePolicies({ ...ROLE, ...role }, whole);
}

test('a role without lists leaves the usual rule: a part of the caller’s policies', () => {
  assert.deepEqual(choose({}), ['default', 'team']);
  assert.deepEqual(choose({}, ['team']), ['default', 'team']);
  assert.throws(() => choose({}, ['other']), InvalidRequest);
  assert.deepEqual(choose({}, ['other'], { sudo: true }), ['default', 'other']);
});

test('allowed policies take the place of the caller’s', () => {
  const role = { allowed_policies: ['web', 'batch'], allowed_policies_glob: ['dev-*-x'] };
  assert.deepEqual(choose(role), ['batch', 'default', 'web']);
  assert.deepEqual(choose(role, ['web']), ['default', 'web']);
  assert.deepEqual(choose(role, ['dev-a-x']), ['default', 'dev-a-x']);
  for (const policy of ['team', 'dev-a', 'dev--', 'xdev-a-x', 'webb']) {
    assert.throws(() => choose(role, [policy]), /must be subset of the role's allowed policies/, policy);
    assert.throws(() => choose(role, [policy], { sudo: true }), InvalidRequest, policy);
  }
});

test('a role that only disallows allows everything else', () => {
  const role = { disallowed_policies: ['admin'], disallowed_policies_glob: ['ops-*'] };
  assert.deepEqual(choose(role, ['anything']), ['anything', 'default']);
  assert.throws(() => choose(role, ['web', 'admin']), /"admin" is disallowed by this role/);
  assert.throws(() => choose(role, ['ops-1']), /"ops-1" is disallowed by this role/);
  assert.throws(() => choose(role, [], { parentPolicies: ['admin'] }), InvalidRequest);
});

test('disallowing wins over allowing', () => {
  const role = { allowed_policies: ['web'], disallowed_policies_glob: ['w*'] };
  assert.throws(() => choose(role, ['web']), /disallowed/);
});

test('default is added unless it is left out or disallowed', () => {
  const role = { allowed_policies: ['web'] };
  assert.deepEqual(choose(role, ['web'], { withDefault: false }), ['web']);
  assert.deepEqual(choose({ ...role, disallowed_policies: ['default'] }, ['web']), ['web']);
  assert.deepEqual(choose({ disallowed_policies_glob: ['def*'] }), ['team']);
  assert.throws(
    () => choose({ ...role, disallowed_policies: ['default'] }, ['web', 'default']),
    /disallowed/,
  );
  assert.throws(() => choose(role, ['default'], { withDefault: false }), InvalidRequest);
});
