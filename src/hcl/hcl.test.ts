import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEPTH_MAX, TEXT_LENGTH_MAX } from './cursor.ts';
import { blocks, HclError, type Plain, parseHcl, plain } from './hcl.ts';

/** HCL text and what it means, as JSON. */
const VECTORS: [title: string, text: string, meaning: Plain][] = [
  ['nothing', '', {}],
  ['only comments', '# a\n// b\n/* c\n d */', {}],
  ['a byte order mark', '\ufeffa = 1', { a: 1 }],
  ['attributes', 'a = "x"\nb-c.d = true\n_e = false', { a: 'x', 'b-c.d': true, _e: false }],
  ['a quoted key', '"a b" = 1', { 'a b': 1 }],
  ['numbers', 'a = -3\nb = 1.5\nc = 2e3\nd = 0x1F\ne = 0644', { a: -3, b: 1.5, c: 2000, d: 31, e: 420 }],
  ['one line', 'a = 1 b = 2, c = 3', { a: 1, b: 2, c: 3 }],
  [
    'escapes',
    String.raw`a = "q\" b\\ n\n t\t \u00e9 \U0001F600 \x41 \101"`,
    { a: 'q" b\\ n\n t\t é 😀 A A' },
  ],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: HCL's own interpolation
  ['interpolation stays', 'a = "x${f("y {z}")}$5"', { a: 'x${f("y {z}")}$5' }],
  [
    'a template stays',
    'path "a/{{identity.entity.id}}/*" {}',
    { path: { 'a/{{identity.entity.id}}/*': {} } },
  ],
  ['lists', 'a = []\nb = [1, "x", [true],]', { a: [], b: [1, 'x', [true]] }],
  ['a list over lines', 'a = [ # why\n  "x", // y\n  /* z */ "y"\n]', { a: ['x', 'y'] }],
  ['objects in a list', 'a = [{ b = 1 }, { c = 2 }]', { a: [{ b: 1 }, { c: 2 }] }],
  ['a block', 'a {\n b = 1\n}', { a: { b: 1 } }],
  ['labels', 'a "x" y { b = 1 }', { a: { x: { y: { b: 1 } } } }],
  ['a brace on the next line', 'path "a"\n{\n}', { path: { a: {} } }],
  ['an object as a value', 'a = { "b" = [], c = "d" }', { a: { b: [], c: 'd' } }],
  ['a heredoc', 'a = <<EOF\n  x\n y "z"\nEOF\nb = 1', { a: '  x\n y "z"\n', b: 1 }],
  ['an indented heredoc', 'a = <<-EOF\n    x\n\n      y\n    EOF\n', { a: 'x\n\n  y\n' }],
  ['an uneven heredoc', 'a = <<-EOF\n  x\n    EOF\n', { a: '  x\n' }],
  ['an empty heredoc', 'a = <<EOF\nEOF', { a: '' }],
  ['windows line ends', 'a = 1\r\nb {\r\n}\r\n', { a: 1, b: {} }],
  ['keys of prototypes', '__proto__ = 1\nconstructor {}', JSON.parse('{"__proto__": 1, "constructor": {}}')],
  ['JSON', ' {"a": [1, {"b": null}], "c": "\\u00e9\\ud83d\\ude00"}\n', { a: [1, {}], c: 'é😀' }],
  ['a lone surrogate in JSON', '{"a": "\\ud800"}', { a: '\ufffd' }],
  ['JSON without members', '{}', {}],
];
for (const [title, text, meaning] of VECTORS) {
  test(`HCL: ${title}`, () => {
    assert.deepEqual(JSON.parse(JSON.stringify(plain(parseHcl(text)))), meaning);
  });
}

