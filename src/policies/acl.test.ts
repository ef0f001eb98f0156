import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Operation } from '../engine/engine.ts';
import { type Acl, compileAcl, layerAcl } from './acl.ts';
import { parsePolicy } from './parse.ts';

function aclOf(...texts: string[]): Acl {
  return compileAcl({ policies: texts.map((text, at) => parsePolicy({ name: `p${at}`, text })), nowMs: 0 });
}
const may = (acl: Acl, operation: Operation, path: string) => acl.check({ operation, path }).allowed;

/** Rules (path and capabilities), then questions. */
const MATCHES: [title: string, rules: [string, string][], questions: [Operation, string, boolean][]][] = [
  ['nothing is allowed without a rule', [], [['read', 'a', false]]],
  [
    'an exact path',
    [['secret/foo', 'read']],
    [
      ['read', 'secret/foo', true],
      ['read', 'secret/food', false],
      ['read', 'secret/foo/bar', false],
      ['update', 'secret/foo', false],
    ],
  ],
  [
    'a prefix',
    [['secret/zip-*', 'read']],
    [
      ['read', 'secret/zip-', true],
      ['read', 'secret/zip-zap/zong', true],
      ['read', 'secret/zip/zap', false],
    ],
  ],
  [
    'a prefix of everything',
    [['*', 'read']],
    [
      ['read', 'a/b', true],
      ['read', '', true],
    ],
  ],
  [
    'a folder prefix',
    [['secret/bar/*', 'read']],
    [
      ['read', 'secret/bar/zip/zap', true],
      ['read', 'secret/bars/zip', false],
      ['read', 'secret/bar', false],
    ],
  ],
  [
    'a segment',
    [['secret/+/teamb', 'read']],
    [
      ['read', 'secret/x/teamb', true],
      ['read', 'secret/x/y/teamb', false],
      ['read', 'secret/teamb', false],
      ['read', 'secret/x/teambs', false],
    ],
  ],
  [
    'two segments and a prefix',
    [['secret/+/+/foo*', 'read']],
    [
      ['read', 'secret/a/b/foo', true],
      ['read', 'secret/a/b/food/x', true],
      ['read', 'secret/a/foo', false],
    ],
  ],
  [
    'a plus inside a segment is only a plus',
    [['a/b+/c', 'read']],
    [
      ['read', 'a/b+/c', true],
      ['read', 'a/bx/c', false],
    ],
  ],
  [
    'a star inside a path is only a star',
    [['a*/c', 'read']],
    [
      ['read', 'a*/c', true],
      ['read', 'ab/c', false],
    ],
  ],
  [
    'an exact path beats a prefix',
    [
      ['a/*', 'read'],
      ['a/b', 'update'],
    ],
    [
      ['read', 'a/b', false],
      ['update', 'a/b', true],
    ],
  ],
  [
    'the longest prefix wins',
    [
      ['a/*', 'read'],
      ['a/b*', 'deny'],
    ],
    [
      ['read', 'a/c', true],
      ['read', 'a/bc', false],
    ],
  ],
  [
    'the later wildcard wins',
    [
      ['a/+/c', 'read'],
      ['a/b/*', 'update'],
    ],
    [
      ['update', 'a/b/c', true],
      ['read', 'a/b/c', false],
    ],
  ],
  [
    'without a star wins',
    [
      ['a/+/c*', 'read'],
      ['a/+/c', 'update'],
    ],
    [
      ['update', 'a/b/c', true],
      ['read', 'a/b/c', false],
    ],
  ],
  [
    'fewer segments win',
    [
      ['secret/*', 'read'],
      ['secret/+/+/foo/*', 'update'],
    ],
    [
      ['read', 'secret/a/b/foo/x', true],
      ['update', 'secret/a/b/foo/x', false],
    ],
  ],
  [
    'the longer path wins',
    [
      ['a/+/c/*', 'read'],
      ['a/+/c/d/*', 'update'],
    ],
    [
      ['update', 'a/b/c/d/e', true],
      ['read', 'a/b/c/d/e', false],
    ],
  ],
  [
    'equal paths add up',
    [
      ['a', 'read'],
      ['a', 'update'],
    ],
    [
      ['read', 'a', true],
      ['update', 'a', true],
    ],
  ],
  [
    'deny wins over equal paths',
    [
      ['a', 'read'],
      ['a', 'deny'],
      ['a', 'update'],
    ],
    [
      ['read', 'a', false],
      ['update', 'a', false],
    ],
  ],
  ['a leading slash is nothing', [['/a', 'read']], [['read', 'a', true]]],
  [
    'lists match without a slash',
    [['a/b', 'list']],
    [
      ['list', 'a/b/', true],
      ['list', 'a/b', true],
      ['scan', 'a/b/', false],
    ],
  ],
  [
    'lists match with a slash',
    [['a/b/', 'list']],
    [
      ['list', 'a/b/', true],
      ['list', 'a/b', true],
      ['read', 'a/b', false],
    ],
  ],
  [
    'lists match segments without a slash',
    [['+/policies/acl', 'list']],
    [['list', 'ns/policies/acl/', true]],
  ],
  ['lists match segments with a slash', [['+/policies/acl/', 'list']], [['list', 'ns/policies/acl/', true]]],
  [
    'a deny without a slash also denies lists',
    [
      ['s/*', 'list'],
      ['s/hidden', 'deny'],
    ],
    [
      ['list', 's/hidden/', false],
      ['list', 's/', true],
    ],
  ],
  [
    'a denied segment also denies lists',
    [
      ['s/*', 'list'],
      ['s/+/keys', 'deny'],
    ],
    [
      ['list', 's/a/keys/', false],
      ['list', 's/a/', true],
    ],
  ],
  ['case matters', [['Secret/a', 'read']], [['read', 'secret/a', false]]],
  [
    'help is for everyone',
    [['a', 'deny']],
    [
      ['help', 'a', true],
      ['help', 'b', true],
    ],
  ],
];
for (const [title, rules, questions] of MATCHES) {
  test(`policies: ${title}`, () => {
    const texts = rules.map(([path, capability]) => `path "${path}" { capabilities = ["${capability}"] }`);
    for (const acl of [aclOf(texts.join('\n')), aclOf(...texts)]) {
      for (const [operation, path, allowed] of questions)
        assert.equal(may(acl, operation, path), allowed, `${operation} ${path}`);
    }
  });
}

