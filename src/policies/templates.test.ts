import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileAcl } from './acl.ts';
import { parsePolicy } from './parse.ts';
import { expandRules, placeholderValue, plainRules, type TemplateIdentity } from './templates.ts';

const identity: TemplateIdentity = {
  entity: {
    id: 'e-1',
    name: 'ann',
    metadata: { team: 'red', 'a.b': 'dotted', star: 'x*', empty: '' },
    aliases: new Map([
      ['auth_k8s_1', { id: 'al-1', name: 'sa', metadata: { ns: 'prod' }, customMetadata: { rank: 'one' } }],
    ]),
  },
  groups: [{ id: 'g-1', name: 'the.group', metadata: { color: 'blue' } }],
};

test('every placeholder finds its value', () => {
  const values: [string, string | undefined][] = [
    ['identity.entity.id', 'e-1'],
    ['identity.entity.name', 'ann'],
    ['identity.entity.metadata.team', 'red'],
    ['identity.entity.metadata.a.b', 'dotted'],
    ['identity.entity.metadata.constructor', undefined],
    ['identity.entity.metadata.empty', undefined],
    ['identity.entity.aliases.auth_k8s_1.id', 'al-1'],
    ['identity.entity.aliases.auth_k8s_1.name', 'sa'],
    ['identity.entity.aliases.auth_k8s_1.metadata.ns', 'prod'],
    ['identity.entity.aliases.auth_k8s_1.custom_metadata.rank', 'one'],
    ['identity.entity.aliases.other.id', undefined],
    ['identity.groups.ids.g-1.name', 'the.group'],
    ['identity.groups.ids.g-1.metadata.color', 'blue'],
    ['identity.groups.names.the.group.id', 'g-1'],
    ['identity.groups.names.the.group.metadata.color', 'blue'],
    ['identity.groups.names.other.id', undefined],
  ];
  for (const [name, value] of values) assert.equal(placeholderValue(name, identity), value, name);
  assert.equal(placeholderValue('identity.entity.id', undefined), undefined);
});

const expand = (path: string, capability: string, who?: TemplateIdentity, allowance = {}) =>
  expandRules(
    parsePolicy({ name: 'p', text: `path "${path}" { capabilities = ["${capability}"] }` }),
    who,
    allowance,
  ).map((rule) => rule.path);

test('rules without templates are told from those with', () => {
  const text = 'path "plain" { policy = "read" } path "a/{{identity.entity.id}}" { policy = "read" }';
  const policy = parsePolicy({ name: 'p', text });
  assert.deepEqual(
    plainRules(policy).map(({ path }) => path),
    ['plain'],
  );
  assert.deepEqual(
    expandRules(policy, identity).map(({ path }) => path),
    ['a/e-1'],
  );
});

test('rules are expanded, or dropped when a value is missing', () => {
  assert.deepEqual(expand('a/{{ identity.entity.id }}/{{identity.entity.name}}/*', 'read', identity), [
    'a/e-1/ann/*',
  ]);
  assert.deepEqual(expand('a/{{identity.entity.id}}', 'read'), []);
  assert.deepEqual(expand('a/{{identity.entity.metadata.none}}', 'deny', identity), []);
  assert.deepEqual(expand('plain', 'read'), []);
});

test('a value that could widen a path drops the rule, but not a denial', () => {
  for (const value of ['x*', '*', '+', 'a+b', 'a/b', '../x', 'a,b', 'a\nb', 'a\0']) {
    const who = { ...identity, entity: { ...identity.entity, name: value } };
    assert.deepEqual(expand('a/{{identity.entity.name}}', 'read', who), [], JSON.stringify(value));
    assert.deepEqual(expand('a/{{identity.entity.name}}', 'deny', who), [`a/${value}`]);
  }
});

test('the owner of a policy may let values hold slashes or wildcards', () => {
  const who = { ...identity, entity: { ...identity.entity, name: 'a/b', id: 'x+' } };
  assert.deepEqual(expand('a/{{identity.entity.name}}', 'read', who, { slashes: true }), ['a/a/b']);
  assert.deepEqual(expand('a/{{identity.entity.id}}', 'read', who, { slashes: true }), []);
  assert.deepEqual(expand('a/{{identity.entity.id}}', 'read', who, { wildcards: true }), ['a/x+']);
});

test('a template never grants outside its segment', () => {
  const policy = parsePolicy({
    name: 'p',
    text: 'path "secret/{{identity.entity.name}}/x" { policy = "read" }',
  });
  const value = fc.array(fc.constantFrom('a', '*', '+', '/', ',', '.', '\n', '{{', '}}', '$&'), {
    maxLength: 5,
  });
  fc.assert(
    fc.property(
      value,
      fc.constantFrom('secret/b/x', 'secret/a/b/x', 'secret/a/y', 'secret//x'),
      (parts, path) => {
        const name = parts.join('');
        const who = { ...identity, entity: { ...identity.entity, name } };
        const acl = compileAcl({ policies: [{ ...policy, rules: expandRules(policy, who) }], nowMs: 0 });
        assert.equal(acl.check({ path, operation: 'read' }).allowed, false);
      },
    ),
  );
});
