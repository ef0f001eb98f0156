/** Transit over HTTP on a real node: what openssl makes of its signatures, and what is left of it in logs and after a crash. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type CofferNode, start, type UnsealKeys } from '../services/coffer.ts';
import { type TemporaryFolder, temporaryFolder } from '../services/folder.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const base64 = (text: string) => Buffer.from(text).toString('base64');
const MESSAGE = 'a canary in the transit mine';

describe('transit over HTTP', () => {
  let node: CofferNode;
  let keys: UnsealKeys;
  let folder: TemporaryFolder;

  const call = async (method: string, path: string, body?: unknown, token = keys.rootToken) => {
    const answer = await node.request(method, `transit/${path}`, { token, body });
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.text === '' ? {} : answer.json().data;
  };
  const file = (name: string, content: string | Buffer) => {
    writeFileSync(join(folder.path, name), content);
    return join(folder.path, name);
  };
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: folder.path, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const tokenWith = async (policy: string) => {
    const options = { token: keys.rootToken };
    await node.request('POST', 'sys/policies/acl/mine', { ...options, body: { policy } });
    const made = await node.request('POST', 'auth/token/create', {
      ...options,
      body: { policies: ['mine'] },
    });
    return String(made.json().auth.client_token);
  };

  before(async () => {
    folder = await temporaryFolder('transit');
    node = await start({ audit: true });
    keys = await node.initAndUnseal();
    const { rootToken: token } = keys;
    await node.request('POST', 'sys/mounts/transit', { token, body: { type: 'transit' } });
  });
  after(async () => {
    await node?.stop();
    await folder?.remove();
  });

  test('openssl verifies signatures', { skip: hasOpenssl ? false : 'openssl is not installed' }, async () => {
    const message = file('message', MESSAGE);
    for (const [type, hash, options, args] of [
      ['ecdsa-p256', 'sha2-256', {}, ['-sha256']],
      ['ecdsa-p521', 'sha2-512', {}, ['-sha512']],
      ['rsa-2048', 'sha2-256', { signature_algorithm: 'pkcs1v15' }, ['-sha256']],
      ['rsa-3072', 'sha2-384', {}, ['-sha384', '-sigopt', 'rsa_padding_mode:pss']],
    ] as const) {
      await call('POST', `keys/${type}`, { type });
      const { signature } = await call('POST', `sign/${type}/${hash}`, {
        input: base64(MESSAGE),
        ...options,
      });
      const bytes = Buffer.from(signature.slice('vault:v1:'.length), 'base64');
      const publicKey = file('public.pem', (await call('GET', `export/public-key/${type}`)).keys['1']);
      const verified = openssl(
        'dgst',
        ...args,
        '-verify',
        publicKey,
        '-signature',
        file('signature', bytes),
        message,
      );
      assert.match(verified, /Verified OK/, type);
    }
  });

  test('openssl takes certificate requests, and what it makes of them is kept', {
    skip: hasOpenssl ? false : 'openssl is not installed',
  }, async () => {
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      '/CN=ca',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
    );
    openssl(
      'req',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/O=Coffer/CN=web',
      '-addext',
      'subjectAltName=DNS:web.example',
      '-keyout',
      'other.key',
      '-out',
      'template.pem',
    );
    for (const type of ['ecdsa-p384', 'ed25519', 'rsa-2048']) {
      await call('POST', `keys/cert-${type}`, { type });
      const template = readFileSync(join(folder.path, 'template.pem'), 'utf8');
      const { csr } = await call('POST', `keys/cert-${type}/csr`, { csr: template });
      const shown = openssl('req', '-in', file('csr.pem', csr), '-noout', '-text', '-verify');
      assert.match(shown, /CN ?= ?web/);
      assert.match(shown, /DNS:web\.example/);
      openssl('x509', '-req', '-in', 'csr.pem', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-out', 'leaf.pem');
      const chain = ['leaf.pem', 'ca.pem'].map((name) => readFileSync(join(folder.path, name), 'utf8'));
      await call('POST', `keys/cert-${type}/set-certificate`, { certificate_chain: chain.join('') });
      const { keys: exported } = await call('GET', `export/certificate-chain/cert-${type}/latest`);
      assert.equal(
        openssl('verify', '-CAfile', 'ca.pem', file('kept.pem', exported['1'])).trim().endsWith('OK'),
        true,
      );
      for (const wrong of [chain.toReversed().join(''), `${chain[0]}${chain[0]}`, 'text', '']) {
        const body = { certificate_chain: wrong };
        const refused = await node.request('POST', `transit/keys/cert-${type}/set-certificate`, {
          token: keys.rootToken,
          body,
        });
        assert.equal(refused.status, 400);
      }
      const empty = await call('POST', `keys/cert-${type}/csr`, {});
      openssl('req', '-in', file('empty.pem', empty.csr), '-noout', '-verify');
    }
    const hostile = [
      '-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----',
      'x',
      '\u0000',
    ];
    for (const csr of hostile)
      assert.equal(
        (
          await node.request('POST', 'transit/keys/cert-ed25519/csr', {
            token: keys.rootToken,
            body: { csr },
          })
        ).status,
        400,
      );
  });

  test('policies: who may make keys, and who may see data keys', async () => {
    const may = async (policy: string, path: string, body: unknown) =>
      (await node.request('POST', `transit/${path}`, { token: await tokenWith(policy), body })).status;
    const plaintext = base64(MESSAGE);
    assert.equal(
      await may('path "transit/encrypt/*" { capabilities = ["update"] }', 'encrypt/fresh', { plaintext }),
      403,
    );
    assert.equal(
      await may('path "transit/encrypt/*" { capabilities = ["create"] }', 'encrypt/fresh', { plaintext }),
      200,
    );
    assert.equal(
      await may('path "transit/encrypt/*" { capabilities = ["create"] }', 'encrypt/fresh', { plaintext }),
      403,
    );
    assert.equal(
      await may('path "transit/encrypt/*" { capabilities = ["update"] }', 'encrypt/fresh', { plaintext }),
      200,
    );
    const wrapped = 'path "transit/datakey/wrapped/*" { capabilities = ["update"] }';
    assert.equal(await may(wrapped, 'datakey/wrapped/fresh', {}), 200);
    assert.equal(await may(wrapped, 'datakey/plaintext/fresh', {}), 403);
  });

  test('a batch answers item by item, and its failures in the status that was asked for', async () => {
    const batch_input = [{ plaintext: base64(MESSAGE), reference: 'a' }, { plaintext: '*' }];
    const send = (body: unknown) =>
      node.request('POST', 'transit/encrypt/fresh', { token: keys.rootToken, body });
    for (const [body, status] of [
      [{ batch_input }, 400],
      [{ batch_input, partial_failure_response_code: 207 }, 207],
      [{ batch_input: batch_input.slice(1), partial_failure_response_code: 207 }, 400],
      [{ batch_input: batch_input.slice(0, 1) }, 200],
    ] as const) {
      const answer = await send(body);
      assert.equal(answer.status, status);
      assert.equal(answer.json().data.batch_results.length, body.batch_input.length);
    }
    for (const bad of [
      { batch_input: [] },
      { batch_input: {} },
      { batch_input: [1] },
      { batch_input, partial_failure_response_code: 204 },
    ]) {
      const answer = await send(bad);
      assert.equal(answer.status, 400);
      assert.ok(answer.json().errors.length > 0);
    }
  });

  test('a big batch keeps nobody else waiting for long', async () => {
    const batch_input = Array.from({ length: 10_000 }, () => ({ input: base64(MESSAGE) }));
    let isDone = false;
    const big = call('POST', 'sign/cert-ed25519', { batch_input }).finally(() => {
      isDone = true;
    });
    let longestMs = 0;
    while (!isDone) {
      const startMs = performance.now();
      await node.request('GET', 'sys/health');
      longestMs = Math.max(longestMs, performance.now() - startMs);
    }
    assert.equal((await big).batch_results.length, 10_000);
    // All of it at once would be half a second; the bodies and their audit entries are of one piece.
    assert.ok(longestMs < 400, `somebody waited ${longestMs} ms`);
  });

  test('after a crash everything can still be decrypted, and nothing was in the logs', async () => {
    const { ciphertext } = await call('POST', 'encrypt/fresh', { plaintext: base64(MESSAGE) });
    await call('POST', 'keys/out', { exportable: true, allow_plaintext_backup: true });
    const exported = (await call('GET', 'export/encryption-key/out')).keys['1'] as string;
    const { backup } = await call('GET', 'backup/out');
    const datakey = (await call('POST', 'datakey/plaintext/fresh', {})).plaintext as string;
    await node.kill9();
    await node.restart();
    await node.unseal(keys);
    assert.equal((await call('POST', 'decrypt/fresh', { ciphertext })).plaintext, base64(MESSAGE));
    assert.equal((await call('GET', 'export/encryption-key/out')).keys['1'], exported);
    const audit = readFileSync(node.auditFile, 'utf8');
    assert.ok(audit.includes('transit/encrypt/fresh'));
    for (const secret of [MESSAGE, base64(MESSAGE), exported, backup as string, datakey]) {
      assert.ok(!audit.includes(secret));
      assert.ok(!node.logs().includes(secret));
    }
  });
});
