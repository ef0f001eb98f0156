import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../base/clock.ts';
import type { WireRequest } from '../pipeline/wire.ts';
import { echo, TestWire, turn } from './testing.ts';

const wire = new TestWire();
afterEach(() => wire.close());

describe('framing', () => {
  /** A request and what the echo of it shows. */
  const request = fc
    .record({
      method: fc.constantFrom('GET', 'LIST', 'SCAN', 'DELETE', 'POST', 'PUT'),
      name: fc.stringMatching(/^[a-z]{1,8}$/),
      value: fc.constantFrom(
        '',
        'x',
        'LIST /v1/evil HTTP/1.1\r\nHost: a\r\n\r\n',
        '0\r\n\r\n',
        'ü'.repeat(40),
      ),
      chunkBytes: fc.option(fc.integer({ min: 1, max: 60 })),
    })
    .map(({ method, name, value, chunkBytes }) => {
      const body = Buffer.from(JSON.stringify({ value }));
      const head = `${method} /v1/${name} HTTP/1.1\r\nHost: a\r\n`;
      const bytes = chunkBytes
        ? [head, 'Transfer-Encoding: chunked\r\n\r\n', ...chunks(body, chunkBytes), '0\r\n\r\n']
        : [head, `Content-Length: ${body.length}\r\n\r\n`, body];
      const writes = method === 'POST' || method === 'PUT';
      return {
        bytes: Buffer.concat(bytes.map((part) => Buffer.from(part as string))),
        method,
        name,
        value: writes ? value : undefined,
      };
    });

  function chunks(body: Buffer, size: number): (string | Buffer)[] {
    const count = Math.ceil(body.length / size);
    return Array.from({ length: count }, (_, n) => body.subarray(n * size, (n + 1) * size)).flatMap(
      (part) => [`${part.length.toString(16)}\r\n`, part, '\r\n'],
    );
  }

  test('pipelined requests are told apart however their bytes arrive', async () => {
    const { connect } = await wire.serve(echo);
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        async (requests, cuts) => {
          const client = await connect();
          const bytes = Buffer.concat(requests.map((one) => one.bytes));
          const at = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b);
          for (const [index, from] of [0, ...at].entries()) {
            client.send(bytes.subarray(from, at[index] ?? bytes.length));
            await new Promise(setImmediate);
          }
          for (const { method, name, value } of requests) {
            const shown = await client.json();
            const { value: got } = (shown.body ?? {}) as { value?: string };
            assert.deepEqual([shown.method, shown.path, got], [method, name, value]);
          }
          client.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  test('noise is refused and harms nobody', async () => {
    const { connect } = await wire.serve(echo);
    const neighbour = await connect();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (noise) => {
        const client = await connect();
        client.send(Buffer.from(noise), '\r\n\r\n');
        const first = noise.every((byte) => byte === 0x0d || byte === 0x0a)
          ? undefined
          : await client.reply();
        if (first) assert.ok(first.status >= 400 && first.status < 600);
        client.close();
      }),
      { numRuns: 60 },
    );
    neighbour.request('GET', '/v1/x');
    assert.equal((await neighbour.reply()).status, 200);
  });
});

