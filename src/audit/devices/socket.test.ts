import { createSocket } from 'node:dgram';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditDeviceConformance, eventually, type Receiver } from '../conformance.ts';
import { socketDevice } from './socket.ts';

const refused = [
  [{}, /address is required/],
  [{ address: 'nowhere' }, /host:port/],
  [{ address: '127.0.0.1:99999' }, /host:port/],
  [{ address: '/tmp/s', socket_type: 'unixgram' }, /unsupported socket_type/],
  [{ address: '127.0.0.1:1', write_timeout: 'soon' }, /duration/],
  [{ address: '127.0.0.1:1', write_timeout: '-1s' }, /negative/],
] as const;

auditDeviceConformance('socket over TCP', {
  type: socketDevice,
  open: () => streamReceiver(undefined),
  refused,
});

auditDeviceConformance('socket over a Unix stream', {
  type: socketDevice,
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'coffer-audit-'));
    const receiver = await streamReceiver(join(folder, 'socket'));
    return { ...receiver, close: () => receiver.close().then(() => rm(folder, { recursive: true })) };
  },
  refused: [],
});

auditDeviceConformance('socket over UDP', {
  type: socketDevice,
  async open() {
    const lines: string[] = [];
    const server = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
    server.on('message', (message) => lines.push(message.toString()));
    await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
    return {
      options: { address: `127.0.0.1:${server.address().port}`, socket_type: 'udp' },
      received: (count) => eventually(() => (lines.length >= count ? lines : undefined)),
      close: () => new Promise((resolve) => server.close(() => resolve())),
    };
  },
  refused: [],
});

async function streamReceiver(path: string | undefined): Promise<Receiver> {
  let text = '';
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  const listen = (at: string | AddressInfo): Promise<void> =>
    new Promise((resolve) => {
      if (typeof at === 'string') server.listen(at, resolve);
      else server.listen(at.port, '127.0.0.1', resolve);
    });
  await listen(path ?? { port: 0, address: '', family: '' });
  const address = server.address()!;
  const stop = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
    await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    options:
      typeof address === 'string'
        ? { address, socket_type: 'unix' }
        : { address: `127.0.0.1:${address.port}`, socket_type: 'tcp' },
    received: (count) =>
      eventually(() => {
        const lines = text.split(/(?<=\n)/);
        return lines.length >= count && text.endsWith('\n') ? lines : undefined;
      }),
    stop,
    start: () => listen(address),
    close: stop,
  };
}
