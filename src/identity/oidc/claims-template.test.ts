import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TemplateIdentity } from '../../policies/templates.ts';
import { checkClaimsTemplate, populateClaims } from './claims-template.ts';

const NOW_MS = 1_700_000_000_000;

function identity(change: Partial<TemplateIdentity['entity']> = {}): TemplateIdentity {
  return {
    entity: {
      id: 'e1',
      name: 'ann',
      metadata: { color: 'green' },
      aliases: new Map([
        [
          'auth_ldap_1',
          { id: 'a1', name: 'ann@corp', metadata: { uid: '7' }, customMetadata: { desk: '12' } },
        ],
      ]),
      ...change,
    },
    groups: [
      { id: 'g1', name: 'web', metadata: {} },
      { id: 'g2', name: 'ops', metadata: {} },
    ],
  };
}

test('placeholders become values of their own type', () => {
  const template = `{
    "id": {{identity.entity.id}}, "name": {{ identity.entity.name }},
    "color": {{identity.entity.metadata.color}}, "all": {{identity.entity.metadata}},
    "user": {"login": {{identity.entity.aliases.auth_ldap_1.name}}, "alias": {{identity.entity.aliases.auth_ldap_1.id}},
      "uid": {{identity.entity.aliases.auth_ldap_1.metadata.uid}}, "desk": {{identity.entity.aliases.auth_ldap_1.custom_metadata}}},
    "groups": {{identity.entity.groups.names}}, "group_ids": {{identity.entity.groups.ids}},
    "nbf": {{time.now}}, "later": {{time.now.plus.1h}}, "before": {{time.now.minus.30s}}
  }`;
  checkClaimsTemplate(template);
  assert.deepEqual(populateClaims(template, identity(), NOW_MS), {
    id: 'e1',
    name: 'ann',
    color: 'green',
    all: { color: 'green' },
    user: { login: 'ann@corp', alias: 'a1', uid: '7', desk: { desk: '12' } },
    groups: ['web', 'ops'],
    group_ids: ['g1', 'g2'],
    nbf: 1_700_000_000,
    later: 1_700_003_600,
    before: 1_699_999_970,
  });
});

test('base64 is taken; what the caller does not have is empty', () => {
  const template = Buffer.from(
    '{"a": {{identity.entity.metadata.none}}, "b": {{identity.entity.aliases.other.metadata}}, "c": {{identity.entity.metadata.__proto__}}}',
  ).toString('base64');
  checkClaimsTemplate(template);
  assert.deepEqual(populateClaims(template, identity(), NOW_MS), { a: '', b: {}, c: '' });
  assert.deepEqual(populateClaims('', identity(), NOW_MS), {});
});

test('a value stays a value, whatever it holds', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (color) => {
      const claims = populateClaims(
        '{"color": {{identity.entity.metadata.color}}}',
        identity({ metadata: { color } }),
        NOW_MS,
      );
      assert.deepEqual(Object.keys(claims), ['color']);
      assert.equal(claims.color, color);
    }),
  );
});

test('what cannot be a template is refused', () => {
  for (const [template, message] of [
    ['{', /error parsing template JSON/],
    ['[]', /error parsing/],
    ['{"a": "{{identity.entity.id}}"}', /error parsing template JSON/],
    ['{"a": {{identity.entity.secret}}}', /unknown template parameter/],
    ['{"a": {{time.now.plus.soon}}}', /duration|unable/i],
    ['{"sub": "root"}', /top level key "sub" not allowed/],
    ['{"aud": {{identity.entity.id}}}', /top level key "aud" not allowed/],
  ] as const) {
    assert.throws(() => checkClaimsTemplate(template), message, template);
  }
});
