import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { start } from './coffer.ts';

test('a node is initialised, cut off, started again on the same files, and still has its secret', async () => {
  const node = await start({ audit: true });
  try {
    assert.equal((await node.request('GET', 'sys/health')).status, 501);
    const keys = await node.initAndUnseal({ shares: 3, threshold: 2 });
    const token = keys.rootToken;
    await node.request('POST', 'sys/mounts/kv', { token, body: { type: 'kv' } });
    assert.equal((await node.request('PUT', 'kv/a', { token, body: { word: 'canary-word' } })).status, 204);

    assert.deepEqual(await node.kill9(), { code: null, signal: 'SIGKILL' });
    await node.restart();
    assert.equal((await node.request('GET', 'sys/health')).status, 503);
    await node.unseal(keys);
    assert.deepEqual((await node.request('GET', 'kv/a', { token })).json().data, { word: 'canary-word' });

    const audit = await readFile(node.auditFile, 'utf8');
    assert.match(audit, /"path":"kv\/a"/);
    assert.doesNotMatch(audit, /canary-word/);
    assert.doesNotMatch(node.logs(), /canary-word/);
  } finally {
    const exit = await node.stop();
    assert.deepEqual(exit, { code: 0, signal: null });
  }
});

test('a node speaks TLS with a certificate of its own', async () => {
  const node = await start({ tls: true, storage: 'inmem' });
  try {
    assert.match(node.address, /^https:/);
    const { rootToken } = await node.initAndUnseal();
    assert.equal((await node.request('GET', 'auth/token/lookup-self', { token: rootToken })).status, 200);
  } finally {
    await node.stop();
  }
});
