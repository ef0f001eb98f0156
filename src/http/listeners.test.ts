import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import type { WireReply } from '../pipeline/wire.ts';
import { openListeners } from './listeners.ts';
import { echo, RawClient, TestWire, turn } from './testing.ts';

const wire = new TestWire();
afterEach(() => wire.close());

const addressOf = (body: Record<string, unknown>) => (body.remote as { address: string }).address;

describe('closing', () => {
  test('requests at hand finish, idle connections end, nobody new gets in', async () => {
    let release: (reply: WireReply) => void = () => {};
    const { connect, listeners, port } = await wire.serve(
      () =>
        new Promise((resolve) => {
          release = resolve;
        }),
    );
    const idle = await connect();
    const busy = await connect();
    busy.request('GET', '/v1/x');
    await turn();
    const closed = listeners.close({ graceMs: 5000 });
    assert.equal(await idle.rest(), '');
    await assert.rejects(RawClient.open({ port, host: '127.0.0.1' }), { code: 'ECONNREFUSED' });
    release({ status: 200, body: { done: true } });
    const reply = await busy.reply();
    assert.deepEqual([reply.body, reply.headers.connection], ['{"done":true}\n', 'close']);
    busy.socket.end();
    await closed;
  });

  test('what does not finish is cut off when the grace is over', async () => {
    const { connect, listeners } = await wire.serve(() => new Promise(() => {}));
    const busy = await connect();
    busy.request('GET', '/v1/x');
    await turn();
    await listeners.close({ graceMs: 50 });
    assert.equal(await busy.rest(), '');
  });

  test('streams finish too, and are not taken for whole when they are cut', async () => {
    let more: () => void = () => {};
    const { connect, listeners } = await wire.serve(() => ({
      status: 200,
      stream: {
        contentType: 'text/plain',
        body: (async function* () {
          yield 'a';
          await new Promise<void>((resolve) => {
            more = resolve;
          });
          yield 'b';
        })(),
      },
    }));
    const finishing = await connect();
    finishing.request('GET', '/v1/x');
    while (!finishing.received.includes('a\r\n')) await turn(5);
    const release = more;
    const cut = await connect();
    cut.request('GET', '/v1/x');
    while (!cut.received.includes('a\r\n')) await turn(5);
    const closed = listeners.close({ graceMs: 100 });
    release();
    assert.match(await finishing.rest(), /1\r\nb\r\n0\r\n\r\n$/);
    finishing.socket.end();
    assert.match(await cut.rest(), /1\r\na\r\n$/);
    await closed;
  });
});

describe('addresses', () => {
  test('several listeners; one that cannot be bound opens none', async () => {
    const { port } = await wire.serve(echo);
    const plain = { type: 'tcp', tlsDisable: true } as const;
    await assert.rejects(
      openListeners({
        listeners: [
          { ...plain, address: '127.0.0.1:0' },
          { ...plain, address: `127.0.0.1:${port}` },
        ],
        handle: echo,
        logger: silentLogger,
        clock: systemClock,
      }),
      (error) => error instanceof InvalidRequest && error.message.includes(`127.0.0.1:${port}`),
    );
    for (const address of ['127.0.0.1', ':99999', 'a b:1', '::1:80']) {
      await assert.rejects(
        openListeners({
          listeners: [{ ...plain, address }],
          handle: echo,
          logger: silentLogger,
          clock: systemClock,
        }),
        InvalidRequest,
      );
    }
  });

  test('X-Forwarded-For and PROXY headers', async () => {
    const { connect } = await wire.serve(echo, {
      proxyProtocolBehavior: 'use_always',
      xForwardedForAuthorizedAddrs: ['10.0.0.0/8'],
      xForwardedForRejectNotPresent: false,
    });
    const proxied = await connect();
    proxied.send('PROXY TCP4 10.1.2.3 10.0.0.1 5000 8200\r\nGET /v1/x HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.equal(addressOf(await proxied.json()), '10.1.2.3');
    proxied.request('GET', '/v1/x', ['X-Forwarded-For: 1.1.1.1', 'X-Forwarded-For: 2.2.2.2']);
    assert.equal(addressOf(await proxied.json()), '2.2.2.2');
    const direct = await connect();
    direct.request('GET', '/v1/x');
    assert.equal(addressOf(await direct.json()), '127.0.0.1');
    direct.request('GET', '/v1/x', ['X-Forwarded-For: 1.1.1.1']);
    assert.equal((await direct.reply()).status, 400);
  });

  test('PROXY headers of balancers that are not authorised', async () => {
    const line = 'PROXY TCP4 10.1.2.3 10.0.0.1 5000 8200\r\n';
    const proxyProtocolAuthorizedAddrs = ['192.0.2.1'];
    const allowing = await wire.serve(echo, {
      proxyProtocolBehavior: 'allow_authorized',
      proxyProtocolAuthorizedAddrs,
    });
    const allowed = await allowing.connect();
    allowed.send(line);
    allowed.request('GET', '/v1/x');
    assert.equal(addressOf(await allowed.json()), '127.0.0.1');
    const denying = await wire.serve(echo, {
      proxyProtocolBehavior: 'deny_unauthorized',
      proxyProtocolAuthorizedAddrs,
    });
    const denied = await denying.connect();
    assert.equal(await denied.rest(), '');
    const broken = await wire.serve(echo, { proxyProtocolBehavior: 'use_always' });
    const client = await broken.connect();
    client.send('PROXY TCP4 x y z\r\n');
    assert.equal(await client.rest(), '');
  });
});