const MISTAKES: [title: string, text: string, message: RegExp][] = [
  ['a key alone', 'a\nb = 1', /^At 2:1: expected "=" or "\{" after "a", found "b"/],
  ['a label with =', 'a "b" = 1', /^At 1:7: expected "\{" after "b"/],
  ['no value', 'a =\n', /^At 2:1: expected a value .* found the end of the text/],
  ['a bare word', 'a = foo', /^At 1:5: expected a value .* found "foo"/],
  ['a word like true', 'a = trueish', /^At 1:5: expected a value/],
  ['an open string', 'x = 1\na = "foo\n', /^At 2:5: the string is not closed/],
  ['an open interpolation', 'a = "${foo', /^At 1:6: the interpolation is not closed/],
  ['an open block', 'a {\n b = 1\n', /^At 3:1: the "\{" at 1:3 is not closed/],
  ['an open list', 'a = [1, 2', /^At 1:10: expected "," or "\]" in the list, found the end/],
  ['a list without comma', 'a = [1 2]', /^At 1:8: expected "," or "\]"/],
  ['an open comment', 'a = 1\n/* x', /^At 2:1: the comment is not closed/],
  [
    'an open heredoc',
    'a = <<EOF\nfoo\n',
    /^At 1:5: the heredoc is not closed: expected a line holding only "EOF"/,
  ],
  ['a heredoc on one line', 'a = <<EOF x', /^At 1:5: expected a heredoc/],
  ['an unknown escape', 'a = "\\q"', /^At 1:6: unknown escape/],
  ['a surrogate escape', 'a = "\\ud800"', /^At 1:6: the escape "\\u" does not name a character/],
  ['a bad octal', 'a = 089', /^At 1:5: the number 089 is malformed/],
  ['a huge number', 'a = 99999999999999999999', /^At 1:5: .* out of range/],
  ['half a number', 'a = 1.2.3', /^At 1:5: "1.2.3" is not a number/],
  ['a stray brace', '}', /^At 1:1: expected a key, found "}"/],
  ['a slash', '/ a', /^At 1:1: expected a key/],
  ['an attribute twice', 'p "x" {\n a = 1\n a = 2\n}', /^At 3:2: the argument "a" was already set/],
  ['an attribute and a block', 'a = 1\na {}', /^At 2:1: the argument "a" was already set/],
  ['NUL', 'a = "\0"', /^At 1:6: the text holds a NUL/],
  ['JSON with a comma too many', '{"a": 1,}', /^At 1:9: expected a key in double quotes/],
  ['JSON cut short', '{"a": [1', /^At 1:9: expected "," or "\]"/],
  ['JSON with more after it', '{} x', /^At 1:4: expected the end of the text, found "x"/],
  ['JSON with a bad escape', '{"a": "\\x"}', /^At 1:8: expected .* valid escape/],
  ['JSON with a raw line break', '{"a": "x\ny"}', /^At 1:9: expected .* valid escape/],
  ['JSON twice', '{"a": 1,\n "a": 2}', /^At 2:2: the argument "a" was already set/],
  ['null in a list', '{"a": [null]}', /^At 1:8: null cannot stand in a list/],
  ['a bad JSON number', '{"a": 01}', /^At 1:7: expected a JSON value/],
];
for (const [title, text, message] of MISTAKES) {
  test(`HCL refuses ${title}`, () => {
    assert.throws(
      () => parseHcl(text),
      (error) => error instanceof HclError && message.test(error.message),
    );
  });
}

test('HCL input is bounded in depth and size', () => {
  const deep = (levels: number) => `a = ${'['.repeat(levels)}${']'.repeat(levels)}`;
  parseHcl(deep(DEPTH_MAX));
  assert.throws(() => parseHcl(deep(DEPTH_MAX + 1)), /nested deeper/);
  assert.throws(() => parseHcl(`{"a": ${'['.repeat(100_000)}`), /nested deeper/);
  assert.throws(() => parseHcl('a '.repeat(100_000)), HclError);
  assert.throws(() => parseHcl(' '.repeat(TEXT_LENGTH_MAX + 1)), /longer than/);
  const long = 'x'.repeat(TEXT_LENGTH_MAX - 20);
  assert.deepEqual({ ...(plain(parseHcl(`a = "${long}"`)) as object) }, { a: long });
  assert.deepEqual({ ...(plain(parseHcl(`{"a": "${long}"}`)) as object) }, { a: long });
});

