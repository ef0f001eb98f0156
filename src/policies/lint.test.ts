import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_POLICY_TEXT } from './defaults.ts';
import { lintPolicy } from './lint.ts';
import { parsePolicy } from './parse.ts';

const lint = (text: string) => lintPolicy(parsePolicy({ name: 'p', text }), { kvV2Mounts: ['secret/'] });
const read = (path: string) => `path "${path}" { capabilities = ["read"] }`;

test('ordinary policies have no warnings', () => {
  assert.deepEqual(lint(DEFAULT_POLICY_TEXT), []);
  for (const path of [
    'secret/data/a',
    'secret/*',
    'secret/d*',
    'secret/+/a',
    'secret/metadata/*',
    'kv/a',
    'secret*',
    '*',
    'a/+/b/*',
  ]) {
    assert.deepEqual(lint(read(path)), [], path);
  }
});

const WARNINGS: [title: string, text: string, warning: RegExp][] = [
  [
    'a KV version 2 path without data/',
    read('secret/app/*'),
    /^path "secret\/app\/\*" \(line 1\): "secret\/" is a KV version 2 mount: secrets are at "secret\/data\/app\/\*", lists at "secret\/metadata\/app\/\*"$/,
  ],
  ['a KV version 2 prefix without data/', read('secret/x*'), /KV version 2/],
  ['no capabilities', 'path "a" {}', /grants nothing/],
  ['a star inside', read('a/*/b'), /only at the end/],
  ['a plus inside a segment', read('a/b+'), /whole segment/],
  ['v1/', read('v1/secret/data/a'), /without "v1\/"/],
  ['an empty segment', read('a//b'), /never matches/],
  ['a folder without list', read('a/'), /trailing slash/],
  ['a shadowed rule', `${read('a/*')}\n${read('a/+/b/*')}`, /path "a\/\*" \(line 1\) has priority/],
  ['values of *', 'path "a" { policy = "write" allowed_parameters = { "*" = ["x"] } }', /are ignored/],
  [
    'parameters of KV version 2',
    'path "secret/data/a" { policy = "write" denied_parameters = { "x" = [] } }',
    /do not look into/,
  ],
];
for (const [title, text, warning] of WARNINGS) {
  test(`a warning is given for ${title}`, () => {
    const warnings = lint(text);
    assert.equal(warnings.length, 1, JSON.stringify(warnings));
    assert.match(warnings[0]!, warning);
  });
}
