import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { boolean, booleanOr, duration, integerOr, pairs, parseFlags, string, strings } from './flags.ts';

const table = {
  mount: string({ usage: '' }),
  force: boolean({ usage: '', aliases: ['f'] }),
  renewable: booleanOr(true, { usage: '' }),
  'key-shares': integerOr(5, { usage: '', aliases: ['n'] }),
  ttl: duration({ usage: '' }),
  policy: strings({ usage: '' }),
  metadata: pairs({ usage: '' }),
};

test('flags are read as Go reads them', () => {
  const parsed = parseFlags(table, [
    '-mount=a=b',
    '--force',
    '-n',
    '3',
    '-ttl',
    '1h30m',
    '-policy=a',
    '-policy',
    'b',
    'x',
    '-f',
  ]);
  assert.deepEqual(parsed.values, {
    mount: 'a=b',
    force: true,
    renewable: true,
    'key-shares': 3,
    ttl: 5400,
    policy: ['a', 'b'],
    metadata: {},
  });
  assert.deepEqual(parsed.arguments, ['x', '-f']);
  assert.deepEqual([...parsed.given], ['mount', 'force', 'key-shares', 'ttl', 'policy']);
});

test('a truth flag takes its value only behind =', () => {
  assert.deepEqual(parseFlags(table, ['-force', 'false']).arguments, ['false']);
  assert.equal(parseFlags(table, ['-renewable=false']).values.renewable, false);
  assert.equal(parseFlags(table, ['-f=T']).values.force, true);
});

test('a single dash and what follows two is an argument', () => {
  assert.deepEqual(parseFlags(table, ['-', '-force']).arguments, ['-', '-force']);
  assert.deepEqual(parseFlags(table, ['--', '-force']).arguments, ['-force']);
});

test('an empty value is a value', () => {
  assert.equal(parseFlags(table, ['-mount=']).values.mount, '');
  assert.equal(parseFlags(table, ['-mount', '']).values.mount, '');
});

test('pairs keep what stands behind the first =', () => {
  assert.deepEqual(parseFlags(table, ['-metadata=a=b=c', '-metadata=x=']).values.metadata, {
    a: 'b=c',
    x: '',
  });
});

test('mistakes are usage errors that name the flag', () => {
  const wrong: [string[], RegExp][] = [
    [['-nope'], /flag provided but not defined: -nope/],
    [['-mount'], /flag needs an argument: -mount/],
    [['-n=x'], /invalid value "x" for flag -n/],
    [['-n=9e99'], /invalid value/],
    [['-force=maybe'], /invalid value "maybe" for flag -force/],
    [['-ttl=soon'], /invalid value "soon" for flag -ttl/],
    [['-metadata=x'], /key=value/],
    [['-toString'], /not defined/],
    [['-__proto__=x'], /not defined/],
  ];
  for (const [argv, message] of wrong)
    assert.throws(() => parseFlags(table, argv), { code: 'usage', message });
});

test('a property: whatever follows -- comes out as it went in', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (words) => {
      assert.deepEqual(parseFlags(table, ['--', ...words]).arguments, words);
    }),
  );
});

test('a property: a value of any text arrives whole', () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      assert.equal(parseFlags(table, [`-mount=${value}`]).values.mount, value);
      assert.equal(parseFlags(table, ['-mount', value]).values.mount, value);
    }),
  );
});
