import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { start } from '../test/services/coffer.ts';
import { temporaryFolder } from '../test/services/folder.ts';
import { runProcess } from '../test/services/process.ts';
import { buildCoffer } from './build.ts';

test('what is shipped runs with nothing but Node beside it', async (t) => {
  const folder = await temporaryFolder('build');
  t.after(() => folder.remove());
  const program = await buildCoffer(join(folder.path, 'dist'));

  await t.test('it is the program, the server and compiled parts', async () => {
    const files = await readdir(join(folder.path, 'dist'));
    const own = files.filter((name) => !name.endsWith('.node') && !/^server-[A-Z0-9]+\.mjs$/.test(name));
    assert.deepEqual(own.sort(), ['coffer.mjs', 'pkcs11.mjs', 'server.mjs']);
  });

  await t.test('it tells its version', async () => {
    const env = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]));
    const result = await runProcess({
      command: process.execPath,
      args: [program, 'version'],
      cwd: folder.path,
      env,
    });
    assert.equal(result.stderr, '');
    assert.match(result.stdout, /^Coffer v\d+\.\d+\.\d+/);
    assert.equal(result.code, 0);
  });

  await t.test('it keeps a secret over a restart', async () => {
    const node = await start({ program: [process.execPath, program] });
    try {
      const keys = await node.initAndUnseal();
      const token = keys.rootToken;
      await node.request('POST', 'sys/mounts/kv', { token, body: { type: 'kv' } });
      await node.request('PUT', 'kv/shipped', { token, body: { word: 'open sesame' } });
      await node.restart();
      await node.unseal(keys);
      const reply = (await node.request('GET', 'kv/shipped', { token })).json();
      assert.deepEqual(reply.data, { word: 'open sesame' });
    } finally {
      await node.stop();
    }
  });
});
