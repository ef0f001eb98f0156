import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { seededRandom } from '../base/random.ts';
import { openTokenStore, tokenHelperOf } from './token-store.ts';

function home(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'coffer-token-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

const open = (homeDirectory: string, environment = {}) =>
  openTokenStore({ homeDirectory, environment, random: seededRandom(1) });

test('a token is kept in a file that nobody else can read', async (t) => {
  const folder = home(t);
  const store = await open(folder);
  assert.equal(await store.get(), '');
  // A file of old with open permissions is replaced, not written into.
  writeFileSync(join(folder, '.vault-token'), 'old', { mode: 0o644 });
  await store.store('hvs.new');
  assert.equal(await store.get(), 'hvs.new');
  assert.equal(statSync(join(folder, '.vault-token')).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder), ['.vault-token']);
  await store.erase();
  assert.equal(await store.get(), '');
  await store.erase();
});

test('a link to the token file stays a link', async (t) => {
  const folder = home(t);
  writeFileSync(join(folder, 'elsewhere'), 'old\n');
  symlinkSync(join(folder, 'elsewhere'), join(folder, '.vault-token'));
  const store = await open(folder);
  assert.equal(await store.get(), 'old');
  await store.store('new');
  assert.equal(readFileSync(join(folder, 'elsewhere'), 'utf8'), 'new');
});

test('VAULT_TOKEN_PATH names another file', async (t) => {
  const folder = home(t);
  const store = await open(folder, { VAULT_TOKEN_PATH: join(folder, 'other') });
  await store.store('x');
  assert.ok(existsSync(join(folder, 'other')));
  assert.ok(!existsSync(join(folder, '.vault-token')));
});

test('a token helper is asked instead, and its complaint is passed on', async (t) => {
  const folder = home(t);
  const helper = join(folder, 'helper.sh');
  writeFileSync(
    helper,
    `#!/bin/sh\ncase "$1" in\nget) cat "${folder}/kept" 2>/dev/null; exit 0;;\nstore) cat > "${folder}/kept";;\nerase) echo locked >&2; exit 3;;\nesac\n`,
  );
  chmodSync(helper, 0o700);
  writeFileSync(join(folder, '.vault'), `# helper\ntoken_helper = "${helper}"\n`);
  const store = await open(folder, { PATH: process.env.PATH });
  assert.equal(await store.get(), '');
  await store.store('hvs.helped');
  assert.equal(await store.get(), 'hvs.helped');
  assert.ok(!existsSync(join(folder, '.vault-token')));
  await assert.rejects(store.erase(), { code: 'setting_invalid', message: /exit 3.*locked/ });
});

test('a helper that does not exist is named', async (t) => {
  const folder = home(t);
  writeFileSync(join(folder, '.vault'), 'token_helper = "/does/not/exist"\n');
  await assert.rejects((await open(folder)).get(), { code: 'setting_invalid', message: /does\/not\/exist/ });
});

test('token_helper is read from HCL and JSON, and must be absolute', () => {
  assert.equal(tokenHelperOf('token_helper = "/a/b" # mine', 'f'), '/a/b');
  assert.equal(tokenHelperOf('{\n  "token_helper": "/a b/c"\n}', 'f'), '/a b/c');
  assert.equal(tokenHelperOf('token_helper = ""', 'f'), undefined);
  assert.equal(tokenHelperOf('# token_helper = "/a"', 'f'), undefined);
  assert.throws(() => tokenHelperOf('token_helper = "helper.sh"', 'f'), { code: 'setting_invalid' });
});