test('policies: root allows everything', () => {
  const acl = compileAcl({ policies: [{ name: 'root', rules: [], text: '', placeholders: [] }], nowMs: 0 });
  assert.equal(acl.check({ path: 'sys/raw/x', operation: 'delete', sudoRequired: true }).allowed, true);
  assert.deepEqual(acl.capabilities('x'), ['root']);
  assert.equal(acl.grantsUnder('x/'), true);
});

test('policies: sudo comes on top of the operation', () => {
  const acl = aclOf(
    'path "a" { capabilities = ["sudo"] } path "b" { capabilities = ["read"] } path "c" { policy = "sudo" }',
  );
  const check = (path: string) => acl.check({ path, operation: 'read', sudoRequired: true });
  assert.deepEqual(check('a').refusal, { kind: 'capability', capability: 'read' });
  assert.deepEqual(check('b').refusal, { kind: 'sudo' });
  assert.equal(check('c').allowed, true);
});

test('policies: capabilities are printed sorted', () => {
  const acl = aclOf(
    'path "a/*" { capabilities = ["update", "list", "create"] } path "a/b" { capabilities = ["deny", "read"] } path "a/c/" { capabilities = ["list"] } path "e" {}',
  );
  assert.deepEqual(acl.capabilities('a/x'), ['create', 'list', 'update']);
  assert.deepEqual(acl.capabilities('a/b'), ['deny']);
  assert.deepEqual(acl.capabilities('a/b/'), ['deny']);
  assert.deepEqual(acl.capabilities('a/c/'), ['list']);
  assert.deepEqual(acl.capabilities('e'), ['deny']);
  assert.deepEqual(acl.capabilities('none'), ['deny']);
});

