import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidRequest } from '../base/errors.ts';
import { randomFrom, seededRandom } from '../base/random.ts';
import {
  DEFAULT_PASSWORD_POLICY_TEXT,
  generatePassword,
  parsePasswordPolicy,
  tryPasswordPolicy,
} from './password.ts';

const rule = (charset: string, min = 0) =>
  `rule "charset" {\n  charset = ${JSON.stringify(charset)}\n  min-chars = ${min}\n}\n`;

test('passwords fit the default policy', () => {
  const policy = parsePasswordPolicy(DEFAULT_PASSWORD_POLICY_TEXT);
  for (let seed = 0; seed < 200; seed++) {
    const password = generatePassword(policy, seededRandom(seed));
    assert.match(password, /^[a-zA-Z0-9-]{20}$/);
    for (const kind of [/[a-z]/, /[A-Z]/, /[0-9]/, /-/]) assert.match(password, kind);
  }
});

test('a policy in JSON is the same', () => {
  const json =
    '{"length": 8, "rule": [{"charset": {"charset": "abc", "min-chars": 2}}, {"charset": [{"charset": "01"}]}]}';
  const { length, rules } = parsePasswordPolicy(json);
  assert.deepEqual(
    { length, rules },
    { length: 8, rules: parsePasswordPolicy(`length = 8\n${rule('abc', 2)}${rule('01')}`).rules },
  );
});

test('characters of overlapping sets are drawn evenly', () => {
  const policy = parsePasswordPolicy(`length = 1000\n${rule('aab')}${rule('bcéé😀')}`);
  const random = seededRandom(7);
  const counts = new Map<string, number>();
  for (let run = 0; run < 50; run++) {
    for (const character of generatePassword(policy, random))
      counts.set(character, (counts.get(character) ?? 0) + 1);
  }
  assert.deepEqual([...counts.keys()].sort(), ['a', 'b', 'c', 'é', '😀'].sort());
  for (const count of counts.values()) assert.ok(Math.abs(count - 10_000) < 500, String(count));
});

test('a policy too narrow is refused within bounds', () => {
  const policy = parsePasswordPolicy(`length = 20\n${rule('abcdefghijklmnopqrstuvwxyz')}${rule('0', 19)}`);
  assert.throws(() => tryPasswordPolicy(policy, seededRandom(1)), /too restrictive/);
  const constant = randomFrom((count) => Buffer.alloc(count));
  assert.throws(
    () => generatePassword(parsePasswordPolicy(DEFAULT_PASSWORD_POLICY_TEXT), constant),
    /too restrictive/,
  );
});

const MISTAKES: [text: string, message: RegExp][] = [
  ['', /length must be set/],
  [`length = 3\n${rule('abc')}`, /length must be from 4/],
  [`length = 1.5\n${rule('abc')}`, /At 1:10: "length" must be a whole number/],
  [`length = "x"\n${rule('abc')}`, /must be a whole number/],
  ['length = 20', /no charsets specified/],
  [`length = 20\n${rule('')}`, /the rule on line 2 needs a charset/],
  [`length = 20\n${rule('a\tb')}`, /not printable/],
  [`length = 20\n${rule('abc', 21)}`, /min-chars 21 is more than the length 20/],
  ['length = 20\nrule "other" {}', /unknown rule type "other" on line 2/],
  ['length = 20\nrule "charset" {\n  chars = "a"\n}', /At 3:3: unknown key "chars"/],
  ['lenght = 20', /At 1:1: unknown key "lenght"/],
  [
    `length = 20\n${rule(String.fromCodePoint(...Array.from({ length: 257 }, (_, at) => 0x4e00 + at)))}`,
    /more than 256 characters/,
  ],
  ['length = ', /At 1:10: expected a value/],
];
for (const [text, message] of MISTAKES) {
  test(`a password policy is refused: ${message.source}`, () => {
    assert.throws(
      () => parsePasswordPolicy(text),
      (error) => error instanceof InvalidRequest && message.test(error.message),
    );
  });
}

test('every generated password satisfies its policy', () => {
  const charset = fc
    .uniqueArray(fc.constantFrom(...'abcdef0123-_'), { minLength: 3 })
    .map((all) => all.join(''));
  const rules = fc.array(fc.tuple(charset, fc.integer({ min: 0, max: 2 })), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(rules, fc.integer({ min: 8, max: 40 }), fc.integer(), (drafts, length, seed) => {
      const policy = parsePasswordPolicy(
        `length = ${length}\n${drafts.map(([set, min]) => rule(set, min)).join('')}`,
      );
      const password = generatePassword(policy, seededRandom(seed));
      assert.equal([...password].length, length);
      for (const [set, min] of drafts) {
        assert.ok([...password].filter((character) => set.includes(character)).length >= min);
      }
    }),
  );
});
