/** Values that have broken servers: each field of each path must take them or refuse them clearly. For tests. */
export const hostileValues: readonly (readonly [string, unknown])[] = [
  ['null', null],
  ['true', true],
  ['zero', 0],
  ['a negative number', -1],
  ['a fraction', -1.5],
  ['a number beyond whole ones', 1e308],
  ['the largest whole number', Number.MAX_SAFE_INTEGER],
  ['a number as text', '99999999999999999999'],
  ['a negative number as text', '-1'],
  ['empty text', ''],
  ['white space', ' \t\n'],
  ['NUL', 'a\u0000b'],
  ['half a character', '\ud800'],
  ['a path', '../../sys'],
  ['a name of the prototype', '__proto__'],
  ['long text', 'x'.repeat(3000)],
  ['huge text', 'x'.repeat(1_100_000)],
  ['a list', []],
  ['a list of everything', [null, true, 1, 'text', [], {}]],
  ['a long list', Array.from({ length: 5000 }, (_, index) => index)],
  ['an object', {}],
  ['an object with odd members', JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1, "": "x"}')],
  ['an object with many members', Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`k${i}`, 'v']))],
  ['a deep object', deep((inner) => ({ inner }))],
  ['a deep list', deep((inner) => [inner])],
  ['JSON as text', '{"__proto__": {"polluted": true}}'],
  ['broken JSON as text', '{"a": '],
];

/** For one segment of a path; what http/ refuses already is not here. */
export const hostileSegments: readonly string[] = [
  '__proto__',
  'constructor',
  'x'.repeat(3000),
  'ü\u{1F511}',
  '%2e%2e',
  'a b',
  '*',
  '{name}',
];

function deep(wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 1;
  for (let depth = 0; depth < 200; depth++) value = wrap(value);
  return value;
}
