import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Command, type Group, isGroup } from './command.ts';
import { root } from './registry.ts';
import { tarball } from './tar.ts';
import { runCoffer } from './testing.ts';
import { openScriptedServer } from './transcript-testing.ts';
import { VERSION } from './version.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'coffer-main-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

async function everyCommand(group: Group): Promise<Command[]> {
  const commands: Command[] = [];
  for (const [name, entry] of group.subcommands) {
    const node = await entry.load();
    assert.equal(node.name, `${group.name} ${name}`.trim());
    if (!isGroup(node)) assert.equal(node.synopsis, entry.synopsis, node.name);
    commands.push(...(isGroup(node) ? await everyCommand(node) : [node]));
  }
  return commands;
}

test('every command has the name and synopsis of its place, and help', async () => {
  const commands = await everyCommand(root);
  assert.ok(commands.length > 75);
  for (const command of commands) {
    const words = command.name.split(' ');
    const help = await runCoffer([...words, '-h']);
    assert.equal(help.code, 0);
    assert.ok(help.output.startsWith(`Usage: coffer ${command.name}`), command.name);
    for (const line of help.output.split('\n')) assert.ok(line.length <= 130, `${command.name}: ${line}`);
    const byWord = await runCoffer(['help', ...words]);
    assert.equal(byWord.output, help.output);
  }
});

test('no command takes flags that it does not name, nor too many arguments', async () => {
  for (const command of await everyCommand(root)) {
    if (command.raw) continue;
    const wrong = await runCoffer([...command.name.split(' '), '-no-such-flag']);
    assert.equal(wrong.code, 1, command.name);
    assert.match(wrong.error, /flag provided but not defined: -no-such-flag/);
    if (command.arguments.max === undefined) continue;
    const extra = Array.from({ length: command.arguments.max + 1 }, () => 'x');
    const tooMany = await runCoffer([...command.name.split(' '), ...extra]);
    assert.equal(tooMany.code, 1, command.name);
    assert.match(tooMany.error, /Too many arguments/);
  }
});

test('unknown commands are 127 and the likely one is named', async () => {
  const result = await runCoffer(['kv', 'git']);
  assert.equal(result.code, 127);
  assert.match(result.error, /"kv" has no subcommand "git". Did you mean "get"\?/);
  assert.equal((await runCoffer([])).code, 127);
  assert.equal((await runCoffer(['kv'])).code, 1);
  assert.equal((await runCoffer(['kv', '-h'])).code, 0);
});

test('flags behind arguments are told to be arguments', async () => {
  const result = await runCoffer(['read', 'a', '-format=json'], {
    environment: { VAULT_ADDR: 'http://127.0.0.1:1' },
  });
  assert.match(result.error, /Command flags must be provided before positional arguments.*\[-format=json\]/);
});

test('an output format that does not exist is refused, wherever it is named', async () => {
  assert.equal((await runCoffer(['status', '-format=xml'])).code, 1);
  const result = await runCoffer(['status'], { environment: { VAULT_FORMAT: 'xml' } });
  assert.match(result.error, /Invalid output format: xml/);
});

test('a server that is not there is said to be, with what to do', async () => {
  const result = await runCoffer(['read', 'x'], { environment: { VAULT_ADDR: 'http://127.0.0.1:1' } });
  assert.equal(result.code, 2);
  assert.match(result.error, /No server answered at http:\/\/127.0.0.1:1\.\nStart one with "coffer server"/);
});

test('server words go to the server as they are', async () => {
  let given: readonly string[] = [];
  const result = await runCoffer(['server', '-dev', '-config', 'a.hcl'], {
    startServer: async (argv) => {
      given = argv;
      return 7;
    },
  });
  assert.equal(result.code, 7);
  assert.deepEqual(given, ['-dev', '-config', 'a.hcl']);
});

test('the version is that of the package', async () => {
  const about = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
    version: string;
  };
  assert.equal(VERSION, about.version);
  assert.equal((await runCoffer(['-version'])).output, `Coffer v${VERSION}\n`);
});

