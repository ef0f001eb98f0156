import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileAcl } from './acl.ts';
import { type ExplainRequest, explain } from './explain.ts';
import { parsePolicy } from './parse.ts';

function why(text: string, request: ExplainRequest) {
  return explain(compileAcl({ policies: [parsePolicy({ name: 'dev', text })], nowMs: 0 }), request);
}

test('an allowed request names its rule, policy and line', () => {
  const explanation = why('# one\npath "a/*" { policy = "read" }\npath "a/b" { capabilities = ["read"] }', {
    path: 'a/b',
    operation: 'read',
  });
  assert.equal(explanation.allowed, true);
  assert.equal(explanation.summary, 'read on "a/b" is allowed by path "a/b" (policy "dev" line 3)');
  assert.deepEqual(explanation.rule, {
    path: 'a/b',
    capabilities: ['read'],
    sources: [{ policy: 'dev', line: 3 }],
  });
  assert.deepEqual(
    explanation.overruled.map((rule) => rule.path),
    ['a/*'],
  );
  assert.deepEqual(explanation.nearMisses, []);
});

const REFUSALS: [title: string, text: string, request: ExplainRequest, summary: RegExp][] = [
  ['no rule', '', { path: 'a', operation: 'read' }, /no rule matches the path$/],
  [
    'a denial',
    'path "a" { policy = "deny" }',
    { path: 'a', operation: 'read' },
    /path "a" \(policy "dev" line 1\) denies it$/,
  ],
  [
    'another capability',
    'path "a" { policy = "read" }',
    { path: 'a', operation: 'update' },
    /does not grant "update"$/,
  ],
  [
    'sudo',
    'path "a" { policy = "read" }',
    { path: 'a', operation: 'read', sudoRequired: true },
    /root-protected .* "sudo"$/,
  ],
  [
    'wrapping',
    'path "a" { policy = "read" min_wrapping_ttl = 5 max_wrapping_ttl = 9 }',
    { path: 'a', operation: 'read' },
    /wrapped for at least 5 seconds and at most 9 seconds$/,
  ],
  [
    'a missing parameter',
    'path "a" { policy = "write" required_parameters = ["b"] }',
    { path: 'a', operation: 'update' },
    /the parameter "b" is missing, says/,
  ],
  [
    'a denied parameter',
    'path "a" { policy = "write" denied_parameters = { b = [] } }',
    { path: 'a', operation: 'update', data: { b: 1 } },
    /the parameter "b" is denied, says/,
  ],
];
for (const [title, text, request, summary] of REFUSALS) {
  test(`a refusal is explained: ${title}`, () => {
    const explanation = why(text, request);
    assert.equal(explanation.allowed, false);
    assert.match(explanation.summary, summary);
  });
}

const kv = { mountPath: 'secret/', mountKind: 'kv-v2' };
const MISSES: [title: string, text: string, request: ExplainRequest, kind: string, hint: RegExp][] = [
  [
    'a rule without data/',
    'path "secret/app/*" { policy = "read" }',
    { path: 'secret/data/app/x', operation: 'read', ...kv },
    'kv version 2 path',
    /"secret\/data\/app\/\*"/,
  ],
  [
    'a rule without metadata/',
    'path "secret/app/*" { policy = "read" }',
    { path: 'secret/metadata/app/', operation: 'list', ...kv },
    'kv version 2 path',
    /"secret\/metadata\/app\/\*"/,
  ],
  [
    'a request without data/',
    'path "secret/data/app" { policy = "read" }',
    { path: 'secret/app', operation: 'read', ...kv },
    'kv version 2 path',
    /allowed at "secret\/data\/app"/,
  ],
  [
    'a list of data/',
    'path "secret/metadata/*" { policy = "read" }',
    { path: 'secret/data/app/', operation: 'list', ...kv },
    'kv version 2 path',
    /allowed at "secret\/metadata\/app\/"/,
  ],
  [
    'a folder',
    'path "a/b/*" { policy = "read" }',
    { path: 'a/b', operation: 'read' },
    'trailing slash',
    /fits "a\/b\/"/,
  ],
  [
    'a slash too many',
    'path "a/b" { policy = "read" }',
    { path: 'a/b/', operation: 'read' },
    'trailing slash',
    /fits "a\/b"/,
  ],
  [
    'something below',
    'path "a/b" { policy = "read" }',
    { path: 'a/b/c/d', operation: 'read' },
    'below the rule',
    /"a\/b\/\*" would reach/,
  ],
  [
    'another case',
    'path "a/Bob/*" { policy = "read" }',
    { path: 'a/bob/x', operation: 'read' },
    'upper and lower case',
    /upper and lower/,
  ],
  [
    'a more specific rule',
    'path "a/*" { policy = "write" }\npath "a/b" { policy = "read" }',
    { path: 'a/b', operation: 'update' },
    'overruled',
    /more specific/,
  ],
];
for (const [title, text, request, kind, hint] of MISSES) {
  test(`the nearest miss is named: ${title}`, () => {
    const { nearMisses } = why(text, request);
    const miss = nearMisses.find((one) => one.kind === kind);
    assert.ok(miss, JSON.stringify(nearMisses));
    assert.match(miss.hint, hint);
    assert.equal(miss.rule.sources[0]?.policy, 'dev');
  });
}

test('root is explained', () => {
  const acl = compileAcl({ policies: [{ name: 'root', rules: [], text: '', placeholders: [] }], nowMs: 0 });
  assert.match(
    explain(acl, { path: 'a', operation: 'read' }).summary,
    /the policy "root" allows everything$/,
  );
});

test('a KV version 2 hint is not given for other mounts', () => {
  const request: ExplainRequest = {
    path: 'secret/data/app',
    operation: 'read',
    mountPath: 'secret/',
    mountKind: 'kv',
  };
  assert.deepEqual(why('path "secret/app" { policy = "read" }', request).nearMisses, []);
});
