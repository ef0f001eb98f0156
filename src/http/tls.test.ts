import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { type ConnectionOptions, connect as dial, type TLSSocket } from 'node:tls';
import { ManualClock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import { createLogger } from '../base/logger.ts';
import type { ListenerConfig } from './listener-config.ts';
import type { ListenOptions } from './listeners.ts';
import { echo, RawClient, TestWire } from './testing.ts';

let folder: string;
const wire = new TestWire();
const file = (name: string) => join(folder, name);

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
}

/** `name.crt` and `name.key`, signed by `issuer` or by itself. */
function certificate(name: string, issuer?: string): void {
  const subject = ['-subj', `/CN=${name}`, '-days', '2', '-nodes'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', `${name}.key`];
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1'];
  const signer = issuer ? ['-CA', `${issuer}.crt`, '-CAkey', `${issuer}.key`] : [];
  openssl('req', '-x509', ...subject, ...key, ...names, ...signer, '-out', `${name}.crt`);
}

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'coffer-tls-'));
  for (const name of ['first', 'second', 'authority']) certificate(name);
  certificate('client', 'authority');
});
after(() => rmSync(folder, { recursive: true }));
afterEach(() => wire.close());

const serve = (config: Partial<ListenerConfig> = {}, options: Partial<ListenOptions> = {}) =>
  wire.serve(
    echo,
    { tlsDisable: false, tlsCertFile: file('first.crt'), tlsKeyFile: file('first.key'), ...config },
    options,
  );

