import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidRequest } from '../base/errors.ts';
import { excludeFrom, parseExclusions } from './exclude.ts';
import { parseFilter } from './filter.ts';
import { FILTER_SELECTORS, parseCommonOptions } from './options.ts';

const values = new Map<string, unknown>([
  ['mount_type', 'kv'],
  ['path', 'secret/data/web'],
  ['operation', 'read'],
  ['namespace', ''],
  ['list', ['a', 'b']],
  ['object', { key: 1 }],
  ['number', 5],
]);

function matches(text: string, selectors?: readonly string[]): boolean {
  return parseFilter(text, selectors).matches(([name]) => values.get(name!));
}

test('expressions', () => {
  for (const [text, expected] of [
    ['mount_type == kv', true],
    ['mount_type=="kv"', true],
    ['mount_type != "kv"', false],
    ['"mount_type" == `kv`', true],
    ['number == 5', true],
    ['missing == ""', false],
    ['missing != x', true],
    ['"web" in path', true],
    ['web not in path', false],
    ['a in list', true],
    ['key in object', true],
    ['path contains "data/"', true],
    ['path not contains "data/"', false],
    ['list contains c', false],
    ['namespace is empty', true],
    ['path is not empty', true],
    ['missing is empty', true],
    ['path matches "^secret/.*"', true],
    ['path not matches "^auth/"', true],
    ['mount_type == kv and operation == list or operation == read', true],
    ['operation == read or mount_type == kv and operation == list', true],
    ['(operation == read or mount_type == kv) and operation == list', false],
    ['not operation == list and not (mount_type == ssh)', true],
    ['operation == "not"', false],
  ] as const) {
    assert.equal(matches(text), expected, text);
  }
});

test('mistakes are told', () => {
  for (const text of [
    '',
    'path',
    'path ==',
    'path = x',
    '(path == x',
    'path == x)',
    'path == x path == y',
    'path is x',
    'path matches "("',
    'path not == x',
    '"unfinished == x',
    'a..b == x',
    `path == ${'x'.repeat(5000)}`,
    `${'('.repeat(40)}path == x${')'.repeat(40)}`,
  ]) {
    assert.throws(() => parseFilter(text), InvalidRequest, text);
  }
  assert.throws(() => matches('secret == x', FILTER_SELECTORS), /unknown selector/);
  assert.equal(matches('path is not empty', FILTER_SELECTORS), true);
});

test('exclusions remove fields, each condition looking at the entry as it was', () => {
  const entry = JSON.stringify({
    auth: { client_token: 'hmac-sha256:1', entity_id: 'e' },
    request: { mount_type: 'transit', data: { a: 1 } },
    response: { data: { b: 1 }, 'odd/name~': 1 },
  });
  const excluded = (exclude: unknown): unknown =>
    JSON.parse(excludeFrom(entry, parseExclusions(JSON.stringify(exclude))));
  assert.deepEqual(
    excluded([
      { condition: '"/request/mount_type" == transit', fields: ['/request/mount_type', '/request/data'] },
      { condition: '"/request/mount_type" == transit', fields: ['/response/data', '/response/odd~1name~0'] },
      { condition: '"/auth/client_token" matches "hmac.+"', fields: ['/auth/entity_id'] },
      { condition: '"/request/mount_type" == kv', fields: ['/auth/client_token'] },
      { fields: ['/missing/field', '/request/data/a/b'] },
    ]),
    { auth: { client_token: 'hmac-sha256:1' }, request: {}, response: {} },
  );
  for (const bad of [
    {},
    [1],
    [{ fields: [] }],
    [{ fields: ['data'] }],
    [{ fields: ['/'] }],
    [{ condition: 1, fields: ['/a'] }],
  ]) {
    assert.throws(() => parseExclusions(JSON.stringify(bad)), InvalidRequest, JSON.stringify(bad));
  }
  assert.throws(() => parseExclusions('nonsense'), InvalidRequest);
});

test('common options', () => {
  const parse = (options: Record<string, string>, allowPrefix = true) =>
    parseCommonOptions(options, { allowPrefix });
  assert.deepEqual(parse({}), {
    hmacAccessor: true,
    logRaw: false,
    elideListResponses: false,
    prefix: '',
    filter: undefined,
    fallback: false,
    exclusions: [],
    skipTest: false,
  });
  const set = parse({ hmac_accessor: 'false', log_raw: '1', elide_list_responses: 'T', prefix: '@cee: ' });
  assert.deepEqual(
    [set.hmacAccessor, set.logRaw, set.elideListResponses, set.prefix],
    [false, true, true, '@cee: '],
  );
  const refused: Record<string, string>[] = [
    { log_raw: 'yes' },
    { format: 'jsonx' },
    { fallback: 'true', filter: 'path == x' },
    { prefix: 'a\nb' },
    { prefix: '#!/bin/sh' },
    { prefix: 'x'.repeat(300) },
    { filter: 'nonsense' },
    { exclude: '{}' },
  ];
  for (const bad of refused) {
    assert.throws(() => parse(bad), InvalidRequest, JSON.stringify(bad));
  }
  assert.throws(() => parse({ prefix: 'x' }, false), /allow_audit_log_prefixing/);
});
