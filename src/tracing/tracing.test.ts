import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import { seededRandom } from '../base/random.ts';
import type { TracingSettings } from './settings.ts';
import { openTracer, parseTraceparent } from './tracer.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

const settings = (change: Partial<TracingSettings>): TracingSettings => ({
  endpoint: new URL('http://127.0.0.1:1/v1/traces'),
  headers: {},
  authority: undefined,
  sampleRatio: 1,
  parentBased: true,
  serviceName: 'coffer',
  resource: {},
  timeoutMs: 1000,
  ...change,
});

function tracer(change: Partial<TracingSettings> = {}) {
  return openTracer({
    settings: settings(change),
    version: '1',
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
  });
}

/** Keeps what it is sent; answers with the next of `statuses`, then with 200. */
async function collector(t: TestContext, statuses: number[] = []) {
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const status = statuses.shift() ?? 200;
    if (status === 200) bodies.push(Buffer.concat(chunks).toString());
    response.writeHead(status, { 'Content-Type': 'application/json' }).end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { bodies, endpoint: new URL(`http://127.0.0.1:${port}/v1/traces`) };
}

test('a traceparent is taken as the W3C has it, and anything else as none', () => {
  assert.deepEqual(parseTraceparent(`00-${TRACE}-${SPAN}-01`), {
    traceId: TRACE,
    spanId: SPAN,
    sampled: true,
  });
  assert.equal(parseTraceparent(`00-${TRACE}-${SPAN}-00`)?.sampled, false);
  assert.equal(parseTraceparent(`00-${TRACE}-${SPAN}-03`)?.sampled, true);
  assert.equal(parseTraceparent(`cc-${TRACE}-${SPAN}-01-more`)?.traceId, TRACE);
  for (const wrong of [
    undefined,
    '',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01${' '.repeat(600)}x`,
    [`00-${TRACE}-${SPAN}-01`],
  ])
    assert.equal(parseTraceparent(wrong), undefined, String(wrong));
});

test('what is sampled: the client’s decision first, then the share', () => {
  const sampled = `00-${TRACE}-${SPAN}-01`;
  const unsampled = `00-${TRACE}-${SPAN}-00`;
  const none = tracer({ sampleRatio: 0 });
  assert.equal(none.begin(undefined), undefined);
  assert.equal(none.begin(sampled)?.context.traceId, TRACE);
  const all = tracer();
  assert.equal(all.begin(unsampled), undefined);
  assert.match(all.begin('nonsense')?.context.traceId ?? '', /^[0-9a-f]{32}$/);
  const deaf = tracer({ parentBased: false });
  assert.equal(deaf.begin(unsampled)?.context.traceId, TRACE);
  const some = tracer({ sampleRatio: 0.25 });
  const taken = Array.from({ length: 2000 }, () => some.begin(undefined)).filter(Boolean).length;
  assert.ok(taken > 400 && taken < 600, String(taken));
});

test('spans go out; a collector that is overloaded gets them again, one that refuses them does not', async (t) => {
  const { bodies, endpoint } = await collector(t, [503]);
  const busy = tracer({ endpoint });
  busy
    .begin(undefined)
    ?.end('read secret/', 1, { text: 'a', whole: 1, part: 0.5, yes: true, none: undefined });
  await busy.close();
  assert.deepEqual(busy.stats, { sent: 0, dropped: 1 });
  const ready = tracer({ endpoint });
  ready
    .begin(undefined)
    ?.end('read secret/', 1, { text: 'a', whole: 1, part: 0.5, yes: true, none: undefined });
  await ready.close();
  assert.deepEqual(ready.stats, { sent: 1, dropped: 0 });
  const [span] = JSON.parse(bodies[0]!).resourceSpans[0].scopeSpans[0].spans;
  assert.deepEqual(span.attributes, [
    { key: 'text', value: { stringValue: 'a' } },
    { key: 'whole', value: { intValue: '1' } },
    { key: 'part', value: { doubleValue: 0.5 } },
    { key: 'yes', value: { boolValue: true } },
  ]);
  const refused = await collector(t, [400]);
  const unwanted = tracer({ endpoint: refused.endpoint });
  unwanted.begin(undefined)?.end('read secret/', 1, {});
  await unwanted.close();
  assert.deepEqual(unwanted.stats, { sent: 0, dropped: 1 });
});

test('a collector that is away costs the traces, in bounded memory', async () => {
  const lonely = tracer();
  for (let i = 0; i < 10_000; i++) lonely.begin(undefined)?.end('read secret/', 1, {});
  await lonely.close();
  assert.deepEqual(lonely.stats, { sent: 0, dropped: 10_000 });
});
