/** `coffer server -dev`: Vault's flags, and nothing left behind. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type TemporaryFolder, temporaryFolder } from '../services/folder.ts';
import { call, type JsonReply } from '../services/http.ts';
import { freePort } from '../services/ports.ts';
import { type RunningProcess, startProcess, waitUntil } from '../services/process.ts';

const program = join(import.meta.dirname, '../../bin/coffer.ts');

describe('coffer server -dev', () => {
  let folder: TemporaryFolder;
  let address: string;
  let listen: string;
  let server: RunningProcess | undefined;

  beforeEach(async () => {
    folder = await temporaryFolder('dev');
    listen = `127.0.0.1:${await freePort()}`;
    address = `http://${listen}`;
  });
  afterEach(async () => {
    const exit = await server?.stop();
    await folder.remove();
    assert.deepEqual(exit, { code: 0, signal: null }, server?.output() ?? '');
  });

  async function start(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
    const started = startProcess({
      command: process.execPath,
      args: [program, 'server', ...args],
      cwd: folder.path,
      env: { HOME: folder.path, ...env },
    });
    server = started;
    const ready = () => started.output().includes('Development mode should NOT') || !started.running;
    await waitUntil(ready, { what: 'the development server' });
    return /^Root Token: (.*)$/m.exec(started.output())?.[1] ?? assert.fail(started.output());
  }

  async function read(path: string, token: string): Promise<{ status: number; data: JsonReply }> {
    const { status, json } = await call(address, {
      method: 'GET',
      path: `/v1/${path}`,
      headers: { 'X-Vault-Token': token },
    });
    return { status, data: json().data };
  }

  test('speaks TLS by certificates of its own', async () => {
    const more = ['-dev-tls', `-dev-tls-cert-dir=${folder.path}`, '-dev-tls-san=coffer.test'];
    const token = await start([`-dev-listen-address=${listen}`, ...more]);
    const path = join(folder.path, 'vault-ca.pem');
    assert.match(
      server!.output(),
      new RegExp(`export VAULT_ADDR='https://${listen}'\n.*VAULT_CACERT='${path}'\n`),
    );
    const request = { method: 'GET', path: '/v1/sys/mounts', headers: { 'X-Vault-Token': token } };
    const answer = await call(`https://${listen}`, request, readFileSync(path, 'utf8'));
    assert.equal(answer.status, 200);
    const certificate = new X509Certificate(readFileSync(join(folder.path, 'vault-cert.pem')));
    assert.equal(certificate.checkHost('coffer.test'), 'coffer.test');
    assert.equal(statSync(join(folder.path, 'vault-key.pem')).mode & 0o777, 0o600);
  });

  test('listens where it is told, unsealed, with KV version 2 and its token in the token helper', async () => {
    const token = await start(['-dev', `-dev-listen-address=${listen}`]);
    assert.match(token, /^hvs\.\w{24}$/);
    assert.match(server!.output(), new RegExp(`export VAULT_ADDR='${address}'\n`));
    assert.match(server!.output(), /^Unseal Key: \S{44}$/m);
    const { data } = await read('sys/mounts/secret', token);
    assert.deepEqual([data.type, data.options], ['kv', { version: '2' }]);
    const kept = join(folder.path, '.vault-token');
    assert.equal(readFileSync(kept, 'utf8'), token);
    assert.equal(statSync(kept).mode & 0o777, 0o600);
  });

  test('takes a root token of one’s choosing, which is then the only token', async () => {
    const token = await start([
      '-dev-root-token-id',
      'root',
      '-dev-listen-address',
      listen,
      '-dev-no-store-token',
      '-dev-kv-v1',
    ]);
    assert.equal(token, 'root');
    assert.equal((await read('sys/mounts/secret', token)).data.options.version, '1');
    assert.equal((await read('auth/token/accessors?list=true', token)).data.keys.length, 1);
    assert.equal(existsSync(join(folder.path, '.vault-token')), false);
  });

  test('takes its settings from the environment, too', async () => {
    const env = { VAULT_DEV_ROOT_TOKEN_ID: 'from-environment', VAULT_DEV_LISTEN_ADDRESS: listen };
    const token = await start(['-dev', '-dev-no-kv'], env);
    assert.equal(token, 'from-environment');
    assert.equal((await read('sys/mounts/secret', token)).status, 400);
    assert.equal((await read('sys/seal-status', token)).status, 200);
  });
});
