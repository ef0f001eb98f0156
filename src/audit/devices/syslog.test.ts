import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { auditDeviceConformance, encoded, eventually, testDeps } from '../conformance.ts';
import { syslogDevice } from './syslog.ts';

/** RFC 5424: priority 8 × facility + severity, version, time, host, name, process, no id, no structured data. */
const MESSAGE = /^<38>1 \d{4}-\d\d-\d\dT[\d:.]+Z \S+ vault \d+ - - (.*)$/s;

auditDeviceConformance('syslog over UDP', {
  type: syslogDevice,
  async open() {
    const messages: string[] = [];
    const server = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
    server.on('message', (message) => messages.push(message.toString()));
    await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
    return {
      options: { address: `udp://127.0.0.1:${server.address().port}` },
      received: (count) => eventually(() => (messages.length >= count ? messages.map(entryOf) : undefined)),
      close: () => new Promise((resolve) => server.close(() => resolve())),
    };
  },
  refused: [
    [{ facility: 'NONE' }, /unknown syslog facility/],
    [{ tag: '-x' }, /tag must be/],
    [{ tag: 'a b' }, /tag must be/],
    [{ address: '127.0.0.1:514' }, /must begin with/],
    [{ address: 'tcp://' }, /must begin with/],
  ],
});

auditDeviceConformance('syslog over TCP', {
  type: syslogDevice,
  async open() {
    let bytes = Buffer.alloc(0);
    const server = createServer((socket) => {
      socket.on('data', (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
      options: { address: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` },
      received: (count) =>
        eventually(() => {
          const messages = uncounted(bytes);
          return messages.length >= count ? messages.map(entryOf) : undefined;
        }),
      close: () => new Promise((resolve) => server.close(() => resolve())),
    };
  },
  refused: [],
});

test('syslog: the local agent is reached through the logger program', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coffer-audit-'));
  const script = `#!/bin/sh\necho "$@" >'${folder}/flags'\nexec cat >>'${folder}/messages'\n`;
  await writeFile(join(folder, 'logger'), script, { mode: 0o700 });
  const environment = { PATH: `${folder}:${process.env.PATH}` };
  const open = syslogDevice.configure({ tag: 'coffer', facility: 'local3' }, { ...testDeps, environment });
  const device = await open();
  await device.write(encoded('{"a":1}\n', '{"b":2}\n'));
  await device.close();
  const read = (name: string): Promise<string | undefined> =>
    readFile(join(folder, name), 'utf8').then(
      (text) => text || undefined,
      () => undefined,
    );
  assert.equal(await eventually(() => read('messages')), '{"a":1}\n{"b":2}\n');
  assert.match((await read('flags'))!, /--tag=coffer --priority=local3\.info/);
  await rm(folder, { recursive: true });
});

test('syslog: without the program, writes fail', async () => {
  const open = syslogDevice.configure({}, { ...testDeps, environment: { PATH: '/nonexistent' } });
  const device = await open();
  await assert.rejects(device.write(encoded('{"a":1}\n')), /local syslog agent/);
  await device.close();
});

function entryOf(message: string): string {
  return `${MESSAGE.exec(message)?.[1] ?? `not a message: ${message.slice(0, 80)}`}\n`;
}

function uncounted(bytes: Buffer): string[] {
  const messages: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString('latin1', at, space));
    if (space < 0 || bytes.length < space + 1 + length) break;
    messages.push(bytes.toString('utf8', space + 1, space + 1 + length));
    at = space + 1 + length;
  }
  return messages;
}
