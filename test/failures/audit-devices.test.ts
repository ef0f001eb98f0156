/**
 * Audit devices that fill up, swallow everything, or lose their file: another that works is enough and nobody waits for
 * the broken one; when none works, requests are refused before they do anything, and serve again when one is back.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, statSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { ManualClock } from '../../src/base/clock.ts';
import { start } from '../services/coffer.ts';
import { runProcess, waitUntil } from '../services/process.ts';
import { FailureNode, settle } from './node.ts';

describe('an audit device that fails', () => {
  let node: FailureNode;
  let hole: BlackHole | undefined;
  afterEach(async () => {
    await node.stop();
    await hole?.close();
    hole = undefined;
  });
  const write = (name: string) => node.request('POST', `kv/${name}`, { body: { value: name } });
  /** Of which keys the requests and the replies are in the audit file. */
  const audited = (file = node.auditFile) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
      .map(({ type, request }) => `${type} ${request.path}`);

  it('delays nobody when it swallows everything, while another works', async () => {
    node = await FailureNode.start({ manualClock: true });
    await node.ok('POST', 'sys/mounts/kv', { body: { type: 'kv' } });
    hole = await BlackHole.open(node.folder);
    await enableHole(node, hole);
    await fillUp(node);
    for (let round = 0; round < 20; round++) {
      const startedMs = performance.now();
      assert.equal((await write(`r${round}`)).status, 204);
      assert.ok(performance.now() - startedMs < 1000, 'a stuck device must not be waited for');
    }
    manual(node).advance(10_500);
    await settle();
    assert.match(node.serverLog(), /audit entries were not written to this device.*does not respond/);
    assert.equal((await write('last')).status, 204);
    for (const key of ['r0', 'r19', 'last'])
      assert.deepEqual(
        audited().filter((line) => line.endsWith(`kv/${key}`)),
        [`request kv/${key}`, `response kv/${key}`],
      );
  });

  it('keeps everybody out when it swallows everything and is alone, and lets them in when it is back', async () => {
    node = await FailureNode.start({ manualClock: true, audit: false });
    await node.ok('POST', 'sys/mounts/kv', { body: { type: 'kv' } });
    hole = await BlackHole.open(node.folder);
    await enableHole(node, hole);
    await fillUp(node);
    manual(node).advance(10_500);
    await settle();
    for (const name of ['a', 'b']) {
      const refused = await write(name);
      assert.equal(refused.status, 500, refused.text);
      assert.match(refused.text, /failed to audit/);
    }
    assert.equal((await node.request('GET', 'kv/a')).status, 500, 'nor is anything read');
    assert.equal(
      (await node.request('GET', 'sys/health', { token: '' })).status,
      200,
      'what is not audited serves',
    );
    hole.drink();
    await waitUntil(async () => (await write('c')).status === 204, { what: 'the device to be back' });
    for (const name of ['a', 'b']) assert.equal((await node.request('GET', `kv/${name}`)).status, 404);
  });

  it('is made anew when its file was removed or moved', async () => {
    node = await FailureNode.start();
    await node.ok('POST', 'sys/mounts/kv', { body: { type: 'kv' } });
    for (const [name, lose] of [
      ['a', () => unlinkSync(node.auditFile)],
      ['b', () => renameSync(node.auditFile, `${node.auditFile}.1`)],
    ] as const) {
      lose();
      await pause(150);
      assert.equal((await write(name)).status, 204);
      await waitUntil(() => existsSync(node.auditFile), { what: 'the file to be back' });
      assert.equal((await write(`${name}2`)).status, 204);
      assert.ok(audited().includes(`response kv/${name}2`));
    }
  });

  it('does no harm when its file cannot be made anew, while another works', async () => {
    node = await FailureNode.start();
    await node.ok('POST', 'sys/mounts/kv', { body: { type: 'kv' } });
    const second = join(node.folder, 'second.log');
    await node.ok('POST', 'sys/audit/second', { body: { type: 'file', options: { file_path: second } } });
    block(node.auditFile);
    await pause(150);
    for (const name of ['a', 'b', 'c']) assert.equal((await write(name)).status, 204);
    assert.ok(audited(second).includes('response kv/c'));
    assert.match(node.serverLog(), /audit entries were not written to this device/);
    rmdirSync(node.auditFile);
    await write('d');
    await waitUntil(async () => (await write('e')).status === 204 && audited().includes('response kv/e'), {
      what: 'the first device to be back',
    });
  });

  it('keeps everybody out while the only file cannot be made anew; what was refused did not happen', async () => {
    node = await FailureNode.start({ onDisk: true });
    await node.ok('POST', 'sys/mounts/kv', { body: { type: 'kv' } });
    await write('before');
    const token = await node.tokenWith('path "kv/*" { capabilities = ["read"] }');
    block(node.auditFile);
    await pause(150);
    const first = await write('first');
    assert.equal(first.status, 500, 'the reply of a request that is in no log does not leave');
    for (const [method, path] of [
      ...[
        ['GET', 'kv/before'],
        ['DELETE', 'kv/before'],
        ['POST', 'auth/token/create'],
      ],
      ...[
        ['DELETE', 'sys/audit/file'],
        ['POST', 'sys/mounts/new'],
        ['POST', 'auth/token/revoke-self'],
      ],
    ] as [string, string][]) {
      const { status, text } = await node.request(method, path, {
        token: path.endsWith('self') ? token : node.rootToken,
        ...(method === 'POST' ? { body: path.includes('mounts') ? { type: 'kv' } : {} } : {}),
      });
      assert.equal(status, 500, `${method} ${path} ${text}`);
    }
    const many = await Promise.all(Array.from({ length: 20 }, (_, n) => write(`many${n}`)));
    assert.deepEqual(new Set(many.map(({ status }) => status)), new Set([500]));
    rmdirSync(node.auditFile);
    await waitUntil(async () => (await write('after')).status === 204, {
      what: 'requests to be served again',
    });
    assert.deepEqual((await node.ok('GET', 'kv/before')).data, { value: 'before' });
    assert.deepEqual(Object.keys((await node.ok('GET', 'sys/audit')).data), ['file/']);
    assert.equal((await node.ok('GET', 'sys/mounts')).data['new/'], undefined);
    assert.equal((await node.request('GET', 'kv/before', { token })).status, 200);
    const { keys } = (await node.ok('LIST', 'kv')).data;
    assert.deepEqual(
      keys.filter((key: string) => key.startsWith('many')),
      [],
    );
    await node.restart();
    assert.deepEqual((await node.ok('GET', 'kv/before')).data, { value: 'before' });
  });
});

