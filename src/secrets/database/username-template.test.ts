import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidRequest } from '../../base/errors.ts';
import { seededRandom } from '../../base/random.ts';
import { USERNAME_TEMPLATE_DEFAULT, usernameFrom } from './username-template.ts';

const input = {
  displayName: 'token-with-display-name',
  roleName: 'my_custom_database_role',
  nowMs: 1_234_567_890_000,
  random: seededRandom(1),
};
const from = (template: string, lengthMax = 63) => usernameFrom(template, input, lengthMax);

test('the default is as documented', () => {
  assert.match(from(USERNAME_TEMPLATE_DEFAULT), /^v-token-wi-my_custo-[0-9A-Za-z]{20}-1234567890$/);
});

test('the documented examples give what they say', () => {
  assert.equal(from('{{.DisplayName}}_{{.RoleName}}'), 'token-with-display-name_my_custom_database_role');
  assert.match(
    from(
      'FOO_{{.DisplayName | replace "-" "_" | uppercase}}_{{timestamp "2006_01_02T15_04_05Z" | replace "-" "_"}}',
    ),
    /^FOO_TOKEN_WITH_DISPLAY_NAME_2009_02_13T23_31_30Z$/,
  );
  assert.match(
    from(
      '{{printf "v_%s_%s_%s_%s" (.DisplayName | truncate 8) (.RoleName | truncate 8) (random 20) (unix_time) | truncate 45}}',
    ),
    /^v_token-wi_my_custo_[0-9A-Za-z]{20}_1234$/,
  );
});

test('every function works', () => {
  const sha = '872808ff';
  const long = usernameFrom(
    '{{.DisplayName | truncate_sha256 20}}',
    { ...input, displayName: 'abcdefghijklmnopqrstuvwxyz' },
    63,
  );
  assert.equal(long, `abcdefghijkl${sha}`);
  assert.equal(from('{{.RoleName|lowercase|uppercase|truncate 2}}'), 'MY');
  assert.equal(from('{{"ab" | base64}}'), 'YWI=');
  assert.match(from('{{sha256 "a" | truncate 8}}'), /^ca978112$/);
  assert.match(from('{{uuid}}'), /^[0-9a-f-]{36}$/);
  assert.equal(from('{{unix_time_millis}}'), '1234567890000');
  assert.equal(from('{{printf `%d%%` 5 | replace "%" "p"}}'), '5p');
});

test('names from outside become harmless', () => {
  const hostile = { ...input, displayName: `a"; DROP ROLE x; --'\\\0`, roleName: 'é $' };
  assert.equal(usernameFrom('{{.DisplayName}}{{.RoleName}}', hostile, 63), 'a___DROP_ROLE_x__--______');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (displayName) => {
      const name = usernameFrom(USERNAME_TEMPLATE_DEFAULT, { ...hostile, displayName, roleName: 'r' }, 63);
      assert.match(name, /^[\w.@:+=/-]{1,63}$/);
    }),
  );
});

test('malformed templates and unusable names are refused', () => {
  for (const template of [
    '',
    '{{',
    '{{.Nothing}}',
    '{{random}}',
    '{{random "x"}}',
    '{{random 100000}}',
    '{{truncate 3}}',
    '{{.DisplayName | .RoleName}}',
    '{{.DisplayName | "x"}}',
    '{{(.DisplayName}}',
    '{{.DisplayName)}}',
    '{{printf "%s"}}',
    '{{printf "%x" 1}}',
    '{{printf "a" 1}}',
    '{{"unfinished}}',
    `{{${'('.repeat(100)}uuid${')'.repeat(100)}}}`,
    `it's`,
    'a b',
    '{{random 64}}',
    '{{constructor}}',
  ]) {
    assert.throws(() => from(template), InvalidRequest, template);
  }
});