const LIMITS: [title: string, limits: string, data: Record<string, unknown>, allowed: boolean][] = [
  ['no limits', '', { a: 1 }, true],
  ['a required parameter', 'required_parameters = ["Name"]', { NAME: '' }, true],
  ['a missing parameter', 'required_parameters = ["name", "id"]', { name: 'x' }, false],
  ['any value', 'allowed_parameters = { "a" = [] }', { A: { x: 1 } }, true],
  ['a listed value', 'allowed_parameters = { "a" = ["x", "y"] }', { a: 'y' }, true],
  ['another value', 'allowed_parameters = { "a" = ["x", "y"] }', { a: 'z' }, false],
  ['another parameter', 'allowed_parameters = { "a" = [] }', { a: 1, b: 1 }, false],
  ['other parameters with *', 'allowed_parameters = { "a" = ["x"], "*" = [] }', { a: 'x', b: 1 }, true],
  ['a listed parameter beside *', 'allowed_parameters = { "a" = ["x"], "*" = [] }', { a: 'z' }, false],
  ['no data', 'allowed_parameters = { "a" = ["x"] }', {}, true],
  ['an empty table', 'allowed_parameters = {}', { a: 1 }, true],
  ['a denied parameter', 'denied_parameters = { "a" = [] }', { a: 1 }, false],
  ['beside a denied parameter', 'denied_parameters = { "a" = [] }', { b: 1 }, true],
  ['a denied value', 'denied_parameters = { "a" = ["x"] }', { a: 'x' }, false],
  ['beside a denied value', 'denied_parameters = { "a" = ["x"] }', { a: 'y' }, true],
  ['everything denied', 'denied_parameters = { "*" = [] }', { a: 1 }, false],
  ['everything denied, nothing given', 'denied_parameters = { "*" = [] }', {}, true],
  [
    'denied before allowed',
    'allowed_parameters = { "*" = [] }\ndenied_parameters = { "a" = ["x"] }',
    { a: 'x' },
    false,
  ],
  ['a value with a glob', 'allowed_parameters = { "a" = ["foo-*"] }', { a: 'foo-bar' }, true],
  ['beside a glob', 'allowed_parameters = { "a" = ["foo-*"] }', { a: 'fo' }, false],
  ['a glob at both ends', 'allowed_parameters = { "a" = ["*foo*"] }', { a: 'xfooy' }, true],
  ['a glob does not overlap', 'allowed_parameters = { "a" = ["ab*ba"] }', { a: 'aba' }, false],
  ['a boolean as text', 'denied_parameters = { "a" = [false] }', { a: 'false' }, false],
  ['a text as number', 'allowed_parameters = { "a" = ["5"] }', { a: 5 }, true],
  ['a denied item of a list', 'denied_parameters = { "a" = ["admin"] }', { a: ['x', 'admin'] }, false],
  ['all items allowed', 'allowed_parameters = { "a" = ["x", "y"] }', { a: ['x', 'y', 'x'] }, true],
  ['one item not allowed', 'allowed_parameters = { "a" = ["x", "y"] }', { a: ['x', 'z'] }, false],
  ['an empty list', 'allowed_parameters = { "a" = ["x"] }', { a: [] }, false],
  ['a whole list', 'allowed_parameters = { "a" = [["x", "y"]] }', { a: ['x', 'y'] }, true],
  ['an object', 'allowed_parameters = { "a" = [{ x = 1, y = 2 }] }', { a: { y: 2, x: 1 } }, true],
  ['null', 'allowed_parameters = { "a" = ["null"] }', { a: null }, false],
];
for (const [title, limits, data, allowed] of LIMITS) {
  test(`policies, parameters: ${title}`, () => {
    const acl = aclOf(
      `path "a" { capabilities = ["create", "read", "update", "patch", "delete", "list"]\n${limits} }`,
    );
    for (const operation of ['create', 'read', 'update', 'patch'] as const) {
      assert.equal(acl.check({ path: 'a', operation, data }).allowed, allowed, operation);
    }
    for (const operation of ['delete', 'list'] as const) {
      assert.equal(acl.check({ path: 'a', operation, data }).allowed, true, operation);
    }
  });
}

test('policies: parameter tables of equal paths add up', () => {
  const rule = (limits: string) => `path "a" { capabilities = ["update"]\n${limits} }`;
  const acl = aclOf(
    rule('allowed_parameters = { a = ["x"], b = ["x"] }\ndenied_parameters = { c = ["x"] }'),
    rule('allowed_parameters = { a = ["y"], b = [], c = [] }\ndenied_parameters = { c = ["y"] }'),
    rule(''),
  );
  const update = (data: Record<string, unknown>) =>
    acl.check({ path: 'a', operation: 'update', data }).allowed;
  assert.deepEqual([update({ a: 'x' }), update({ a: 'y' }), update({ a: 'z' })], [true, true, false]);
  assert.deepEqual(
    [update({ b: 'z' }), update({ c: 'y' }), update({ c: 'z' }), update({ d: 1 })],
    [true, false, true, false],
  );
});

