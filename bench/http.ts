/**
 * The wire by itself: a bare `node:http` server that answers `{}` against our listener with a handler that does the
 * same, in two processes, one after the other, rounds alternating. Prints requests per second, processor time per
 * request, and the ratio. `npm run bench -- http`
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { systemClock } from '../src/base/clock.ts';
import { silentLogger } from '../src/base/logger.ts';
import { openListeners } from '../src/http/listeners.ts';

const CONNECTIONS = 32;
const ROUNDS = 3;
const ROUND_MS = 1500;
const WARM_UP_MS = 500;
const REQUEST = [
  'GET /v1/secret/data/application/database HTTP/1.1',
  'Host: 127.0.0.1:8200',
  'User-Agent: Go-http-client/1.1',
  'X-Vault-Request: true',
  'X-Vault-Token: hvs.CAESIJlxnOFXwUzXkXm0xZ3J2bWl0dGVkLWZvci1iZW5jaG1hcms',
  'Accept-Encoding: gzip',
  '\r\n',
].join('\r\n');

const SERVERS: Record<string, () => Promise<number>> = {
  'bare node:http': async () => {
    const server = createServer((_, response) => {
      response.setHeader('content-type', 'application/json');
      response.end('{}');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    return typeof address === 'object' && address ? address.port : 0;
  },
  coffer: async () => {
    const open = await openListeners({
      listeners: [{ type: 'tcp', address: '127.0.0.1:0', tlsDisable: true }],
      clock: systemClock,
      logger: silentLogger,
      handle: () => ({ status: 200, body: {} }),
    });
    return open.addresses[0]!.port;
  },
};

interface Result {
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
}

async function serve(name: string): Promise<void> {
  const port = await SERVERS[name]!();
  process.on('message', () => process.send!(process.cpuUsage()));
  process.on('disconnect', () => process.exit());
  process.send!(port);
}

async function measure(name: string): Promise<Result> {
  const child = fork(import.meta.filename, ['serve', name]);
  const [port] = (await once(child, 'message')) as [number];
  const cpu = async (): Promise<number> => {
    child.send('cpu');
    const [usage] = (await once(child, 'message')) as [NodeJS.CpuUsage];
    return usage.user + usage.system;
  };
  let replies = 0;
  const sockets = Array.from({ length: CONNECTIONS }, () => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('data', () => {
      replies += 1;
      socket.write(REQUEST);
    });
    socket.write(REQUEST);
    return socket;
  });
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
  const before = { cpu: await cpu(), replies, at: performance.now() };
  await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
  const after = { cpu: await cpu(), replies, at: performance.now() };
  for (const socket of sockets) socket.destroy();
  child.disconnect();
  const count = after.replies - before.replies;
  return {
    perSecond: (count / (after.at - before.at)) * 1000,
    cpuMicroseconds: (after.cpu - before.cpu) / count,
  };
}

export async function benchmarkHttp(): Promise<void> {
  const best = new Map<string, Result>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of Object.keys(SERVERS)) {
      const result = await measure(name);
      if (result.perSecond > (best.get(name)?.perSecond ?? 0)) best.set(name, result);
    }
  }
  for (const [name, { perSecond, cpuMicroseconds }] of best) {
    console.log(
      `${name.padEnd(16)} ${perSecond.toFixed(0).padStart(7)} requests/s ${cpuMicroseconds.toFixed(1).padStart(6)} us`,
    );
  }
  console.log(
    `ratio ${(best.get('coffer')!.perSecond / best.get('bare node:http')!.perSecond).toFixed(2)} of bare node:http`,
  );
}

if (import.meta.main && process.argv[2] === 'serve') await serve(process.argv[3]!);