async function connectTls(
  port: number,
  options: ConnectionOptions = {},
): Promise<RawClient & { tls: TLSSocket }> {
  const tls = dial({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  await once(tls, 'secureConnect');
  const client = Object.assign(RawClient.over(tls), { tls });
  return wire.keep(client);
}

const nameOf = (client: { tls: TLSSocket }) => client.tls.getPeerCertificate().subject.CN;

describe('TLS', {
  skip: existsSync('/usr/bin/openssl') ? false : 'there is no openssl to make certificates',
}, () => {
  test('requests over TLS 1.2 and 1.3, with LIST, keep-alive and strict transport security', async () => {
    const { port, listeners } = await serve();
    assert.equal(listeners.addresses[0]!.url, `https://127.0.0.1:${port}`);
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const client = await connectTls(port, { maxVersion, ALPNProtocols: ['h2', 'http/1.1'] });
      assert.equal(client.tls.getProtocol(), maxVersion);
      assert.equal(client.tls.alpnProtocol, 'http/1.1');
      for (const method of ['GET', 'LIST', 'GET']) {
        client.request(method, '/v1/x');
        const reply = await client.reply();
        assert.equal(JSON.parse(reply.body).method, method);
        assert.equal(reply.headers['strict-transport-security'], 'max-age=31536000; includeSubDomains');
      }
    }
  });

  test('plain HTTP on the TLS port is told so, other bytes are cut off', async () => {
    const { port, connect } = await serve();
    const plain = await connect();
    plain.request('GET', '/v1/x');
    assert.equal(
      await plain.rest(),
      'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n',
    );
    const noise = await connect();
    noise.send(Buffer.from([0x16, 0x16, 0x16, 0x16, 0x16, 0x16]));
    noise.socket.end();
    await noise.rest();
    const good = await connectTls(port);
    good.request('GET', '/v1/x');
    assert.equal((await good.reply()).status, 200);
  });

  test('silence before and within the handshake ends', async () => {
    const clock = new ManualClock();
    const { connect } = await serve({ httpReadHeaderTimeoutMs: 300 }, { clock });
    const silent = await connect();
    const halfway = await connect();
    halfway.send(Buffer.from([0x16, 0x03, 0x01]));
    await new Promise((resolve) => setTimeout(resolve, 30));
    clock.advance(1000);
    await silent.rest();
    await halfway.rest();
  });

  test('a client certificate arrives when there is one', async () => {
    const { port } = await serve({ tlsClientCaFile: file('authority.crt') });
    const der = (name: string) => readFileSync(file(name), 'utf8').replace(/-----[^-]+-----|\s/g, '');
    const certificatesOf = async (options: ConnectionOptions): Promise<string[]> => {
      const client = await connectTls(port, options);
      client.request('GET', '/v1/x');
      return (await client.json()).certificates as string[];
    };
    const identity = { cert: readFileSync(file('client.crt')), key: readFileSync(file('client.key')) };
    assert.deepEqual(await certificatesOf({}), []);
    assert.equal((await certificatesOf(identity))[0], der('client.crt'));
    const stranger = { cert: readFileSync(file('second.crt')), key: readFileSync(file('second.key')) };
    assert.deepEqual(await certificatesOf(stranger), [der('second.crt')]);
    const chain = { ...identity, cert: Buffer.concat([identity.cert, readFileSync(file('authority.crt'))]) };
    assert.deepEqual(await certificatesOf(chain), [der('client.crt'), der('authority.crt')]);
  });

  test('a client certificate can be required', async () => {
    const { port } = await serve({
      tlsClientCaFile: file('authority.crt'),
      tlsRequireAndVerifyClientCert: true,
    });
    const attempt = async (options: ConnectionOptions): Promise<number> => {
      const client = await connectTls(port, options);
      client.request('GET', '/v1/x');
      return (await client.reply()).status;
    };
    const pair = (name: string) => ({
      cert: readFileSync(file(`${name}.crt`)),
      key: readFileSync(file(`${name}.key`)),
    });
    assert.equal(await attempt(pair('client')), 200);
    await assert.rejects(attempt({}));
    await assert.rejects(attempt(pair('second')));
    const silent = await serve({ tlsDisableClientCerts: true });
    const client = await connectTls(silent.port, pair('client'));
    client.request('GET', '/v1/x');
    assert.deepEqual((await client.json()).certificates, []);
  });

  test('versions and suites', async () => {
    const { port } = await serve({
      tlsMaxVersion: 'tls12',
      tlsCipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'],
    });
    const client = await connectTls(port);
    assert.deepEqual(
      [client.tls.getProtocol(), client.tls.getCipher().name],
      ['TLSv1.2', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    );
    const newest = await serve({ tlsMinVersion: 'tls13' });
    await assert.rejects(connectTls(newest.port, { maxVersion: 'TLSv1.2' }));
  });

  test('a new certificate is taken up by signal and by file change; open connections live on', async () => {
    const clock = new ManualClock();
    const pair = { tlsCertFile: file('used.crt'), tlsKeyFile: file('used.key') };
    const use = (name: string): void => {
      for (const kind of ['crt', 'key']) copyFileSync(file(`${name}.${kind}`), file(`used.${kind}`));
    };
    use('first');
    const { port, listeners } = await serve(pair, { clock });
    const old = await connectTls(port);
    assert.equal(nameOf(old), 'first');
    use('second');
    await listeners.reload();
    assert.equal(nameOf(await connectTls(port)), 'second');
    old.request('GET', '/v1/x');
    assert.equal((await old.reply()).status, 200);
    use('first');
    clock.advance(10_500);
    for (;;) {
      const name = nameOf(await connectTls(port));
      if (name === 'first') break;
      assert.equal(name, 'second');
    }
  });

  test('a certificate that does not work leaves the old one and is logged, without what is in the files', async () => {
    const lines: string[] = [];
    const logger = createLogger({
      level: 'debug',
      format: 'standard',
      write: (line) => lines.push(line),
      now: () => 0,
    });
    const pair = { tlsCertFile: file('broken.crt'), tlsKeyFile: file('broken.key') };
    copyFileSync(file('first.crt'), file('broken.crt'));
    copyFileSync(file('first.key'), file('broken.key'));
    const { port, listeners } = await serve(pair, { logger });
    const stillFirst = async (): Promise<void> => {
      await listeners.reload();
      assert.equal(nameOf(await connectTls(port)), 'first');
    };
    copyFileSync(file('second.key'), file('broken.key'));
    await stillFirst();
    writeFileSync(file('broken.key'), 'no key s3cret');
    await stillFirst();
    rmSync(file('broken.crt'));
    await stillFirst();
    const complaints = lines.filter((line) => line.includes('not reloaded'));
    assert.equal(complaints.length, 3);
    assert.ok(!lines.join('').includes('s3cret'));
  });

  test('mistakes in the configuration name their parameter', async () => {
    for (const [config, text] of [
      [{ tlsCertFile: undefined }, /tls_cert_file/],
      [{ tlsKeyFile: undefined }, /tls_key_file/],
      [{ tlsKeyFile: file('absent') }, /tls_key_file: cannot read .*absent: ENOENT/],
      [{ tlsKeyFile: file('second.key') }, /cannot use .*first\.crt with .*second\.key/],
      [{ tlsClientCaFile: file('absent') }, /tls_client_ca_file/],
      [{ tlsMinVersion: 'ssl3' }, /tls_min_version/],
      [{ tlsMaxVersion: 'constructor' }, /tls_max_version/],
      [{ tlsCipherSuites: ['TLS_NULL'] }, /tls_cipher_suites/],
      [{ tlsDisableClientCerts: true, tlsRequireAndVerifyClientCert: true }, /mutually exclusive/],
    ] as const) {
      await assert.rejects(
        serve(config),
        (error) => error instanceof InvalidRequest && text.test(error.message),
      );
    }
  });

  test('a PROXY header in front of TLS', async () => {
    const { connect } = await serve({ proxyProtocolBehavior: 'use_always' });
    const raw = await connect();
    raw.socket.removeAllListeners('data');
    raw.send('PROXY TCP4 10.1.2.3 10.0.0.1 5000 8200\r\n');
    const tls = dial({ socket: raw.socket, rejectUnauthorized: false });
    await once(tls, 'secureConnect');
    const client = RawClient.over(tls);
    client.request('GET', '/v1/x');
    assert.deepEqual((await client.json()).remote, { address: '10.1.2.3', port: 5000 });
  });
});

describe('Unix sockets', () => {
  const listen = (path: string, more: Partial<ListenerConfig> = {}) =>
    wire.serve(echo, { type: 'unix', address: path, ...more });

  test('serve, with the mode that is asked for, and take the place of a dead one only', async () => {
    const path = file('a.sock');
    const { listeners, connect } = await listen(path, {
      socketMode: '0600',
      socketUser: String(process.getuid!()),
    });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(listeners.addresses[0]!.url, `unix://${path}`);
    const client = await connect();
    client.request('LIST', '/v1/x');
    const { method, remote } = await client.json();
    assert.deepEqual([method, remote], ['LIST', { address: '', port: 0 }]);
    await assert.rejects(listen(path), /another process listens there/);
    client.close();
    await listeners.close({ graceMs: 0 });
    assert.equal(existsSync(path), false);

    leaveDeadSocket(path);
    await listen(path);
    writeFileSync(file('plain'), 'precious');
    await assert.rejects(listen(file('plain')), /a file is there/);
    assert.equal(readFileSync(file('plain'), 'utf8'), 'precious');
  });

  test('mistakes are named', async () => {
    await assert.rejects(listen(file('b.sock'), { socketMode: 'rw' }), /socket_mode/);
    await assert.rejects(listen(file('b.sock'), { socketUser: 'no such user' }), /socket_user/);
    await assert.rejects(listen(join(folder, 'absent', 'b.sock')), InvalidRequest);
  });
});

/** What a killed process leaves: a socket file that nobody listens on. */
function leaveDeadSocket(path: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  try {
    execFileSync(process.execPath, ['-e', script], { stdio: 'ignore' });
  } catch {
    assert.ok(statSync(path).isSocket());
  }
}
