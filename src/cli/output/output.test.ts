import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { alignRows, heading, tableOf } from './table.ts';
import { humanDuration, plainText } from './value.ts';
import { yamlOf } from './yaml.ts';

test('columns are four blanks apart and no line ends in blanks', () => {
  assert.equal(
    tableOf(
      ['Key', 'Value'],
      [
        ['a', ''],
        ['long', '∞'],
      ],
    ),
    'Key     Value\n---     -----\na       n/a\nlong    ∞',
  );
  assert.equal(
    alignRows([
      ['∞', 'x'],
      ['ab', 'y'],
    ]),
    '∞     x\nab    y',
  );
});

test('a heading is as wide as what stands below it', () => {
  assert.equal(heading('Data', 17), '====== Data ======');
  assert.equal(heading('Secret Path', 3), '== Secret Path ==');
});

test('values read as Go prints them', () => {
  assert.equal(plainText({ b: [1, null, 'x'], a: { c: true } }), 'map[a:map[c:true] b:[1 <nil> x]]');
});

test('durations are humanised', () => {
  const expected: [number, string][] = [
    [0, '0s'],
    [59, '59s'],
    [60, '1m'],
    [3600, '1h'],
    [3605, '1h0m5s'],
    [2764800, '768h'],
    [5400, '1h30m'],
    [-60, '-1m'],
  ];
  for (const [seconds, text] of expected) assert.equal(humanDuration(seconds), text);
});

test('YAML leaves bare only what no reader mistakes', () => {
  const quoted = [
    '',
    'no',
    'Yes',
    'null',
    '~',
    '1',
    '1e3',
    '0x1',
    'a: b',
    '- a',
    'a #b',
    '"',
    'a\nb',
    ' a',
    '2026-01-01',
    'NaN',
    '\u0085',
    '\u2028',
    '=',
    '<<',
  ];
  for (const text of quoted) assert.match(yamlOf(text), /^"/, text);
  for (const text of ['abc', 'a/b.c-d', '_x', '/path/']) assert.equal(yamlOf(text), text);
});

test('YAML nests by two blanks', () => {
  assert.equal(
    yamlOf({ b: [[1, 2], { x: 'y', w: [] }], a: {}, c: null }),
    'a: {}\nb:\n- - 1\n  - 2\n- w: []\n  x: "y"\nc: null',
  );
});

/** What YAML's double quotes and JSON's have in common is read back by JSON. */
test('a property: a quoted text of YAML is that text in JSON, on one line of printable characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const written = yamlOf(text);
      if (!written.startsWith('"')) assert.equal(written, text);
      else assert.equal(JSON.parse(written), text);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be there
      assert.doesNotMatch(written, /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/);
    }),
  );
});