describe('a full disk under the audit file', {
  skip: existsSync('/usr/bin/prlimit') ? false : 'there is no prlimit to limit the size of files',
}, () => {
  it('keeps everybody out until there is room again, and tears no line', async () => {
    const limited = ['bash', '-c', `ulimit -S -f ${AUDIT_KIB}; exec "$@"`, 'limited'] as const;
    const node = await start({
      storage: 'inmem',
      audit: true,
      program: [...limited, process.execPath, join(import.meta.dirname, '../../bin/coffer.ts')],
    });
    try {
      const { rootToken: token } = await node.initAndUnseal();
      await node.request('POST', 'sys/mounts/kv', { token, body: { type: 'kv' } });
      const write = (name: string) => node.request('POST', `kv/${name}`, { token, body: { value: 'x' } });
      let full = 0;
      while ((await write(`k${full}`)).status === 204) assert.ok(++full < 1000, 'the file grows without end');
      assert.ok(statSync(node.auditFile).size <= AUDIT_KIB * 1024);
      assert.equal((await write('refused')).status, 500);
      assert.equal((await node.request('GET', 'kv/k0', { token })).status, 500);

      const raised = await runProcess({
        command: 'prlimit',
        args: [`--pid=${node.pid}`, '--fsize=unlimited:'],
      });
      assert.equal(raised.code, 0, raised.stderr);
      await waitUntil(async () => (await write('after')).status === 204, {
        what: 'writes to be taken again',
      });
      assert.equal((await node.request('GET', 'kv/refused', { token })).status, 404);
      const lines = readFileSync(node.auditFile, 'utf8').split('\n');
      const torn = lines.filter((line) => line !== '' && !parses(line));
      assert.ok(torn.length <= 1, 'only the line that the disk cut short is torn');
      for (let k = 0; k < full; k++)
        assert.ok(
          lines.some((line) => line.includes(`"kv/k${k}"`) && line.includes('"response"')),
          `k${k} is acknowledged`,
        );
    } finally {
      await node.stop();
    }
  });
});

const AUDIT_KIB = 100;

/** Takes connections and reads nothing of them until it is told to. */
class BlackHole {
  readonly path: string;
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  #drinking = false;

  private constructor(path: string) {
    this.path = path;
    this.#server = createServer((socket) => {
      this.#sockets.push(socket);
      socket.on('error', () => {});
      if (this.#drinking) socket.resume();
      else socket.pause();
    });
  }
  static async open(folder: string): Promise<BlackHole> {
    const hole = new BlackHole(join(folder, 'hole'));
    await new Promise<void>((resolve) => hole.#server.listen(hole.path, resolve));
    return hole;
  }
  drink(): void {
    this.#drinking = true;
    for (const socket of this.#sockets) socket.resume();
  }
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function enableHole(node: FailureNode, hole: BlackHole): Promise<void> {
  const options = { address: hole.path, socket_type: 'unix', write_timeout: '1h' };
  await node.ok('POST', 'sys/audit/hole', { body: { type: 'socket', options } });
}

/** Sends requests until the kernel takes no more of their entries; at the end some of them still wait. */
async function fillUp(node: FailureNode): Promise<void> {
  const big = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`key${n}`, 'value']));
  const waiting = Array.from({ length: 60 }, (_, n) => node.request('POST', `kv/fill${n}`, { body: big }));
  await Promise.race([Promise.allSettled(waiting), pause(1500)]);
  for (const answer of waiting) answer.catch(() => {});
}

function manual(node: FailureNode): ManualClock {
  return node.clock as ManualClock;
}

/** Puts a folder where the file was: it can neither be written nor made anew. */
function block(file: string): void {
  unlinkSync(file);
  mkdirSync(file);
}

function parses(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