describe('limits', () => {
  test('bodies and heads that are too large', async () => {
    const { connect } = await wire.serve(echo, { maxRequestSize: 100, maxHeaderSize: 1000 });
    const exact = await connect();
    exact.request('POST', '/v1/x', [], `{"a":"${'x'.repeat(92)}"}`);
    assert.equal((await exact.reply()).status, 200);
    exact.request('POST', '/v1/x', [], `{"a":"${'x'.repeat(93)}"}`);
    const large = await exact.reply();
    assert.deepEqual([large.status, large.body], [413, '{"errors":["http: request body too large"]}\n']);
    assert.equal(await exact.rest(), '');
    const chunked = await connect();
    chunked.send('POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n', '65\r\n');
    assert.equal((await chunked.reply()).status, 413);
    const head = await connect();
    head.send(`GET /v1/x HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(1000)}`);
    assert.equal((await head.reply()).status, 431);
  });

  test('a reply is not torn away by what the client still sends', async () => {
    const { connect } = await wire.serve(echo, { maxRequestSize: 100 });
    const client = await connect();
    client.send('POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n');
    for (let n = 0; n < 50; n += 1) client.send(Buffer.alloc(20_000));
    assert.equal((await client.reply()).status, 413);
  });

  test('after a malformed request nothing more is read', async () => {
    let served = 0;
    const { connect } = await wire.serve(() => {
      served += 1;
      return { status: 200, body: {} };
    });
    const client = await connect();
    const smuggled = 'GET /v1/admin HTTP/1.1\r\nHost: a\r\n\r\n';
    client.send(
      `POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    );
    const reply = await client.reply();
    assert.deepEqual([reply.status, reply.headers.connection], [400, 'close']);
    assert.equal(await client.rest(), '');
    assert.equal(served, 0);
  });

  test('the memory of all bodies together, given back when they are answered or their clients leave', async () => {
    const { connect } = await wire.serve(echo, { maxRequestSize: 10_000 });
    const begin = async () => {
      const client = await connect();
      client.send('POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n');
      client.send(`{"a":"${'x'.repeat(9000)}`);
      await turn(5);
      return client;
    };
    const finish = async (client: Awaited<ReturnType<typeof begin>>): Promise<number> => {
      client.send(`${'x'.repeat(992)}"}`);
      return (await client.reply()).status;
    };
    for (let round = 0; round < 3; round += 1) {
      const held = [];
      for (let n = 0; n < 8; n += 1) held.push(await begin());
      const refused = await begin();
      assert.equal((await refused.reply()).status, 503);
      held.pop()!.close();
      await turn(5);
      held.push(await begin());
      for (const client of held) assert.equal(await finish(client), 200);
    }
  });

  test('connections, if the listener limits them', async () => {
    const { connect } = await wire.serve(echo, { maxConnections: 1 });
    const first = await connect();
    first.request('GET', '/v1/x');
    await first.reply();
    const second = await connect();
    assert.equal(await second.rest(), '');
  });
});

describe('time', () => {
  const times = {
    httpReadHeaderTimeoutMs: 1000,
    httpReadTimeoutMs: 3000,
    httpIdleTimeoutMs: 5000,
    maxRequestDurationMs: 9000,
  };

  test('silence, slow heads, slow bodies and idle connections end', async () => {
    const clock = new ManualClock();
    const { connect } = await wire.serve(echo, times, { clock });
    const silent = await connect();
    const slowHead = await connect();
    slowHead.send('GET /v1/x HT');
    const slowBody = await connect();
    slowBody.send('POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{');
    const idle = await connect();
    idle.request('GET', '/v1/x');
    await idle.reply();
    await turn();
    clock.advance(1500);
    assert.equal(await silent.rest(), '');
    assert.equal((await slowHead.reply()).status, 408);
    clock.advance(2000);
    assert.equal((await slowBody.reply()).status, 408);
    idle.request('GET', '/v1/x');
    await idle.reply();
    clock.advance(4500);
    idle.request('GET', '/v1/x');
    await idle.reply();
    clock.advance(6000);
    assert.equal(await idle.rest(), '');
  });

  test('a request that takes too long is aborted and answered', async () => {
    const clock = new ManualClock();
    const signals: AbortSignal[] = [];
    const { connect } = await wire.serve(
      (request) => {
        signals.push(request.signal);
        return new Promise((resolve) => {
          request.signal.addEventListener('abort', () => resolve({ status: 200, body: { late: true } }));
        });
      },
      times,
      { clock },
    );
    const client = await connect();
    client.request('GET', '/v1/x');
    while (signals.length === 0) await turn(5);
    clock.advance(10_000);
    const reply = await client.reply();
    assert.equal(reply.status, 503);
    assert.equal(signals[0]!.aborted, true);
  });

  test('the signal aborts when the client goes away, also when it is asked for later', async () => {
    const requests: WireRequest[] = [];
    const { connect } = await wire.serve((request) => {
      requests.push(request);
      return new Promise(() => {});
    });
    const client = await connect();
    client.request('GET', '/v1/x');
    while (requests.length === 0) await turn(5);
    client.close();
    await turn(30);
    assert.equal(requests[0]!.signal.aborted, true);
  });

  test('a client that only stops sending still gets its reply', async () => {
    const { connect } = await wire.serve(async () => {
      await turn();
      return { status: 200, body: {} };
    });
    const client = await connect();
    client.request('GET', '/v1/x');
    client.socket.end();
    assert.equal((await client.reply()).status, 200);
    assert.equal(await client.rest(), '');
  });
});
