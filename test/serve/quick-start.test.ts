/** What `npm start` promises, twice over the same folder. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type TemporaryFolder, temporaryFolder } from '../services/folder.ts';
import { call } from '../services/http.ts';
import { freePort } from '../services/ports.ts';
import { type RunningProcess, runProcess, startProcess, waitUntil } from '../services/process.ts';

const projectRoot = join(import.meta.dirname, '../..');
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe('npm start', () => {
  let folder: TemporaryFolder;
  let env: Record<string, string | undefined>;
  let address: string;
  let rootToken: string;

  before(async () => {
    folder = await temporaryFolder('start');
    const listen = `127.0.0.1:${await freePort()}`;
    address = `http://${listen}`;
    env = {
      COFFER_DATA: join(folder.path, 'kept', 'data'),
      COFFER_LISTEN_ADDRESS: listen,
      HOME: folder.path,
      VAULT_ADDR: undefined,
      VAULT_TOKEN: undefined,
    };
  });
  after(() => folder.remove());

  /** What `npm start` runs, without npm in between, so that the exit code is Coffer's own. */
  const start = () =>
    startProcess({ command: process.execPath, args: ['tools/start.mjs'], cwd: projectRoot, env });
  const saysWhereItRuns = (server: RunningProcess) =>
    waitUntil(() => server.output().includes(`is running at ${address}`) || !server.running, {
      what: 'its address',
    });

  test('the first start makes everything and shows the root token with three commands that work', async () => {
    const server = start();
    try {
      await saysWhereItRuns(server);
      const shown = () => server.output().split('Try it')[1] ?? '';
      await waitUntil(() => /coffer -- status/.test(shown()) || !server.running, { what: 'the commands' });
      const commands = shown()
        .split('\n')
        .filter((line) => line.startsWith('  '));
      assert.equal(commands.length, 4, server.output());
      [, rootToken = ''] = /Root token: +(hvs\.\w{24})\n/.exec(server.output()) ?? [];
      assert.notEqual(rootToken, '');

      const script = ['set -e', ...commands].join('\n');
      const { code, stdout, stderr } = await runProcess({
        command: 'sh',
        args: ['-c', script],
        cwd: projectRoot,
        env,
      });
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /^name +world$/m);
      assert.match(stdout, /^Sealed +false$/m);
    } finally {
      assert.deepEqual(await server.stop('SIGTERM'), { code: 0, signal: null }, server.output());
    }
  });

  test('nobody else may read the folder and the key', () => {
    const data = env.COFFER_DATA!;
    assert.equal(modeOf(data), '700');
    assert.equal(modeOf(join(data, 'seal.key')), '600');
    assert.equal(modeOf(join(data, 'store')), '700');
    for (const name of readdirSync(join(data, 'store')))
      assert.equal(modeOf(join(data, 'store', name)), '600', name);
  });

  test('the second start finds the same data and keeps the token to itself', async () => {
    const server = start();
    try {
      await saysWhereItRuns(server);
      const headers = { 'X-Vault-Token': rootToken };
      const read = await call(address, { method: 'GET', path: '/v1/secret/data/hello', headers });
      assert.deepEqual([read.status, read.json().data?.data], [200, { name: 'world' }]);
      assert.doesNotMatch(server.output(), /hvs\./);
      assert.match(server.output(), /with the data in .*data\//);
    } finally {
      assert.deepEqual(await server.stop('SIGINT'), { code: 0, signal: null }, server.output());
    }
  });

  test('a second server on the same folder is refused while the first goes on', async () => {
    const first = start();
    try {
      await saysWhereItRuns(first);
      const other = { ...env, COFFER_LISTEN_ADDRESS: `127.0.0.1:${await freePort()}` };
      const second = await runProcess({
        command: process.execPath,
        args: ['tools/start.mjs'],
        cwd: projectRoot,
        env: other,
      });
      assert.equal(second.code, 1);
      assert.match(second.stderr, /^Error: the storage directory .*store is in use by process \d+$/m);
      assert.equal((await call(address, { method: 'GET', path: '/v1/sys/health' })).status, 200);
    } finally {
      await first.stop();
    }
  });

  test('without the key it says what is missing and touches nothing', async () => {
    const data = env.COFFER_DATA!;
    rmSync(join(data, 'seal.key'));
    const { code, stdout, stderr } = await runProcess({
      command: process.execPath,
      args: ['tools/start.mjs'],
      cwd: projectRoot,
      env,
    });
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(
      stderr,
      /^Error: .*seal\.key is missing: without this key the data in .*store cannot be read$/m,
    );
    assert.deepEqual(readdirSync(data), ['store']);
  });
});
