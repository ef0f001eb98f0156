/**
 * Certificates that were renewed on disk are served: on SIGHUP, when asked over the API, and by themselves; halves and
 * rubbish never are, and open connections live on.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { start } from '../services/coffer.ts';
import { type TemporaryFolder, temporaryFolder } from '../services/folder.ts';
import { runProcess, waitUntil } from '../services/process.ts';
import { FailureNode, settle } from './node.ts';

const CHECK_MS = 11_000;

describe('certificates', {
  skip: existsSync('/usr/bin/openssl') ? false : 'there is no openssl to make certificates',
}, () => {
  let made: TemporaryFolder;
  let folder: TemporaryFolder;
  let node: FailureNode | undefined;
  before(async () => {
    made = await temporaryFolder('certificates');
    for (const name of ['old', 'new']) await makeCertificate(made.path, name);
  });
  beforeEach(async () => {
    folder = await temporaryFolder('certificates');
  });
  afterEach(async () => {
    await node?.stop();
    node = undefined;
    await folder.remove();
  });
  after(() => made.remove());

  const file = (name: string) => join(folder.path, name);
  /** Over what is there, as a script would, or by renaming, as careful tools do. */
  const put = (name: string, parts: readonly string[], how: 'overwrite' | 'rename' = 'overwrite') => {
    for (const part of parts) {
      const target = how === 'rename' ? file('next') : file(`tls.${part}`);
      copyFileSync(join(made.path, `${name}.${part}`), target);
      if (how === 'rename') renameSync(target, file(`tls.${part}`));
    }
  };
  const open = async (): Promise<FailureNode> => {
    put('old', ['crt', 'key']);
    node = await FailureNode.start({
      manualClock: true,
      settings: {
        listeners: [
          { type: 'tcp', address: '127.0.0.1:0', tlsDisable: true },
          { type: 'tcp', address: '127.0.0.1:0', tlsCertFile: file('tls.crt'), tlsKeyFile: file('tls.key') },
        ],
      },
    });
    assert.equal(await served(node), 'old');
    return node;
  };

  for (const how of ['overwrite', 'rename'] as const) {
    it(`are read again when asked, after ${how}`, async () => {
      const server = await open();
      put('new', ['crt', 'key'], how);
      await server.server.reload();
      assert.equal(await served(server), 'new');
      put('old', ['crt', 'key'], how);
      await server.ok('POST', 'sys/config/reload/tls');
      assert.equal(await served(server), 'old');
    });

    it(`are noticed by themselves, after ${how}`, async () => {
      const server = await open();
      put('new', ['crt', 'key'], how);
      await server.pass(CHECK_MS);
      await waitUntil(async () => (await served(server)) === 'new', { what: 'the new certificate' });
    });
  }

  it('are noticed behind a link that is turned, as Kubernetes does it', async () => {
    for (const name of ['old', 'new'])
      for (const part of ['crt', 'key'])
        copyFileSync(join(made.path, `${name}.${part}`), file(`${name}.${part}`));
    const server = await open();
    for (const part of ['crt', 'key']) {
      unlinkSync(file(`tls.${part}`));
      symlinkSync(file(`new.${part}`), file(`tls.${part}`));
    }
    await server.pass(CHECK_MS);
    await waitUntil(async () => (await served(server)) === 'new', { what: 'the new certificate' });
  });

  it('stay as they were while only half of the new one is there, and follow when it is whole', async () => {
    const server = await open();
    put('new', ['crt']);
    await server.server.reload();
    await server.pass(CHECK_MS);
    assert.equal(await served(server), 'old');
    assert.match(server.serverLog(), /certificate/);
    put('new', ['key']);
    await server.pass(CHECK_MS);
    await waitUntil(async () => (await served(server)) === 'new', { what: 'the new certificate' });
  });

  it('stay as they were when the files are rubbish or gone', async () => {
    const server = await open();
    writeFileSync(file('tls.crt'), 'rubbish');
    await server.server.reload();
    assert.equal(await served(server), 'old');
    unlinkSync(file('tls.crt'));
    unlinkSync(file('tls.key'));
    await server.pass(CHECK_MS);
    await settle();
    assert.equal(await served(server), 'old');
    put('new', ['crt', 'key']);
    await server.pass(CHECK_MS);
    await waitUntil(async () => (await served(server)) === 'new', { what: 'the new certificate' });
  });

  it('leave open connections alone', async () => {
    const server = await open();
    const socket = await dial(server);
    put('new', ['crt', 'key']);
    await server.server.reload();
    socket.write('GET /v1/sys/seal-status HTTP/1.1\r\nHost: x\r\n\r\n');
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    assert.match(bytes.toString(), /^HTTP\/1\.1 200/);
    socket.destroy();
  });

  it('are read again by a process on SIGHUP', async () => {
    const process = await start({ tls: true, storage: 'inmem' });
    try {
      const seen = async () => (await peer(process.port)).fingerprint256;
      const next = new X509Certificate(readFileSync(join(made.path, 'new.crt'))).fingerprint256;
      assert.notEqual(await seen(), next);
      for (const part of ['crt', 'key'])
        copyFileSync(join(made.path, `new.${part}`), join(process.folder, `tls.${part}`));
      process.signal('SIGHUP');
      await waitUntil(async () => (await seen()) === next, { what: 'the new certificate', timeoutMs: 5000 });
    } finally {
      await process.stop();
    }
  });
});

/** `name.crt` and `name.key`. */
async function makeCertificate(folder: string, name: string): Promise<void> {
  const { code, stderr } = await runProcess({
    command: 'openssl',
    args: [
      ...['req', '-x509', '-days', '2', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      ...[
        '-subj',
        `/CN=${name}`,
        '-keyout',
        join(folder, `${name}.key`),
        '-out',
        join(folder, `${name}.crt`),
      ],
    ],
  });
  assert.equal(code, 0, stderr);
}

/** The common name of what the node shows to who connects now. */
async function served(node: FailureNode): Promise<string> {
  const socket = await dial(node);
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

function dial(node: FailureNode): Promise<TLSSocket> {
  return handshake(Number(new URL(node.server.addresses[1]!).port));
}

async function peer(port: number) {
  const socket = await handshake(port);
  const certificate = socket.getPeerCertificate();
  socket.destroy();
  return certificate;
}

async function handshake(port: number): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  return socket;
}
