import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { auditDeviceConformance, encoded, eventually, type Receiver, testDeps } from '../conformance.ts';
import { httpDevice } from './http.ts';

interface HttpReceiver extends Receiver {
  readonly requests: IncomingMessage[];
  answer(status: number, headers?: Record<string, string>): void;
}

async function receiver(): Promise<HttpReceiver> {
  let text = '';
  let status = 204;
  let replyHeaders: Record<string, string> = {};
  const requests: IncomingMessage[] = [];
  const server = createServer(async (request, reply) => {
    requests.push(request);
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    if (status < 300) text += body;
    reply.writeHead(status, replyHeaders).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    requests,
    options: {
      uri: `http://127.0.0.1:${port}/audit?x=1`,
      headers: '{"Authorization":["env://TOKEN"],"x-none":[]}',
    },
    answer(newStatus, headers = {}) {
      status = newStatus;
      replyHeaders = headers;
    },
    received: (count) =>
      eventually(() => {
        const lines = text.split(/(?<=\n)/);
        return lines.length >= count && text.endsWith('\n') ? lines : undefined;
      }),
    async stop() {
      status = 503;
    },
    async start() {
      status = 200;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const deps = { environment: { TOKEN: 'Bearer secret' } };

auditDeviceConformance('http', {
  type: httpDevice,
  open: receiver,
  deps,
  refused: [
    [{}, /uri is required/],
    [{ uri: 'ftp://example.com' }, /http or https/],
    [{ uri: 'http://localhost', headers: '[]' }, /JSON object/],
    [{ uri: 'http://localhost', headers: '{"a":"b"}' }, /JSON object of lists/],
    [{ uri: 'http://localhost', headers: '{"a b":["c"]}' }, /invalid header name/],
  ],
});

test('http: header values come from the environment, and no redirect is followed', async () => {
  const there = await receiver();
  const device = await httpDevice.configure(there.options, { ...testDeps, ...deps })();
  await device.write(encoded('{"a":1}\n'));
  assert.equal(there.requests[0]!.headers.authorization, 'Bearer secret');
  assert.equal(there.requests[0]!.headers['content-type'], 'application/x-ndjson');
  there.answer(307, { location: '/elsewhere' });
  await assert.rejects(device.write(encoded('{"a":2}\n')), /status 307/);
  assert.equal(there.requests.length, 2);
  await device.close();
  await there.close();
});

test('http: a variable that is not set keeps the device from opening', async () => {
  const open = httpDevice.configure({ uri: 'env://NOWHERE' }, testDeps);
  await assert.rejects(open(), /NOWHERE is not set/);
});
