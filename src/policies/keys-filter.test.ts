import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileAcl } from './acl.ts';
import { parseKeysFilter, visibleKeys } from './keys-filter.ts';
import { parsePolicy } from './parse.ts';

const TEMPLATES: [template: string, result: string][] = [
  ['{{ .path }}{{ .key }}', 'a/metadata/k'],
  ['{{.path}}{{.key}}', 'a/metadata/k'],
  ['{{ .path | replace "a/metadata/" "a/data/$&" }}{{ .key }}', 'a/data/$&k'],
  ['x/{{ .key | uppercase | lowercase }}/y', 'x/k/y'],
  ['{{ .key | replace "k" "\\"}}" }}', '"}}'],
];
for (const [template, result] of TEMPLATES) {
  test(`keys filter: ${template}`, () => {
    assert.equal(parseKeysFilter(template)({ path: 'a/metadata/', key: 'k' }), result);
  });
}

for (const template of [
  '{{ .foo }}',
  '{{ .key',
  '.key }}',
  '{{ .key | nope }}',
  '{{ .key | replace "a" }}',
  '{{ .key | replace a b }}',
  '{{ }}',
  '{{ .key .path }}',
]) {
  test(`keys filter refuses ${template}`, () => {
    assert.throws(() => parseKeysFilter(template));
  });
}

test('a list shows only what may be read, and folders that may be listed', () => {
  const text = String.raw`
    path "s/metadata/*" { capabilities = ["list"] list_scan_response_keys_filter_path = "{{ .path | replace \"s/metadata/\" \"s/data/\" }}{{ .key }}" }
    path "s/data/mine" { capabilities = ["read"] }
    path "s/data/shared/*" { capabilities = ["list"] }`;
  const acl = compileAcl({ policies: [parsePolicy({ name: 'p', text })], nowMs: 0 });
  const { rule } = acl.check({ path: 's/metadata/', operation: 'list' });
  const keys = ['hidden', 'mine', 'other/', 'shared/'];
  assert.deepEqual(visibleKeys(acl, { rule, path: 's/metadata/', keys }), ['mine', 'shared/']);
  assert.deepEqual(visibleKeys(acl, { rule: undefined, path: 's/metadata/', keys }), keys);
});