test('completion offers commands, flags and values', async () => {
  const complete = async (line: string) => {
    const result = await runCoffer([], {
      environment: { COMP_LINE: line, VAULT_ADDR: 'http://127.0.0.1:1' },
    });
    return result.output.split('\n').filter(Boolean);
  };
  assert.deepEqual(await complete('coffer pol'), ['policy']);
  assert.deepEqual(await complete('coffer kv met'), ['metadata']);
  assert.deepEqual(await complete('coffer kv get -ver'), ['-version']);
  assert.deepEqual(await complete('coffer read -format=j'), ['-format=json']);
  assert.deepEqual(await complete('coffer read -format '), ['table', 'json', 'yaml', 'pretty', 'raw']);
  assert.deepEqual(await complete('coffer secrets disable '), []);
  assert.deepEqual(await complete('coffer nope '), []);
});

test('completion asks the server for mounts (a mock)', async (t) => {
  const server = await openScriptedServer();
  t.after(() => server.close());
  const mounts = { path: '/v1/sys/mounts', reply: '{"data":{"secret/":{},"sys/":{}}}' };
  server.play([{ method: 'GET', body: '', headers: [], status: 200, ...mounts }]);
  const result = await runCoffer([], {
    environment: { COMP_LINE: 'coffer secrets disable se', VAULT_ADDR: server.address, VAULT_TOKEN: 't' },
  });
  assert.equal(result.output, 'secret/\n');
});

test('completion is set up once in each shell, and taken back', async (t) => {
  const home = folder(t);
  writeFileSync(join(home, '.bashrc'), 'alias ll=ls');
  for (let count = 0; count < 2; count++) {
    assert.equal((await runCoffer(['-autocomplete-install'], { homeDirectory: home })).code, 0);
  }
  assert.equal(readFileSync(join(home, '.bashrc'), 'utf8'), 'alias ll=ls\ncomplete -C coffer coffer\n');
  await runCoffer(['-autocomplete-uninstall'], { homeDirectory: home });
  assert.equal(readFileSync(join(home, '.bashrc'), 'utf8'), 'alias ll=ls\n');
});

test('policy fmt writes the file over, and leaves one with a mistake alone', async (t) => {
  const file = join(folder(t), 'p.hcl');
  writeFileSync(file, 'path "a"{\ncapabilities=["read"]\n}');
  const result = await runCoffer(['policy', 'fmt', file]);
  assert.equal(result.output, `Success! Formatted policy: ${file}\n`);
  assert.equal(readFileSync(file, 'utf8'), 'path "a" {\n  capabilities = ["read"]\n}\n');
  writeFileSync(file, 'path {');
  assert.equal((await runCoffer(['policy', 'fmt', file])).code, 1);
  assert.equal(readFileSync(file, 'utf8'), 'path {');
});

test('debug notes in its index what it may not see (a mock)', async (t) => {
  const server = await openScriptedServer();
  t.after(() => server.close());
  const exchange = { method: 'GET', body: '', headers: [] };
  server.play([
    { ...exchange, path: '/v1/sys/host-info', status: 200, reply: '{"data":{"host":1}}' },
    {
      ...exchange,
      path: '/v1/sys/config/state/sanitized',
      status: 403,
      reply: '{"errors":["permission denied"]}',
    },
  ]);
  const path = join(folder(t), 'bundle');
  const argv = [
    'debug',
    '-compress=false',
    '-duration=0',
    `-output=${path}`,
    '-target=host',
    '-target=config',
  ];
  const environment = { VAULT_ADDR: server.address, VAULT_TOKEN: 'canary-token' };
  const result = await runCoffer(argv, { environment });
  assert.equal(result.code, 0, result.error);
  assert.deepEqual(server.complaints, []);
  const [entry] = JSON.parse(readFileSync(join(path, 'host_info.json'), 'utf8')) as { host: number }[];
  assert.equal(entry?.host, 1);
  const index = readFileSync(join(path, 'index.json'), 'utf8');
  assert.match(index, /permission denied/);
  assert.doesNotMatch(index, /canary-token/);
  assert.equal(statSync(join(path, 'index.json')).mode & 0o777, 0o600);
});

test('a bundle is an archive that tar reads', async (t) => {
  const path = folder(t);
  const files = new Map([
    ['a.json', '{}\n'],
    ['b.txt', 'x'.repeat(600)],
  ]);
  writeFileSync(join(path, 'x.tar'), tarball('bundle', files, 1_700_000_000_000));
  const listing = spawnSync('tar', ['-xvf', 'x.tar'], { cwd: path, encoding: 'utf8' });
  assert.equal(listing.stdout, 'bundle/\nbundle/a.json\nbundle/b.txt\n');
  assert.equal(readFileSync(join(path, 'bundle/b.txt'), 'utf8').length, 600);
});
