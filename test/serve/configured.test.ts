/** `coffer server -config` and `-check`: what an operator sees of files that are right and files that are not. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { start as startNode } from '../services/coffer.ts';
import { type TemporaryFolder, temporaryFolder } from '../services/folder.ts';
import { type FinishedProcess, runProcess, waitUntil } from '../services/process.ts';

const program = join(import.meta.dirname, '../../bin/coffer.ts');
const LISTENER = 'listener "tcp" {\n  address = "127.0.0.1:0"\n  tls_disable = true\n}\n';
const GOOD = `storage "file" {\n  path = "kept"\n}\n${LISTENER}`;

describe('coffer server', () => {
  let folder: TemporaryFolder;
  before(async () => {
    folder = await temporaryFolder('configured');
  });
  after(() => folder.remove());

  const run = (args: readonly string[], env: Record<string, string> = {}): Promise<FinishedProcess> =>
    runProcess({ command: process.execPath, args: [program, 'server', ...args], cwd: folder.path, env });
  const write = (name: string, text: string) => writeFileSync(join(folder.path, name), text);
  const check = (text: string, env?: Record<string, string>) => {
    write('coffer.hcl', text);
    return run(['-check', '-config=coffer.hcl'], env);
  };

  test('-check is content with a configuration that would start, and makes nothing', async () => {
    const { code, stdout } = await check(GOOD);
    assert.deepEqual([code, stdout], [0, 'The configuration is valid.\n']);
    assert.equal(existsSync(join(folder.path, 'kept')), false);
  });

  test('-check names file, line, column and field of everything that is wrong', async () => {
    const { code, stdout } = await check(
      'storage "file" {}\nlistener "tcp" {\n  address = "no port"\n  tls_disable = "perhaps"\n}\nui = [1]\ncolour = "red"\n',
    );
    assert.equal(code, 1);
    for (const line of [
      'error: coffer.hcl:1:9: storage.file.path: must be set',
      'error: coffer.hcl:4:17: listener.tcp.tls_disable: expected a boolean, found a string (perhaps)',
      'error: coffer.hcl:6:6: ui: expected a boolean, found a list',
      'warning: coffer.hcl:7:1: colour: unknown or unsupported field',
    ]) {
      assert.ok(stdout.split('\n').includes(line), `${line}\nis not among\n${stdout}`);
    }
  });

  test('-check reads JSON, several files, folders and the environment', async () => {
    write('part.json', '{"storage": {"file": {"path": "kept"}},\n "max_lease_ttl": true}');
    write('rest.hcl', LISTENER);
    const { code, stdout } = await run(['-check', '-config=part.json', '-config', 'rest.hcl'], {
      VAULT_UI: 'maybe',
    });
    assert.equal(code, 1);
    assert.match(stdout, /^error: part\.json:2:19: max_lease_ttl: expected a duration/m);
    assert.match(stdout, /^error: environment: VAULT_UI: expected a boolean, found a string \(maybe\)$/m);
  });

  test('mistakes in the arguments are told on standard error', async () => {
    const { code, stdout, stderr } = await run(['-colour=red']);
    assert.deepEqual([code, stdout, stderr], [1, '', 'Error: unknown argument -colour=red\n']);
  });

  test('an address in use ends the start with its name', async () => {
    const node = await startNode();
    try {
      write('taken.hcl', GOOD.replace('127.0.0.1:0', `127.0.0.1:${node.port}`));
      const { code, stderr } = await run(['-config=taken.hcl']);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`^Error: .*127\\.0\\.0\\.1:${node.port}.*`, 'm'));
    } finally {
      await node.stop();
    }
  });

  test('the process: a pid file while it runs, its log anew on SIGHUP, a clean end on SIGTERM', async () => {
    const pidFile = join(folder.path, 'coffer.pid');
    const logFile = join(folder.path, 'coffer.log');
    const configuration = `pid_file = "${pidFile}"\nlog_file = "${logFile}"\nlog_format = "json"\n`;
    const node = await startNode({ configuration });
    let stopped = false;
    try {
      assert.equal(readFileSync(pidFile, 'utf8'), `${node.pid}\n`);
      const { rootToken } = await node.initAndUnseal();
      const log = () => readFileSync(logFile, 'utf8');
      await waitUntil(() => log().includes('"unsealed"'), { what: 'the log' });
      renameSync(logFile, `${logFile}.1`);
      node.signal('SIGHUP');
      await waitUntil(() => existsSync(logFile), { what: 'the new log' });
      assert.equal((await node.request('PUT', 'sys/seal', { token: rootToken })).status, 204);
      await waitUntil(() => log().includes('"sealed"'), { what: 'a line in the new log' });
      stopped = true;
      assert.deepEqual(await node.stop(), { code: 0, signal: null });
      assert.equal(existsSync(pidFile), false);
    } finally {
      if (!stopped) await node.stop();
    }
  });
});
