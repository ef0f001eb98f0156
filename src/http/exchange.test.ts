import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { NotFound, PermissionDenied, Sealed } from '../base/errors.ts';
import type { WireReply } from '../pipeline/wire.ts';
import type { CorsSettings } from './cors.ts';
import { echo, TestWire, turn } from './testing.ts';

const wire = new TestWire();
afterEach(() => wire.close());

describe('requests', () => {
  test('standard headers, and a body that ends in a newline', async () => {
    const { connect } = await wire.serve(() => ({ status: 200, body: { a: 'ü' } }));
    const client = await connect();
    client.request('GET', '/v1/x');
    const { status, headers, body } = await client.reply();
    assert.equal(status, 200);
    assert.equal(body, '{"a":"ü"}\n');
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['content-length'], '11');
    assert.match(headers.date!, /GMT$/);
    assert.equal(headers['strict-transport-security'], undefined);
  });

  test('methods: LIST, SCAN, HEAD and their spellings, on one connection', async () => {
    const { connect } = await wire.serve(echo);
    const client = await connect();
    for (const [method, target, seen] of [
      ['LIST', '/v1/secret/', 'LIST'],
      ['GET', '/v1/secret/?list=true', 'LIST'],
      ['SCAN', '/v1/secret/', 'SCAN'],
      ['GET', '/v1/secret/?scan=1&after=b', 'SCAN'],
      ['GET', '/v1/secret/?list=false', 'GET'],
      ['POST', '/v1/secret/?list=true', 'POST'],
      ['DELETE', '/v1/secret/', 'DELETE'],
      ['PUT', '/v1/secret/', 'PUT'],
    ] as const) {
      client.request(method, target);
      const { method: got, path, query } = await client.json();
      assert.deepEqual([got, path], [seen, 'secret/']);
      if (seen !== 'POST') assert.equal((query as Record<string, string>).list, undefined);
    }
    client.request('HEAD', '/v1/secret/x');
    const head = await client.reply({ head: true });
    assert.equal(head.status, 200);
    assert.ok(Number(head.headers['content-length']) > 0);
    for (const method of ['TRACE', 'OPTIONS', 'get', 'MKCOL', 'constructor']) {
      client.request(method, '/v1/x');
      assert.equal((await client.reply()).status, 405);
    }
  });

  test('the root goes to the user interface, other paths are not there', async () => {
    const { connect } = await wire.serve(echo);
    const client = await connect();
    client.request('GET', '/');
    const root = await client.reply();
    assert.deepEqual([root.status, root.headers.location], [307, '/ui/']);
    for (const target of ['/ui/', '/v1', '/v2/sys/health', '/V1/sys/health', '/sys/health']) {
      client.request('GET', target);
      const { status, body } = await client.reply();
      assert.deepEqual([status, body], [404, '{"errors":[]}\n']);
    }
    client.request('GET', '/v1/a/../b');
    assert.deepEqual(await client.reply().then(({ status, body }) => [status, body]), [
      400,
      '{"errors":["relative paths not supported"]}\n',
    ]);
  });

  test('bodies of every framing', async () => {
    const { connect } = await wire.serve(echo);
    const client = await connect();
    client.request('POST', '/v1/x', [], '{"a":1}');
    assert.deepEqual((await client.json()).body, { a: 1 });
    client.send('PUT /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    client.send('4\r\n{"a"\r\n', '3\r\n:2}\r\n0\r\n\r\n');
    assert.deepEqual((await client.json()).body, { a: 2 });
    client.request('POST', '/v1/x', ['Content-Type: application/ocsp-request'], 'ab');
    assert.equal((await client.json()).bytes, '6162');
    client.request('GET', '/v1/x', [], '{"ignored":true}');
    assert.equal((await client.json()).body, undefined);
    client.request('POST', '/v1/x', [], '[]');
    assert.equal((await client.reply()).status, 400);
    client.request('POST', '/v1/x');
    assert.equal((await client.json()).body, undefined);
  });

  test('bytes may come one by one, and a LIST in a body is a body', async () => {
    const { connect } = await wire.serve(echo);
    const client = await connect();
    const body = '{"a":"LIST /v1/evil HTTP/1.1\\r\\n"}';
    const text = `\r\nPOST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}LIST /v1/y HTTP/1.1\r\nHost: a\r\n\r\n`;
    for (const byte of text) {
      client.send(byte);
      await new Promise(setImmediate);
    }
    assert.deepEqual((await client.json()).body, { a: 'LIST /v1/evil HTTP/1.1\r\n' });
    assert.equal((await client.json()).method, 'LIST');
  });

  test('pipelined requests are answered in order, one at a time', async () => {
    let running = 0;
    let most = 0;
    const { connect } = await wire.serve(async ({ path }) => {
      running += 1;
      most = Math.max(most, running);
      await turn(path === '0' ? 20 : 0);
      running -= 1;
      return { status: 200, body: { path } };
    });
    const client = await connect();
    client.send(Array.from({ length: 20 }, (_, n) => `LIST /v1/${n} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
    for (let n = 0; n < 20; n += 1) assert.equal((await client.json()).path, String(n));
    assert.equal(most, 1);
  });

  test('thousands of pipelined requests that are answered at once do not nest', async () => {
    const { connect } = await wire.serve(() => ({ status: 204 }));
    const client = await connect();
    client.send('GET /v1/x HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(5000));
    for (let n = 0; n < 5000; n += 1) assert.equal((await client.reply()).status, 204);
  });

  test('Expect: 100-continue', async () => {
    const { connect } = await wire.serve(echo, { maxRequestSize: 100 });
    const client = await connect();
    client.send('POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n');
    assert.equal((await client.reply()).status, 100);
    client.send('{"a":1}');
    assert.deepEqual((await client.json()).body, { a: 1 });
    client.send('POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n');
    assert.equal((await client.reply()).status, 413);
  });

  test('persistence is what the client asks for', async () => {
    const { connect } = await wire.serve(echo);
    const closing = await connect();
    closing.request('GET', '/v1/x', ['Connection: close']);
    assert.equal((await closing.reply()).headers.connection, 'close');
    assert.equal(await closing.rest(), '');
    const old = await connect();
    old.send('GET /v1/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    assert.equal((await old.reply()).headers.connection, 'keep-alive');
    old.send('GET /v1/x HTTP/1.0\r\n\r\n');
    assert.equal((await old.reply()).headers.connection, 'close');
    assert.equal(await old.rest(), '');
  });
});

describe('replies', () => {
  test('errors', async () => {
    const failures: Record<string, unknown> = {
      denied: new PermissionDenied(),
      missing: new NotFound('', { data: { a: 1 }, warnings: ['w'] }),
      sealed: new Sealed(),
      bug: new TypeError('password s3cret'),
      thrown: 'a string',
    };
    const { connect } = await wire.serve(async ({ path }) => {
      throw failures[path];
    });
    const client = await connect();
    for (const [path, status, body] of [
      ['denied', 403, '{"errors":["permission denied"]}\n'],
      ['missing', 404, '{"errors":[],"data":{"a":1},"warnings":["w"]}\n'],
      ['sealed', 503, '{"errors":["Vault is sealed"]}\n'],
      ['bug', 500, '{"errors":["internal error"]}\n'],
      ['thrown', 500, '{"errors":["internal error"]}\n'],
    ] as const) {
      client.request('GET', `/v1/${path}`);
      const reply = await client.reply();
      assert.deepEqual([reply.status, reply.body], [status, body]);
    }
  });

  test('raw bodies, other headers, and none that could split the message', async () => {
    const replies: Record<string, WireReply> = {
      raw: { status: 200, raw: { contentType: 'application/pkix-cert', body: Buffer.from([0xff, 0x00]) } },
      text: {
        status: 200,
        raw: { contentType: 'text/plain', body: 'ü' },
        headers: { 'X-Vault-Index': 'a', 'cache-control': 'max-age=1' },
      },
      empty: { status: 204, headers: { 'X-Vault-Token': 'a' } },
      split: { status: 200, headers: { 'X-A': 'a\r\nX-B: c' }, body: {} },
      name: { status: 200, headers: { 'X A': 'a' }, body: {} },
      framing: { status: 200, headers: { 'Content-Length': '0' }, body: {} },
      type: { status: 200, raw: { contentType: 'a\r\nX-B: c', body: '' } },
      informational: { status: 103 },
      status: { status: 100_000, body: {} },
      circular: { status: 200, body: { big: 1n } },
    };
    const { connect } = await wire.serve(({ path }) => replies[path]!);
    const client = await connect();
    const ask = (path: string) => {
      client.request('GET', `/v1/${path}`);
      return client.reply();
    };
    const raw = await ask('raw');
    assert.deepEqual(
      [raw.headers['content-type'], raw.headers['content-length']],
      ['application/pkix-cert', '2'],
    );
    const text = await ask('text');
    assert.deepEqual(
      [text.body, text.headers['cache-control'], text.headers['x-vault-index']],
      ['ü', 'max-age=1', 'a'],
    );
    const empty = await ask('empty');
    assert.deepEqual(
      [empty.status, empty.headers['content-length'], empty.headers['x-vault-token']],
      [204, undefined, 'a'],
    );
    for (const path of ['split', 'name', 'framing', 'type', 'informational', 'status', 'circular']) {
      const { status, body, headers } = await ask(path);
      assert.deepEqual([status, body, headers['x-b']], [500, '{"errors":["internal error"]}\n', undefined]);
    }
  });

  test('custom response headers, by status', async () => {
    const custom = new Map([
      [
        'default',
        new Map([
          ['Content-Security-Policy', ["default-src 'self'", 'x']],
          ['X-Vault-Custom', ['no']],
          ['X-Bad', ['a\nb']],
        ]),
      ],
      ['4xx', new Map([['X-Class', ['4']]])],
      ['404', new Map([['Cache-Control', ['private']]])],
    ]);
    const { connect, listeners } = await wire.serve(echo, { customResponseHeaders: custom });
    const client = await connect();
    client.request('GET', '/v1/x');
    const good = await client.reply();
    assert.equal(good.headers['content-security-policy'], "default-src 'self'; x");
    assert.deepEqual(
      [good.headers['x-vault-custom'], good.headers['x-bad'], good.headers['x-class']],
      [undefined, undefined, undefined],
    );
    client.request('GET', '/x');
    const missing = await client.reply();
    assert.deepEqual([missing.headers['x-class'], missing.headers['cache-control']], ['4', 'private']);
    const again = new Map([['200', new Map([['X-New', ['1']]])]]);
    await listeners.reload([{ type: 'tcp', address: '127.0.0.1:0', customResponseHeaders: again }]);
    client.request('GET', '/v1/x');
    const { headers } = await client.reply();
    assert.deepEqual([headers['x-new'], headers['content-security-policy']], ['1', undefined]);
  });

  test('cross-origin rules as they stand', async () => {
    let cors: CorsSettings | undefined;
    const { connect } = await wire.serve(echo, {}, { cors: () => cors });
    const client = await connect();
    const ask = (method: string, origin: string, ...fields: string[]) => {
      client.request(method, '/v1/x', [`Origin: ${origin}`, ...fields]);
      return client.reply();
    };
    assert.equal((await ask('GET', 'https://a')).headers['access-control-allow-origin'], undefined);
    cors = {
      enabled: true,
      allowedOrigins: ['https://a'],
      allowedHeaders: ['X-Vault-Token', 'X-Mine'],
      allowCredentials: true,
    };
    const allowed = await ask('GET', 'https://a');
    assert.equal(allowed.headers['access-control-allow-origin'], 'https://a');
    assert.equal(allowed.headers.vary, 'Origin');
    assert.equal(allowed.headers['access-control-allow-credentials'], 'true');
    assert.equal((await ask('GET', 'https://b')).status, 403);
    const preflight = await ask('OPTIONS', 'https://a', 'Access-Control-Request-Method: LIST');
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers['access-control-allow-headers'], 'X-Vault-Token,X-Mine');
    assert.match(preflight.headers['access-control-allow-methods']!, /LIST/);
    assert.equal((await ask('OPTIONS', 'https://a', 'Access-Control-Request-Method: TRACE')).status, 405);
    cors = { ...cors, allowedOrigins: ['*'] };
    assert.equal((await ask('GET', 'https://b')).headers['access-control-allow-origin'], 'https://b');
  });

  test('streams, chunked, on a connection that goes on', async () => {
    const { connect } = await wire.serve(({ path }) => ({
      status: 200,
      ...(path === 'stream'
        ? {
            stream: {
              contentType: 'text/plain',
              body: (async function* () {
                yield 'a';
                yield '';
                await turn();
                yield Buffer.from('bc');
              })(),
            },
          }
        : { body: {} }),
    }));
    const client = await connect();
    client.request('GET', '/v1/stream');
    const reply = await client.reply();
    assert.deepEqual(
      [reply.body, reply.headers['transfer-encoding'], reply.headers['content-type']],
      ['abc', 'chunked', 'text/plain'],
    );
    client.request('GET', '/v1/x');
    assert.equal((await client.reply()).status, 200);
    client.request('HEAD', '/v1/stream');
    assert.equal((await client.reply({ head: true })).status, 200);
    client.send('GET /v1/stream HTTP/1.0\r\n\r\n');
    assert.match(await client.rest(), /\r\n\r\nabc$/);
  });

  test('who made a reply is told whether it went out', async () => {
    const told: boolean[] = [];
    const answers: (() => void)[] = [];
    const { connect } = await wire.serve(
      () =>
        new Promise((resolve) => {
          const delivered = (went: boolean): void => void told.push(went);
          answers.push(() => resolve({ status: 200, body: { a: 1 }, delivered }));
        }),
    );
    const staying = await connect();
    staying.request('GET', '/v1/x');
    while (answers.length < 1) await turn(5);
    answers[0]!();
    assert.equal((await staying.reply()).body, '{"a":1}\n');
    while (told.length < 1) await turn(5);
    const leaving = await connect();
    leaving.request('GET', '/v1/x');
    while (answers.length < 2) await turn(5);
    leaving.socket.resetAndDestroy();
    await turn(50);
    answers[1]!();
    while (told.length < 2) await turn(5);
    assert.deepEqual(told, [true, false]);
  });

  test('a stream that fails is cut off, and one whose client leaves is released', async () => {
    let released = 0;
    const { connect } = await wire.serve(({ path, signal }) => ({
      status: 200,
      stream: {
        contentType: 'text/plain',
        body: (async function* () {
          try {
            yield 'a';
            if (path === 'fail') throw new Error('broken');
            await new Promise((resolve) => signal.addEventListener('abort', resolve));
          } finally {
            released += 1;
          }
        })(),
      },
    }));
    const failing = await connect();
    failing.request('GET', '/v1/fail');
    assert.match(await failing.rest(), /\r\n\r\n1\r\na\r\n$/);
    const leaving = await connect();
    leaving.request('GET', '/v1/wait');
    while (!leaving.received.includes('a\r\n')) await turn(5);
    leaving.close();
    while (released < 2) await turn(5);
  });

  test('a client that reads slowly stops the stream, not the server', async () => {
    let made = 0;
    const { connect } = await wire.serve(() => ({
      status: 200,
      stream: {
        contentType: 'text/plain',
        body: (async function* () {
          for (; made < 2000; made += 1) yield Buffer.alloc(64 * 1024, 'x');
        })(),
      },
    }));
    const client = await connect();
    client.socket.pause();
    client.request('GET', '/v1/x');
    await turn(150);
    assert.ok(made < 1000, `${made} chunks were made for a client that reads none`);
  });
});
