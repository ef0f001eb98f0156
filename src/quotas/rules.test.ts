import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Rule, RuleIndex, ruleFor } from './rules.ts';
import { type Places, scopeOf, scopePath } from './scope.ts';

interface Named extends Rule {
  readonly name: string;
}

const NAMESPACES = ['', 'a/', 'a/b/', 'c/'];
const MOUNTS = ['kv/', 'auth/up/'];
const places: Places = {
  namespaceOf: (path) =>
    NAMESPACES.filter((namespace) => `${path.replace(/\/$/, '')}/`.startsWith(namespace)).at(-1) ?? '',
  mountAt: (_, path) => {
    const mount = MOUNTS.find((each) => `${path}/`.startsWith(each));
    return mount === undefined ? undefined : { path: mount, hasRoles: mount === 'auth/up/' };
  },
};

function rule(path: string, more: { role?: string; inheritable?: boolean } = {}): Named {
  const { role = '', inheritable = path === '' } = more;
  return { name: `${path}|${role}`, scope: scopeOf(places, { path, role }), inheritable };
}

/** What rules for `namespace`, `mount` and the rest of the path. */
function ruling(rules: Named[], [namespace, mount, path]: [string, string, string], role?: string) {
  return ruleFor(new RuleIndex(rules).at({ namespace, mount }), path, role)?.name;
}

test('the most specific quota rules, whatever was defined first', () => {
  const all = [
    rule(''),
    rule('a/'),
    rule('a/kv'),
    rule('a/kv/data/*'),
    rule('a/kv/data/x/*'),
    rule('a/kv/data/x/y'),
    rule('a/auth/up'),
    rule('a/auth/up', { role: 'ann' }),
  ];
  for (const rules of [all, all.toReversed()]) {
    assert.equal(ruling(rules, ['', 'kv/', 'data/x']), '|');
    assert.equal(ruling(rules, ['a/', '', '']), 'a/|');
    assert.equal(ruling(rules, ['a/', 'sys/', 'mounts']), 'a/|');
    assert.equal(ruling(rules, ['a/', 'kv/', 'metadata/x']), 'a/kv|');
    assert.equal(ruling(rules, ['a/', 'kv/', 'data/z']), 'a/kv/data/*|');
    assert.equal(ruling(rules, ['a/', 'kv/', 'data/x/z']), 'a/kv/data/x/*|');
    assert.equal(ruling(rules, ['a/', 'kv/', 'data/x/y']), 'a/kv/data/x/y|');
    assert.equal(ruling(rules, ['a/', 'kv/', 'data/x/y/']), 'a/kv/data/x/y|');
    assert.equal(ruling(rules, ['a/', 'auth/up/', 'login/ann'], 'ann'), 'a/auth/up|ann');
    assert.equal(ruling(rules, ['a/', 'auth/up/', 'login/bob'], 'bob'), 'a/auth/up|');
    assert.equal(ruling(rules, ['a/', 'auth/up/', 'users/ann']), 'a/auth/up|');
  }
});

test('a namespace has its parent’s quota only where that is inheritable', () => {
  assert.equal(ruling([rule('a/'), rule('')], ['a/b/', 'kv/', 'x']), '|');
  assert.equal(ruling([rule('a/', { inheritable: true }), rule('')], ['a/b/', 'kv/', 'x']), 'a/|');
  assert.equal(ruling([rule('', { inheritable: false })], ['a/', 'kv/', 'x']), undefined);
  assert.equal(ruling([rule('', { inheritable: false })], ['', 'kv/', 'x']), '|');
});

test('a quota’s path is a namespace, a mount or what is under it, in one spelling', () => {
  const shown = (path: string, role = '') => scopePath(scopeOf(places, { path, role }));
  for (const [path, expected] of [
    ['', ''],
    ['/', ''],
    ['a', 'a/'],
    ['a/b/', 'a/b/'],
    ['kv', 'kv/'],
    ['/a//kv/', 'a/kv/'],
    ['kv/*', 'kv/'],
    ['kv/data/x/', 'kv/data/x'],
    ['a/b/auth/up/login/*', 'a/b/auth/up/login/*'],
  ] as const) {
    assert.equal(shown(path), expected, path);
  }
  assert.equal(shown('auth/up', 'ann'), 'auth/up/');
  for (const [path, role] of [
    ['nothing/here', ''],
    ['kv/*/x', ''],
    ['kv', 'ann'],
    ['a/', 'ann'],
    ['auth/up/login/ann', 'ann'],
  ] as const) {
    assert.throws(() => shown(path, role), { code: 'invalid_request' }, path);
  }
});

test('the index finds what going through all rules finds', () => {
  const path = fc.constantFrom('', 'data', 'data/x', 'data/x/y', 'da');
  const spot = fc.record({ namespace: fc.constantFrom(...NAMESPACES), mount: fc.constantFrom(...MOUNTS) });
  const one = fc
    .record({
      spot,
      whole: fc.boolean(),
      path,
      glob: fc.boolean(),
      role: fc.constantFrom('', 'ann'),
      down: fc.boolean(),
    })
    .map(({ spot: { namespace, mount }, whole, path: suffix, glob, role, down }): Named => {
      if (whole) return rule(namespace, { inheritable: down });
      if (role !== '' && mount.startsWith('auth/')) return rule(namespace + mount, { role });
      return rule(`${namespace}${mount}${suffix}${glob ? '*' : ''}`);
    });
  const rules = fc.uniqueArray(one, { selector: ({ name }) => name.replace(/\/\*?\|/, '|'), maxLength: 12 });
  fc.assert(
    fc.property(rules, spot, path, fc.constantFrom(undefined, 'ann', 'bob'), (all, at, asked, role) => {
      assert.equal(ruling(all, [at.namespace, at.mount, asked], role), slowly(all, at, asked, role)?.name);
    }),
  );
});

/** Gives each rule that applies a rank, and takes the first. */
function slowly(rules: Named[], at: { namespace: string; mount: string }, path: string, role?: string) {
  const rank = ({ scope, inheritable }: Named): number => {
    const { namespace, mount, suffix, role: wanted } = scope;
    if (mount === '') {
      const own = namespace === at.namespace;
      return own || (inheritable && at.namespace.startsWith(namespace)) ? 1 + namespace.length : 0;
    }
    if (namespace !== at.namespace || mount !== at.mount) return 0;
    if (wanted !== '') return wanted === role ? 10_000 : 0;
    if (suffix === '') return 100;
    if (!suffix.endsWith('*')) return suffix === path ? 5000 : 0;
    return path.startsWith(suffix.slice(0, -1)) ? 200 + suffix.length : 0;
  };
  return rules.filter((each) => rank(each) > 0).sort((a, b) => rank(b) - rank(a))[0];
}