test('blocks are the same however they are written', () => {
  const forms = [
    'path "a" { x = 1 }\npath "b" { x = 2 }',
    'path = { a = { x = 1 }, b = { x = 2 } }',
    '{"path": {"a": {"x": 1}, "b": {"x": 2}}}',
    '{"path": [{"a": {"x": 1}}, {"b": {"x": 2}}]}',
    '{"path": [{"a": [{"x": 1}], "b": {"x": 2}}]}',
  ];
  for (const text of forms) {
    const found = blocks(parseHcl(text), 'path', 1).map(({ labels, body }) => [
      labels,
      JSON.stringify(plain(body)),
    ]);
    assert.deepEqual(found, [
      [['a'], '{"x":1}'],
      [['b'], '{"x":2}'],
    ]);
  }
  assert.throws(
    () => blocks(parseHcl('path = "a"'), 'path', 1),
    /At 1:8: expected "path" to be a block with a label/,
  );
});

const key = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'path'),
  fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/),
);
const scalar = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')),
  fc.boolean(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, min: -1e15, max: 1e15 }),
);
const { tree } = fc.letrec<{ tree: Plain; value: Plain }>((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, scalar, fc.array(tie('value'), { maxLength: 4 }), tie('tree')),
  tree: fc
    .uniqueArray(fc.tuple(key, tie('value')), { selector: ([name]) => name, maxLength: 5 })
    .map((pairs) => {
      const object: Record<string, Plain> = Object.create(null);
      for (const [name, value] of pairs) object[name] = value;
      return object;
    }),
}));

function printValue(value: Plain): string {
  if (typeof value === 'string') return printString(value);
  if (Array.isArray(value)) return `[${value.map(printValue).join(', ')}]`;
  if (typeof value === 'object') return `{\n${printBody(value as { readonly [key: string]: Plain })}}`;
  return String(Object.is(value, -0) ? '-0' : value);
}
function printString(text: string): string {
  const escaped = (character: string) => `\\U${character.codePointAt(0)!.toString(16).padStart(8, '0')}`;
  return `"${text.replace(/["\\$\p{Cc}]/gu, escaped)}"`;
}
function printBody(object: { readonly [key: string]: Plain }): string {
  return Object.entries(object)
    .map(([name, value]) => `"${name}" = ${printValue(value)} # …\n`)
    .join('');
}

test('HCL and JSON print-outs of one tree parse to that tree', () => {
  fc.assert(
    fc.property(tree, (expected) => {
      const body = expected as { readonly [key: string]: Plain };
      assert.deepEqual(plain(parseHcl(printBody(body))), expected);
      assert.deepEqual(JSON.stringify(plain(parseHcl(JSON.stringify(body)))), JSON.stringify(expected));
    }),
  );
});

test('any text parses or fails with a position inside it', () => {
  const piece = fc.constantFrom(
    'a',
    ' ',
    '\n',
    '"',
    '{',
    '}',
    '[',
    ']',
    '=',
    ',',
    '<<',
    'EOF',
    '#',
    '/*',
    '*/',
    '1',
    '-',
    '\\',
    '${',
    'true',
    ':',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece, { maxLength: 40 }).map((parts) => parts.join('')),
      ),
      (text) => {
        try {
          parseHcl(text);
        } catch (error) {
          assert.ok(error instanceof HclError, String(error));
          const lines = text.split('\n');
          assert.ok(error.position.line >= 1 && error.position.line <= lines.length);
          assert.ok(
            error.position.column >= 1 && error.position.column <= lines[error.position.line - 1]!.length + 1,
          );
        }
      },
    ),
    { numRuns: 1000 },
  );
});
