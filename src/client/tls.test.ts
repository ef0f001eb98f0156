import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { systemClock } from '../base/clock.ts';
import { seededRandom } from '../base/random.ts';
import { createClient } from './client.ts';
import type { TlsSettings } from './transport.ts';

const hasOpenssl = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
const skip = hasOpenssl ? false : 'openssl, which makes the certificates, is not installed';

const folder = mkdtempSync(join(tmpdir(), 'coffer-tls-'));
const file = (name: string) => join(folder, name);
let address = '';
let server: ReturnType<typeof createServer> | undefined;

before(async () => {
  if (!hasOpenssl) return;
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
      .concat(['-subj', '/CN=vault.test', '-addext', 'subjectAltName=DNS:vault.test'])
      .concat(['-keyout', file('key.pem'), '-out', file('cert.pem')]),
    { stdio: 'ignore' },
  );
  const tls = { key: readFileSync(file('key.pem')), cert: readFileSync(file('cert.pem')) };
  server = createServer(
    { ...tls, ca: tls.cert, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const { subject } = (request.socket as TLSSocket).getPeerCertificate();
      response.end(JSON.stringify({ data: { client: subject?.CN ?? null } }));
    },
  );
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => {
  server?.close();
  server?.closeAllConnections();
  rmSync(folder, { recursive: true });
});

async function ask(tls: TlsSettings) {
  const client = createClient({ address, tls, clock: systemClock, random: seededRandom(1), retriesMax: 0 });
  return (await client.request('GET', 'x')).data?.client;
}

test('a server is trusted by file, by text and by directory, under the name that is expected', {
  skip,
}, async () => {
  const serverName = 'vault.test';
  assert.equal(await ask({ caFile: file('cert.pem'), serverName }), null);
  assert.equal(await ask({ caText: readFileSync(file('cert.pem'), 'utf8'), serverName }), null);
  assert.equal(await ask({ caDirectory: folder, serverName }), null);
});

test('an unknown authority and another name are refused', { skip }, async () => {
  await assert.rejects(ask({ serverName: 'vault.test' }), { reason: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  await assert.rejects(ask({ caFile: file('cert.pem') }), { reason: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  assert.equal(await ask({ skipVerify: true }), null);
});

test('a client certificate is shown, and never half of one', { skip }, async () => {
  const own = { clientCertificateFile: file('cert.pem'), clientKeyFile: file('key.pem') };
  assert.equal(await ask({ caFile: file('cert.pem'), serverName: 'vault.test', ...own }), 'vault.test');
  await assert.rejects(ask({ clientCertificateFile: file('cert.pem') }), { code: 'setting_invalid' });
  await assert.rejects(ask({ caFile: file('missing.pem') }), { code: 'setting_invalid' });
});

test('TLS spoken to a plain server is told apart', { skip }, async (t) => {
  const { createServer: createPlain } = await import('node:http');
  const plain = createPlain((_request, response) => response.end());
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  t.after(() => plain.close());
  const client = createClient({
    address: `https://127.0.0.1:${(plain.address() as AddressInfo).port}`,
    clock: systemClock,
    random: seededRandom(1),
    retriesMax: 0,
  });
  await assert.rejects(client.request('GET', 'x'), { reason: 'PLAIN_ANSWER' });
});
