import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InvalidRequest } from '../base/errors.ts';
import { parseQuery, takeSwitch } from './query.ts';

describe('query', () => {
  test('names, values, repetition, plus and escapes', () => {
    assert.deepEqual(
      { ...parseQuery('a=1&b=x+y%2B&c&a=2&a=3&&=z') },
      { a: ['1', '2', '3'], b: 'x y+', c: '', '': 'z' },
    );
  });
  test('names of Object.prototype are plain names', () => {
    const query = parseQuery('__proto__=a&constructor=b&toString=c');
    assert.equal(Object.getPrototypeOf(query), null);
    assert.deepEqual(Object.keys(query), ['__proto__', 'constructor', 'toString']);
  });
  test('malformed escapes and too many parameters are refused', () => {
    assert.throws(() => parseQuery('a=%zz'), InvalidRequest);
    assert.throws(() => parseQuery('a=%ff'), InvalidRequest);
    assert.throws(() => parseQuery('a=1&'.repeat(1001)), InvalidRequest);
  });
  test('a switch is read as Go reads booleans, and taken out', () => {
    for (const [text, value] of [
      ['true', true],
      ['1', true],
      ['T', true],
      ['false', false],
      ['0', false],
      ['', false],
    ] as const) {
      const query = parseQuery(`list=${text}&other=1`);
      assert.equal(takeSwitch(query, 'list'), value);
      assert.deepEqual({ ...query }, { other: '1' });
    }
    assert.throws(() => takeSwitch(parseQuery('list=yes'), 'list'), InvalidRequest);
    assert.equal(takeSwitch(parseQuery('a=1'), 'list'), false);
  });
});
