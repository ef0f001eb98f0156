import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidRequest } from '../base/errors.ts';
import { DEFAULT_POLICY_TEXT } from './defaults.ts';
import { decodePolicyText, parsePolicy } from './parse.ts';

const parse = (text: string) => parsePolicy({ name: 'p', text });
const inner = (body: string) => parse(`path "a" {\n${body}\n}`).rules[0]!;

test('a policy in HCL and in JSON gives the same rules', () => {
  const hcl = `
    # comments are fine
    name = "p"
    path "/secret/*" {
      comment = "why"
      capabilities = ["update", "read", "read"]
      allowed_parameters = { "Foo" = [], "bar" = ["x", 1, true] }
      denied_parameters = { "baz" = "y" }
      required_parameters = ["Foo"]
      min_wrapping_ttl = "1m"
      max_wrapping_ttl = 90
      pagination_limit = 7
      expiration = "2030-01-01T00:00:00Z"
    }`;
  const json = `{"path": {"/secret/*": {"comment": "why", "capabilities": ["update", "read", "read"],
    "allowed_parameters": {"Foo": [], "bar": ["x", 1, true]}, "denied_parameters": {"baz": ["y"]},
    "required_parameters": ["Foo"], "min_wrapping_ttl": "60s", "max_wrapping_ttl": "90", "pagination_limit": 7,
    "expiration": "2030-01-01T01:00:00+01:00"}}}`;
  const expected = {
    path: 'secret/*',
    capabilities: ['read', 'update'],
    allowedParameters: new Map<string, unknown>([
      ['foo', []],
      ['bar', ['x', 1, true]],
    ]),
    deniedParameters: new Map([['baz', ['y']]]),
    requiredParameters: ['foo'],
    minWrappingTtlSeconds: 60,
    maxWrappingTtlSeconds: 90,
    expiresAtMs: Date.UTC(2030, 0, 1),
    paginationLimit: 7,
    keysFilter: '',
  };
  assert.deepEqual(parse(hcl).rules, [{ ...expected, line: 4 }]);
  assert.deepEqual(parse(json).rules, [{ ...expected, line: 1 }]);
});

test('old policy words stand for capabilities', () => {
  assert.deepEqual(inner('policy = "read"').capabilities, ['list', 'read']);
  assert.deepEqual(inner('policy = "write"').capabilities, ['create', 'delete', 'list', 'read', 'update']);
  assert.deepEqual(inner('policy = "sudo"').capabilities, [
    'create',
    'delete',
    'list',
    'read',
    'sudo',
    'update',
  ]);
  assert.deepEqual(inner('policy = "deny"\ncapabilities = ["read"]').capabilities, ['deny']);
  assert.deepEqual(inner('policy = "read"\ncapabilities = ["sudo"]').capabilities, ['list', 'read', 'sudo']);
});

test('deny leaves no other capability', () => {
  assert.deepEqual(inner('capabilities = ["read", "deny", "sudo"]').capabilities, ['deny']);
});

test('the default policy parses', () => {
  const { rules, placeholders } = parse(DEFAULT_POLICY_TEXT);
  assert.ok(rules.length > 15);
  assert.deepEqual(placeholders, ['identity.entity.id', 'identity.entity.name']);
});

test('an empty policy has no rules', () => {
  assert.deepEqual(parse('').rules, []);
  assert.deepEqual(parse('{}').rules, []);
});

const MISTAKES: [title: string, text: string, message: RegExp][] = [
  ['an unknown key of the policy', 'paths "a" {}', /^failed to parse policy: invalid key "paths" on line 1$/],
  [
    'an unknown key of a rule',
    'path "a" {\n foo = 1\n}',
    /^failed to parse policy: path "a": invalid key "foo" on line 2$/,
  ],
  [
    'an unknown capability',
    'path "a" { capabilities = ["read", "foo"] }',
    /path "a": invalid capability "foo"/,
  ],
  ['write as capability', 'path "a" { capabilities = ["write"] }', /invalid capability "write"/],
  ['an unknown policy', 'path "a" { policy = "nope" }', /path "a": invalid policy "nope"/],
  [
    'capabilities that are no strings',
    'path "a" { capabilities = [1] }',
    /"capabilities" on line 1 must be a list of strings, not a number/,
  ],
  [
    'a key twice',
    'path "a" {\n denied_parameters { x = [] }\n denied_parameters { y = [] }\n}',
    /path "a": duplicate key "denied_parameters" on line 3/,
  ],
  [
    'a parameter twice',
    'path "a" { denied_parameters = { x = []\n X = [] } }',
    /duplicate parameter "x" on line 2/,
  ],
  [
    'parameters that are no table',
    'path "a" { allowed_parameters = ["x"] }',
    /must be a table of parameters, not a string/,
  ],
  ['a star after a plus', 'path "a/+*" {}', /path "a\/\+\*": invalid use of wildcards/],
  [
    'limits that exclude each other',
    'path "a" { min_wrapping_ttl = "2s" max_wrapping_ttl = "1s" }',
    /max_wrapping_ttl cannot be less/,
  ],
  [
    'a duration that is none',
    'path "a" { min_wrapping_ttl = "soon" }',
    /"min_wrapping_ttl" on line 1 is not a duration/,
  ],
  ['a negative duration', 'path "a" { min_wrapping_ttl = -1 }', /is not a duration/],
  ['a time that is none', 'path "a" { expiration = "2030-01-01" }', /RFC 3339/],
  ['a negative limit', 'path "a" { pagination_limit = -1 }', /whole number/],
  [
    'a filter that is none',
    'path "a" { list_scan_response_keys_filter_path = "{{ .foo }}" }',
    /starts with .key or .path/,
  ],
  ['a path without name', 'path { capabilities = ["read"] }', /At 1:23: expected "path" to be a block|At 1:/],
  ['an open template', 'path "a/{{identity.entity.id" {}', /unbalanced templating characters/],
  ['an unknown template', 'path "a/{{identity.foo}}" {}', /unknown template "identity.foo"/],
  ['broken HCL', 'path "a" {', /^failed to parse policy: At 1:11: the "\{" at 1:10 is not closed/],
  ['broken JSON', '{"path": ', /^failed to parse policy: At 1:10: expected a JSON value/],
];
for (const [title, text, message] of MISTAKES) {
  test(`a policy is refused for ${title}`, () => {
    assert.throws(
      () => parse(text),
      (error) => error instanceof InvalidRequest && message.test(error.message),
    );
  });
}

test('policies may come in base64', () => {
  const text = 'path "a" { capabilities = ["read"] }';
  assert.equal(decodePolicyText(Buffer.from(text).toString('base64')), text);
  assert.equal(decodePolicyText(text), text);
  fc.assert(
    fc.property(fc.string(), (anything) => {
      const policy = `path "a" {} # ${anything}`;
      assert.equal(decodePolicyText(policy), policy);
      assert.equal(decodePolicyText(Buffer.from(policy).toString('base64')), Buffer.from(policy).toString());
    }),
  );
});

test('any text parses or is refused', () => {
  const piece = fc.constantFrom(
    'path',
    ' ',
    '\n',
    '"a"',
    '{',
    '}',
    '=',
    '[',
    ']',
    'capabilities',
    '"read"',
    'policy',
    '__proto__',
    '+*',
    '{{',
    '}}',
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 30 }).map((parts) => parts.join('')),
      (text) => {
        try {
          parse(text);
        } catch (error) {
          assert.ok(error instanceof InvalidRequest, String(error));
        }
      },
    ),
    { numRuns: 1000 },
  );
});
