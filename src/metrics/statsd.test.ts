import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import { createMetrics } from './metrics.ts';
import type { SinkSettings } from './settings.ts';
import { SHOWN_PLAIN } from './shown.ts';
import { openSink } from './statsd.ts';

/** A line as the protocol has it: `name:value|type`, a rate and, for DogStatsD, tags. */
const LINE =
  /^(?<name>[^:|@#\s]+):(?<value>-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\|(?<type>c|g|ms)(?:\|@(?<rate>[\d.e-]+))?(?:\|#(?<tags>[^|\s]+))?$/;

function parsed(text: string) {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const groups = LINE.exec(line)?.groups;
      assert.ok(groups, `no statsd line: ${line}`);
      return { ...groups };
    });
}

function sample() {
  const metrics = createMetrics();
  metrics.observed('core.unsealed', () => 1);
  const creations = metrics.counter('token.creation', { auth_method: 'user:pass', mount_point: 'auth/a b/' });
  const handled = metrics.timing('core.handle_request');
  creations.add(2);
  for (let i = 0; i < 4; i++) handled.note(1);
  return { metrics, creations, handled };
}

async function udpReceiver(t: TestContext) {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  const received: string[] = [];
  socket.on('message', (packet) => received.push(packet.toString()));
  return { port: socket.address().port, received };
}

const settings = (change: Partial<SinkSettings>): SinkSettings => ({
  kind: 'statsd',
  host: '127.0.0.1',
  port: 1,
  gaugeHost: undefined,
  tags: [],
  ...change,
});

/** Until a condition holds, a few seconds at most. */
async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 500, 'nothing came');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function open(
  t: TestContext,
  sample_: ReturnType<typeof sample>,
  change: Partial<SinkSettings>,
  clock = new ManualClock(),
) {
  const parts = { metrics: sample_.metrics, shown: SHOWN_PLAIN, clock, log: silentLogger };
  const sink = openSink({ ...parts, settings: settings(change) });
  t.after(() => sink.close());
  return sink;
}

test('statsd over UDP to a receiver that takes lines by the protocol: what grew, once', async (t) => {
  const numbers = sample();
  const { port, received } = await udpReceiver(t);
  const sink = open(t, numbers, { port, gaugeHost: 'host-1' });
  await until(() => {
    sink.flush();
    return received.length > 0;
  });
  assert.deepEqual(
    parsed(received.shift()!),
    [
      { name: 'vault.host-1.core.unsealed', value: '1', type: 'g', rate: undefined, tags: undefined },
      {
        name: 'vault.token.creation.user_pass.auth/a_b/',
        value: '2',
        type: 'c',
        rate: undefined,
        tags: undefined,
      },
      { name: 'vault.core.handle_request', value: '0.96', type: 'ms', rate: '0.25', tags: undefined },
    ].toSorted((a, b) => (a.name.replace('host-1.', '') < b.name.replace('host-1.', '') ? -1 : 1)),
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  received.length = 0;
  numbers.creations.add();
  sink.flush();
  await until(() => received.length > 0);
  assert.deepEqual(
    parsed(received.join('\n')).map(({ name, value }) => [name, value]),
    [
      ['vault.host-1.core.unsealed', '1'],
      ['vault.token.creation.user_pass.auth/a_b/', '1'],
    ],
  );
});

test('DogStatsD gets labels as tags, beside its own', async (t) => {
  const { port, received } = await udpReceiver(t);
  const sink = open(t, sample(), { kind: 'dogstatsd', port, tags: ['env:prod'] });
  await until(() => {
    sink.flush();
    return received.length > 0;
  });
  const [, , counter] = parsed(received[0]!);
  assert.equal(counter?.tags, 'env:prod,auth_method:user_pass,mount_point:auth/a_b/');
});

test('a packet fits everywhere', async (t) => {
  const { port, received } = await udpReceiver(t);
  const numbers = sample();
  for (let i = 0; i < 200; i++) numbers.metrics.counter('a', { mount: `m${i}`.padEnd(40, 'x') }).add();
  const sink = open(t, numbers, { port });
  await until(() => {
    sink.flush();
    return received.length > 5;
  });
  assert.ok(received.every((packet) => Buffer.byteLength(packet) <= 1400));
});

test('statsite over TCP; a receiver that goes away and comes back is found again', async (t) => {
  let text = '';
  const server = createServer((socket) => {
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    server.once('stop', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  t.after(() => server.close());
  const clock = new ManualClock();
  const sink = open(t, sample(), { kind: 'statsite', port }, clock);
  await until(() => {
    sink.flush();
    return text !== '';
  });
  assert.equal(parsed(text).length > 0, true);
  server.emit('stop');
  text = '';
  await until(() => {
    clock.advance(1000);
    sink.flush();
    return text !== '';
  });
});
