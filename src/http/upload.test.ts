import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { PermissionDenied } from '../base/errors.ts';
import type { Handle } from '../pipeline/wire.ts';
import { TestWire, turn } from './testing.ts';

const PATHS = { uploadPaths: new Set(['sys/file']) };
const wire = new TestWire();
afterEach(() => wire.close());

/** Takes the whole body and says how much it was. */
const count: Handle = async ({ upload, bytes, body }) => {
  let length = 0;
  for await (const piece of upload ?? []) length += piece.length;
  return { status: 200, body: { length, streamed: upload !== undefined, bytes: bytes?.length, body } };
};

describe('an upload', () => {
  it('comes as it is sent, of a length or in chunks, beyond the usual limit', async () => {
    const { connect } = await wire.serve(count, { maxRequestSize: 1000 }, PATHS);
    const client = await connect();
    client.send(`POST /v1/sys/file HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n`);
    for (let n = 0; n < 50; n++) client.send('x'.repeat(10_000));
    assert.deepEqual(JSON.parse((await client.reply()).body), { length: 500_000, streamed: true });
    client.send('PUT /v1/sys/file HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (let n = 0; n < 50; n++) client.send(`2710\r\n${'x'.repeat(10_000)}\r\n`);
    client.send('0\r\n\r\nGET /v1/other HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.deepEqual(JSON.parse((await client.reply()).body), { length: 500_000, streamed: true });
    assert.deepEqual(JSON.parse((await client.reply()).body), { length: 0, streamed: false });
  });

  it('is one only of the plain path, and only of what is sent', async () => {
    const { connect } = await wire.serve(count, { maxRequestSize: 1000 }, PATHS);
    for (const target of ['/v1/sys//file', '/v1/sys/file?x=1', '/v1/sys/%66ile', '/v1/sys/other']) {
      const client = await connect();
      client.send(`POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}`);
      assert.equal(JSON.parse((await client.reply()).body).streamed, false, target);
      client.send(`POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n`);
      assert.equal((await client.reply()).status, 413, target);
    }
    const client = await connect();
    client.send('POST /v1/sys/file HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.equal(JSON.parse((await client.reply()).body).streamed, false);
  });

  it('is not asked for before somebody takes it, nor at all when it is refused', async () => {
    let take = () => {};
    const handle: Handle = async (request) => {
      if (request.headers['x-vault-token'] !== 'good') throw new PermissionDenied();
      await new Promise<void>((resolve) => {
        take = resolve;
      });
      return count(request);
    };
    const { connect } = await wire.serve(handle, {}, PATHS);
    const head = 'POST /v1/sys/file HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n';
    const refused = await connect();
    refused.send(`${head}\r\n`);
    const reply = await refused.reply();
    assert.equal(reply.status, 403);
    assert.equal(reply.headers.connection, 'close');
    const client = await connect();
    client.send(`${head}X-Vault-Token: good\r\n\r\n`);
    await turn(50);
    assert.equal(client.received, '');
    take();
    assert.equal((await client.reply()).status, 100);
    client.send('hello');
    assert.equal(JSON.parse((await client.reply()).body).length, 5);
  });

  it('does not fill the memory when it is taken slowly', async () => {
    let go = () => {};
    const slow: Handle = async ({ upload }) => {
      let length = 0;
      for await (const piece of upload ?? []) {
        length += piece.length;
        if (length === piece.length) {
          await new Promise<void>((resolve) => {
            go = resolve;
          });
        }
      }
      return { status: 200, body: { length } };
    };
    const { connect } = await wire.serve(slow, {}, PATHS);
    const client = await connect();
    const total = 32 * 1024 * 1024;
    client.send(`POST /v1/sys/file HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\n`);
    for (let n = 0; n < 32; n++) client.send('x'.repeat(1024 * 1024));
    await turn(200);
    // The kernel's own buffers take a few; the rest waits with the client.
    assert.ok(client.socket.writableLength > total / 2, `${client.socket.writableLength} bytes wait`);
    go();
    assert.equal(JSON.parse((await client.reply()).body).length, total);
  });

  it('that breaks off, or is no chunked encoding, fails for who takes it', async () => {
    const failures: string[] = [];
    const handle: Handle = async (request) => {
      try {
        return await count(request);
      } catch (error) {
        failures.push((error as Error).message);
        throw error;
      }
    };
    const { connect } = await wire.serve(handle, {}, PATHS);
    const gone = await connect();
    gone.send('POST /v1/sys/file HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc');
    await turn();
    gone.close();
    await turn();
    const wrong = await connect();
    wrong.send('POST /v1/sys/file HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n');
    const reply = await wrong.reply();
    assert.equal(reply.status, 400);
    assert.equal(reply.headers.connection, 'close');
    assert.deepEqual(failures, ['the client has gone away', 'malformed chunked encoding']);
  });

  it('may take longer than a request, but not stand still', async () => {
    const { connect } = await wire.serve(count, { maxRequestDurationMs: 1500 }, PATHS);
    const client = await connect();
    client.send('POST /v1/sys/file HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n');
    for (let n = 0; n < 8; n++) {
      client.send('x');
      await turn(300);
    }
    assert.equal((await client.reply()).status, 503);
  });
});