test('policies: wrapping limits', () => {
  const acl = aclOf(
    'path "min" { capabilities = ["read"] min_wrapping_ttl = "1m" }\npath "max" { capabilities = ["read"] max_wrapping_ttl = 90 }\npath "merged" { capabilities = ["read"] min_wrapping_ttl = "10s" max_wrapping_ttl = "1h" }',
    'path "merged" { max_wrapping_ttl = "20s" }',
  );
  const read = (path: string, wrapTtlSeconds?: number) =>
    acl.check({ path, operation: 'read', wrapTtlSeconds }).allowed;
  assert.deepEqual([read('min'), read('min', 59), read('min', 60)], [false, false, true]);
  assert.deepEqual([read('max'), read('max', 90), read('max', 91)], [false, true, false]);
  assert.deepEqual([read('merged', 9), read('merged', 15), read('merged', 21)], [false, true, false]);
});

test('policies: a rule ends at its expiration', () => {
  const text =
    'path "a" { capabilities = ["read"] expiration = "2030-01-01T00:00:00Z" }\npath "*" { capabilities = ["list"] }';
  const policies = [parsePolicy({ name: 'p', text })];
  const end = Date.parse('2030-01-01T00:00:00Z');
  const before = compileAcl({ policies, nowMs: end - 1 });
  assert.equal(before.expiresAtMs, end);
  assert.deepEqual(before.capabilities('a'), ['read']);
  const after = compileAcl({ policies, nowMs: end });
  assert.equal(after.expiresAtMs, Number.POSITIVE_INFINITY);
  assert.deepEqual(after.capabilities('a'), ['list']);
});

test('policies: a paging limit makes a required limit count', () => {
  const acl = aclOf(
    'path "a/" { capabilities = ["list"] pagination_limit = 10 required_parameters = ["limit"] }',
  );
  assert.equal(acl.check({ path: 'a/', operation: 'list' }).allowed, false);
  const decision = acl.check({ path: 'a/', operation: 'list', data: { limit: 5, after: 'x' } });
  assert.equal(decision.allowed, true);
  assert.equal(decision.rule?.paginationLimit, 10);
});

test('policies: mounts that hold something granted are known', () => {
  const shown = (rule: string, mounts: string[]) => {
    const acl = aclOf(`path ${rule}`);
    return mounts.filter((mount) => acl.grantsUnder(mount));
  };
  assert.deepEqual(shown('"secret/data/a" { policy = "read" }', ['secret/', 'secrets/', 'sec/']), [
    'secret/',
  ]);
  assert.deepEqual(shown('"k*" { policy = "read" }', ['secret/', 'kv/', 'k/x/']), ['kv/', 'k/x/']);
  assert.deepEqual(shown('"+/deep/x" { policy = "read" }', ['a/', 'a/deep/', 'a/flat/']), ['a/', 'a/deep/']);
  assert.deepEqual(shown('"a/*" { policy = "deny" }', ['a/']), []);
  assert.deepEqual(shown('"a/*" {}', ['a/']), []);
});

/** The documented rules, written down without any index. */
function referenceAllows(
  rules: readonly { path: string; capabilities: string[] }[],
  operation: Operation,
  path: string,
): boolean {
  const listing = operation === 'list' || operation === 'scan';
  const asked = listing && !path.endsWith('/') ? `${path}/` : path;
  const matching = [...new Set(rules.map((rule) => rule.path))].filter((pattern) =>
    referenceMatches(pattern, asked, listing),
  );
  const [deciding] = matching.sort(
    (a, b) => referencePriority(b, a) || Number(b === asked) - Number(a === asked),
  );
  const granted = rules.filter((rule) => rule.path === deciding).flatMap((rule) => rule.capabilities);
  return granted.includes(operation) && !granted.includes('deny');
}

