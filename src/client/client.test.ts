import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Clock, ManualClock, systemClock } from '../base/clock.ts';
import { seededRandom } from '../base/random.ts';
import { type ClientOptions, createClient, escapePath } from './client.ts';
import { ApiError, ConnectionError, SettingError } from './errors.ts';
import { rawNumber } from './reply.ts';

/** Time in which every wait is over at once, with a note of how long it was. */
function hastyClock(waits: number[]): Clock {
  return {
    ...systemClock,
    after(delayMs, work) {
      // The limit of an attempt is no wait: it must not run out here.
      if (delayMs >= 60_000) return () => {};
      waits.push(delayMs);
      queueMicrotask(work);
      return () => {};
    },
  };
}

async function serve(t: TestContext, listener: RequestListener, path?: string): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) =>
    path ? server.listen(path, resolve) : server.listen(0, '127.0.0.1', resolve),
  );
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return path ? `unix://${path}` : `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function client(address: string, options: Partial<ClientOptions> = {}) {
  return createClient({ address, clock: systemClock, random: seededRandom(1), ...options });
}

function answer(response: ServerResponse, status: number, body: unknown = {}, headers = {}): void {
  response.writeHead(status, headers).end(JSON.stringify(body));
}

test('a reply is parsed, with its numbers as exact as they came', async (t) => {
  const raw = '{"data":{"serial":123456789012345678901,"n":2},"warnings":["w"],"auth":null}';
  const address = await serve(t, (_request, response) => response.end(raw));
  const reply = await client(address).request('GET', 'a');
  assert.equal(rawNumber(reply.data?.serial), '123456789012345678901');
  assert.equal(reply.data?.n, 2);
  assert.deepEqual(reply.warnings, ['w']);
  assert.equal(reply.auth, undefined);
  assert.equal(reply.raw, raw);
});

test('token, namespace and wrapping travel as headers; LIST and SCAN as queries', async (t) => {
  const seen: IncomingMessage[] = [];
  const address = await serve(t, (request, response) => {
    seen.push(request);
    answer(response, 200);
  });
  const own = client(address, {
    token: 'hvs.x',
    namespace: 'team',
    wrapTtl: '60s',
    headers: [
      ['X-A', '1'],
      ['X-A', '2'],
    ],
  });
  await own.request('LIST', 'secret/a b', undefined, { after: 'k', none: undefined });
  await own.request('SCAN', 'secret');
  await own.with({ wrapTtl: () => undefined, token: '' }).request('PATCH', 'secret', { a: 1 });
  assert.equal(seen[0]!.method, 'GET');
  assert.equal(seen[0]!.url, '/v1/secret/a%20b?after=k&list=true');
  assert.equal(seen[0]!.headers['x-vault-request'], 'true');
  assert.equal(seen[0]!.headers['x-vault-token'], 'hvs.x');
  assert.equal(seen[0]!.headers['x-vault-namespace'], 'team');
  assert.equal(seen[0]!.headers['x-vault-wrap-ttl'], '60s');
  assert.equal(seen[0]!.headers['x-a'], '1, 2');
  assert.equal(seen[1]!.url, '/v1/secret?scan=true');
  assert.equal(seen[2]!.headers['x-vault-token'], undefined);
  assert.equal(seen[2]!.headers['content-type'], 'application/merge-patch+json');
});

test('a path cannot leave /v1/ or smuggle a query', () => {
  assert.equal(escapePath('a/b c/d?e#f/%2e'), 'a/b%20c/d%3Fe%23f/%252e');
  assert.equal(escapePath('users/bob@corp:x'), 'users/bob@corp:x');
});

test('a refusal is an ApiError with its texts', async (t) => {
  const address = await serve(t, (_request, response) => answer(response, 400, { errors: ['no', 'never'] }));
  await assert.rejects(client(address).request('POST', 'x', {}), (error) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.code, 'api_error');
    assert.equal(error.status, 400);
    assert.deepEqual(error.errors, ['no', 'never']);
    assert.equal(
      error.message,
      `Error making API request.\n\nURL: POST ${address}/v1/x\nCode: 400. Errors:\n\n* no\n* never`,
    );
    return true;
  });
});

test('find tells nothing there from nothing to say', async (t) => {
  const replies = [{ errors: [] }, { data: { metadata: {} } }, { errors: ['no handler for route'] }];
  const address = await serve(t, (_request, response) => answer(response, 404, replies.shift()));
  const own = client(address);
  assert.equal(await own.find('GET', 'x'), undefined);
  assert.deepEqual((await own.find('GET', 'x'))?.data, { metadata: {} });
  await assert.rejects(own.find('GET', 'x'), ApiError);
});

test('412 and 5xx are tried again with growing waits, 501 and 400 are not', async (t) => {
  const statuses = [503, 412, 200, 501, 400];
  const address = await serve(t, (_request, response) => answer(response, statuses.shift()!));
  const waits: number[] = [];
  const own = client(address, { clock: hastyClock(waits) });
  assert.equal((await own.request('PUT', 'x', {})).status, 200);
  assert.equal(waits.length, 2);
  assert.ok(waits[0]! >= 1000 && waits[0]! < 1500);
  assert.ok(waits[1]! >= 2000 && waits[1]! < 3000);
  await assert.rejects(own.request('GET', 'x'), { status: 501 });
  await assert.rejects(own.request('GET', 'x'), { status: 400 });
  assert.equal(waits.length, 2);
});

test('retries end at their maximum', async (t) => {
  let count = 0;
  const address = await serve(t, (_request, response) => {
    count++;
    answer(response, 500);
  });
  await assert.rejects(client(address, { clock: hastyClock([]), retriesMax: 1 }).request('GET', 'x'), {
    status: 500,
  });
  assert.equal(count, 2);
});

test('a redirect is followed once, with method, body and token', async (t) => {
  const seen: string[] = [];
  const active = await serve(t, async (request, response) => {
    const body = (await request.toArray()).join('');
    seen.push(`${request.method} ${request.url} ${body} ${request.headers['x-vault-token']}`);
    answer(response, 200, { data: { ok: true } });
  });
  const standby = await serve(t, (request, response) => {
    answer(response, 307, {}, { location: `${active}${request.url}` });
  });
  const reply = await client(standby, { token: 't' }).request('PUT', 'secret/x', { a: 1 });
  assert.deepEqual(reply.data, { ok: true });
  assert.deepEqual(seen, ['PUT /v1/secret/x {"a":1} t']);
  const stay = await client(standby, { followRedirects: false }).request('GET', 'x');
  assert.equal(stay.status, 307);
});

test('a Unix socket is an address', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'coffer-client-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const address = await serve(
    t,
    (_request, response) => answer(response, 200, { data: { a: 1 } }),
    join(folder, 's'),
  );
  assert.deepEqual((await client(address).request('GET', 'x')).data, { a: 1 });
});

test('no server and no answer are ConnectionErrors', async (t) => {
  const refused = client('http://127.0.0.1:1', { retriesMax: 0 });
  await assert.rejects(refused.request('GET', 'x'), { code: 'connection_failed', reason: 'ECONNREFUSED' });
  const silent = await serve(t, () => {});
  const clock = new ManualClock();
  const pending = client(silent, { clock, retriesMax: 0 }).request('GET', 'x');
  await new Promise((resolve) => setTimeout(resolve, 50));
  clock.advance(60_000);
  await assert.rejects(pending, (error) => error instanceof ConnectionError && error.reason === 'TIMEOUT');
});

test('a write whose connection broke is not sent twice', async (t) => {
  let count = 0;
  const address = await serve(t, (request) => {
    count++;
    request.socket.destroy();
  });
  const own = client(address, { clock: hastyClock([]) });
  await assert.rejects(own.request('PUT', 'x', {}), ConnectionError);
  assert.equal(count, 1);
  await assert.rejects(own.request('GET', 'x'), ConnectionError);
  assert.equal(count, 4);
});

test('the rate limit spaces requests out', async (t) => {
  const address = await serve(t, (_request, response) => answer(response, 200));
  const waits: number[] = [];
  const own = client(address, { clock: hastyClock(waits), rateLimit: { perSecond: 1, burst: 2 } });
  for (let count = 0; count < 3; count++) await own.request('GET', 'x');
  assert.equal(waits.length, 1);
  assert.ok(waits[0]! > 500 && waits[0]! <= 1000);
});

test('what an interceptor throws is sent nowhere', async (t) => {
  let count = 0;
  const address = await serve(t, (_request, response) => {
    count++;
    answer(response, 200);
  });
  const own = client(address, {
    intercept() {
      throw new SettingError('stopped');
    },
  });
  await assert.rejects(own.request('PUT', 'x', {}), { code: 'setting_invalid', message: 'stopped' });
  assert.equal(count, 0);
});

test('a stream is handed over as it comes', async (t) => {
  const address = await serve(t, (_request, response) => {
    response.write('one\n');
    setTimeout(() => response.end('two\n'), 5);
  });
  let text = '';
  await client(address).stream('sys/monitor', {}, (part) => {
    text += part;
  });
  assert.equal(text, 'one\ntwo\n');
});

test('addresses that are none are refused before anything is sent', () => {
  assert.throws(() => client('ftp://x'), { code: 'setting_invalid' });
  assert.throws(() => client('127.0.0.1:8200'), { code: 'setting_invalid' });
});

test('a proxy is asked instead, unless the address is excepted', async (t) => {
  const seen: string[] = [];
  const proxy = await serve(t, (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    answer(response, 200, { data: { by: 'proxy' } });
  });
  const direct = await serve(t, (_request, response) => answer(response, 200, { data: { by: 'server' } }));
  const proxyEnvironment = { HTTP_PROXY: proxy, NO_PROXY: '127.0.0.1' };
  const far = client('http://vault.invalid:8200', { proxyEnvironment });
  assert.deepEqual((await far.request('GET', 'x')).data, { by: 'proxy' });
  assert.deepEqual(seen, ['GET http://vault.invalid:8200/v1/x']);
  assert.deepEqual((await client(direct, { proxyEnvironment }).request('GET', 'x')).data, { by: 'server' });
});
