import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CofferError } from '../base/errors.ts';
import { parseBody } from './body.ts';
import { checkJsonLimits, type JsonLimits } from './json-limits.ts';

const LIMITS: JsonLimits = {
  depthMax: 5,
  stringBytesMax: 20,
  objectEntriesMax: 4,
  arrayElementsMax: 6,
  tokensMax: 40,
};

function parse(body: string | Buffer, type?: string, method = 'POST') {
  return parseBody(Buffer.from(body as string), method, type, LIMITS);
}

function refused(code: string, text: RegExp, body: string | Buffer, type?: string, method?: string): void {
  assert.throws(
    () => parse(body, type, method),
    (error) => error instanceof CofferError && error.code === code && text.test(error.message),
  );
}

describe('request body', () => {
  test('is JSON, whatever the client calls it', () => {
    for (const type of [undefined, 'application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
      assert.deepEqual({ ...parse(' {"a":{"b":[1,null]}}', type).body }, { a: { b: [1, null] } });
    }
  });
  test('is a form when it says so and does not look like JSON', () => {
    const { body } = parse('role_id=a%2Bb&x=1&x=2', 'application/x-www-form-urlencoded; charset=utf-8');
    assert.deepEqual({ ...body }, { role_id: 'a+b', x: ['1', '2'] });
    assert.equal(Object.getPrototypeOf(body), null);
  });
  test('is bytes for binary types and snapshots', () => {
    assert.deepEqual(parse(Buffer.from([0xff, 0]), 'application/ocsp-request').bytes, Buffer.from([0xff, 0]));
    assert.deepEqual(parse(Buffer.from([0x1f, 0x8b, 8])).bytes, Buffer.from([0x1f, 0x8b, 8]));
  });
  test('may be empty or null', () => {
    assert.deepEqual(parse(''), { body: undefined, bytes: undefined });
    assert.deepEqual(parse('null'), { body: undefined, bytes: undefined });
  });
  test('PATCH needs the merge patch type', () => {
    assert.deepEqual({ ...parse('{"a":null}', 'application/merge-patch+json', 'PATCH').body }, { a: null });
    refused(
      'unsupported_media',
      /^PATCH requires Content-Type of application\/merge-patch\+json/,
      '{}',
      'application/json',
      'PATCH',
    );
  });

  for (const [body, text] of [
    ['[1]', /must be an object/],
    ['"s3cret"', /must be an object/],
    ['{"password":"s3cret"', /^failed to parse JSON input: invalid JSON/],
    ['{"password":s3cret}', /^failed to parse JSON input: invalid JSON/],
    ['{} {}', /invalid JSON/],
    ['\ufeff{}', /invalid JSON/],
    ['{"a":"\\ud800"}', /not well-formed/],
    ['{"\\udfff":1}', /not well-formed/],
    ['{"a":1e999}', /too large to be kept exactly/],
    ['{"a":12345678901234567891}', /too large to be kept exactly/],
    ['{"a":1E999}', /too large to be kept exactly/],
    [`{"a":${'9'.repeat(350)}}`, /too large to be kept exactly/],
    ['{"a":1-1-1-1-1-1-1-1-1-1-1-1}', /invalid JSON/],
    [`{"a":${'9'.repeat(500)}}`, /too large to be kept exactly/],
  ] as const) {
    test(`${JSON.stringify(body.slice(0, 40))} is refused without quoting it`, () => {
      refused('invalid_request', text, body);
      assert.throws(
        () => parse(body),
        (error: Error) => !error.message.includes('s3cret'),
      );
    });
  }
  test('ill-formed UTF-8 is refused', () =>
    refused('invalid_request', /not UTF-8/, Buffer.from([0x7b, 0xc3, 0x7d])));

  test('numbers that a double holds exactly are taken', () => {
    const { body } = parse(
      '{"a":9007199254740993000000,"b":-9007199254740992,"c":1.5e3,"d":0.1}'.replace(
        '9007199254740993000000',
        '1000000000000000000000',
      ),
    );
    assert.deepEqual({ ...body }, { a: 1e21, b: -9007199254740992, c: 1500, d: 0.1 });
  });

  for (const [name, body] of [
    ['nesting depth', `{"a":${'['.repeat(5)}${']'.repeat(5)}}`],
    ['string length', `{"a":"${'x'.repeat(21)}"}`],
    ['name length', `{"${'x'.repeat(21)}":1}`],
    ['entry count', '{"a":1,"b":1,"c":1,"d":1,"e":1}'],
    ['element count', '{"a":[1,1,1,1,1,1,1]}'],
    ['token count', `{"a":[${Array(5).fill('[1,1,1,1,1,1]').join(',')}],"b":[[1,1],[1,1]]}`],
    ['an unclosed string', `{"a":"${'\\"'.repeat(11)}`],
  ] as const) {
    test(`limits the ${name}`, () => refused('too_large', /^JSON .* exceeds allowed/, body));
  }

  test('the limits never refuse what is within them', () => {
    const wide: JsonLimits = {
      depthMax: 50,
      stringBytesMax: 1000,
      objectEntriesMax: 500,
      arrayElementsMax: 500,
      tokensMax: 100_000,
    };
    fc.assert(fc.property(fc.json({ maxDepth: 4 }), (text) => checkJsonLimits(Buffer.from(text), wide)));
  });

  test('strings end where the parser ends them, however they are escaped', () => {
    const unit = fc.constantFrom('\\', '"', 'a', 'b'.repeat(30), '\n', 'ü');
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 12 }), (units) => {
        const text = units.join('');
        const bytes = Buffer.from(JSON.stringify({ [text]: [text, text] }));
        const written = JSON.stringify(text).length - 2 + (Buffer.byteLength(text) - text.length);
        const exact = { ...LIMITS, stringBytesMax: written, tokensMax: 5 };
        checkJsonLimits(bytes, exact);
        if (written > 0)
          assert.throws(() => checkJsonLimits(bytes, { ...exact, stringBytesMax: written - 1 }));
        assert.throws(() => checkJsonLimits(bytes, { ...exact, tokensMax: 4 }));
      }),
    );
  });

  test('__proto__ stays a name at every depth', () => {
    const { body } = parse('{"__proto__":{"x":1},"a":{"__proto__":{"x":1}}}');
    assert.equal(Object.getPrototypeOf(body), null);
    assert.deepEqual(Object.keys(body!), ['__proto__', 'a']);
    assert.equal(({} as Record<string, unknown>).x, undefined);
    assert.equal((body!.a as Record<string, unknown>).x, undefined);
  });
});