function referenceMatches(pattern: string, path: string, listing: boolean): boolean {
  const isPrefix = pattern.endsWith('*');
  const source = (isPrefix ? pattern.slice(0, -1) : pattern)
    .split('/')
    .map((segment) => (segment === '+' ? '[^/]*' : segment.replace(/[+*]/g, '\\$&')))
    .join('/');
  const matcher = new RegExp(`^${source}${isPrefix ? '' : '$'}`);
  return matcher.test(path) || (listing && !isPrefix && matcher.test(path.slice(0, -1)));
}

function referencePriority(a: string, b: string): number {
  const wildcardAt = (path: string) =>
    /(?<=^|\/)\+(?=$|\/)|(?<=^|\/)\+(?=\*$)|\*$/.exec(path)?.index ?? Number.MAX_SAFE_INTEGER;
  const pluses = (path: string) => path.split('/').filter((segment) => segment === '+').length;
  const keys: ((path: string) => number)[] = [
    wildcardAt,
    (path) => (path.endsWith('*') ? 0 : 1),
    (path) => -pluses(path),
    (path) => path.length,
  ];
  for (const key of keys) if (key(a) !== key(b)) return key(a) - key(b);
  return a < b ? -1 : a > b ? 1 : 0;
}

const segment = fc.constantFrom('a', 'b', 'ab', 'abc', '');
const pattern = fc
  .tuple(
    fc.array(fc.oneof({ weight: 3, arbitrary: segment }, { weight: 2, arbitrary: fc.constant('+') }), {
      minLength: 1,
      maxLength: 4,
    }),
    fc.boolean(),
  )
  .map(([segments, isPrefix]) => `${segments.join('/')}${isPrefix ? '*' : ''}`.replace('+*', '+'))
  .filter((path) => !path.startsWith('/'));
const operation = fc.constantFrom<Operation>('read', 'list', 'update');
const rule = fc.record({
  path: pattern,
  capabilities: fc.array(fc.constantFrom('read', 'list', 'update', 'deny'), { maxLength: 3 }),
});
const askedPath = fc.array(segment, { minLength: 1, maxLength: 5 }).map((segments) => segments.join('/'));

test('policies: the index decides as the documented rules do', () => {
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 12 }),
      fc.array(fc.tuple(operation, askedPath), { minLength: 1, maxLength: 20 }),
      (rules, questions) => {
        const acl = aclOf(
          rules
            .map(
              ({ path, capabilities }) => `path "${path}" { capabilities = ${JSON.stringify(capabilities)} }`,
            )
            .join('\n'),
        );
        for (const [asked, path] of questions) {
          assert.equal(may(acl, asked, path), referenceAllows(rules, asked, path), `${asked} ${path}`);
        }
      },
    ),
    { numRuns: 1500 },
  );
});

test('policies: the order of policies and rules does not matter', () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 8 }), operation, askedPath, (rules, asked, path) => {
      const texts = rules.map(
        (one) => `path "${one.path}" { capabilities = ${JSON.stringify(one.capabilities)} }`,
      );
      assert.equal(may(aclOf(...texts), asked, path), may(aclOf(...texts.reverse()), asked, path));
    }),
  );
});

test('policies: rules laid over others decide as if all had been compiled together', () => {
  const rules = fc.array(rule, { maxLength: 8 });
  const questions = fc.array(fc.tuple(operation, askedPath), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(rules, rules, questions, (below, above, asked) => {
      const parsed = [below, above].map((list, at) =>
        parsePolicy({
          name: `p${at}`,
          text: list
            .map(
              ({ path, capabilities }) =>
                `path "${path}" { capabilities = ${JSON.stringify(capabilities)} pagination_limit = ${at + 3} }`,
            )
            .join('\n'),
        }),
      );
      const whole = compileAcl({ policies: parsed, nowMs: 0 });
      const layered = layerAcl({
        base: compileAcl({ policies: parsed.slice(0, 1), nowMs: 0 }),
        policies: parsed.slice(1),
        together: (path) =>
          parsed.map((policy) => ({ ...policy, rules: policy.rules.filter((each) => each.path === path) })),
        nowMs: 0,
      });
      for (const [what, path] of asked) {
        const request = { operation: what, path, data: { limit: 3 } };
        assert.deepEqual(layered.check(request), whole.check(request), `${what} ${path}`);
      }
      const byPath = (acl: Acl) => [...acl.rules].sort((a, b) => (a.path < b.path ? -1 : 1));
      assert.deepEqual(byPath(layered), byPath(whole));
    }),
    { numRuns: 500 },
  );
});
