/** Traces of a real node: sent as OTLP over HTTP, and read by OpenTelemetry's own protocol definitions. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { CofferNode } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';
import * as otlp from '../services/otlp.ts';
import { waitUntil } from '../services/process.ts';

const CANARY = 'canary-that-no-trace-may-hold';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const sampled = { traceparent: `00-${TRACE}-${PARENT}-01` };
const skip = otlp.available() ?? false;

let receiver: Server;
let node: CofferNode;
let token: string;
const bodies: string[] = [];
const seen: Record<string, unknown>[] = [];

before(async () => {
  receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    bodies.push(Buffer.concat(chunks).toString());
    seen.push({ path: request.url, ...request.headers });
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"partialSuccess":{}}');
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const { port } = receiver.address() as AddressInfo;
  node = await coffer.start({
    audit: true,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: undefined, OTEL_EXPORTER_OTLP_HEADERS: `authorization=${CANARY}` },
    configuration: `
telemetry {
  otlp_traces_endpoint = "http://127.0.0.1:${port}/v1/traces"
  otlp_service_name = "coffer-under-test"
  trace_sample_ratio = 0
}`,
  });
  ({ rootToken: token } = await node.initAndUnseal());
});
after(async () => {
  await node?.stop();
  receiver?.close();
  receiver?.closeAllConnections();
});

test('a sampled request is a span for itself and one for each step; others are none', { skip }, async () => {
  await node.request('POST', 'sys/mounts/secret', { token, body: { type: 'kv', options: { version: '2' } } });
  await node.request('POST', 'sys/auth/userpass', { token, body: { type: 'userpass' } });
  const body = { data: { password: CANARY } };
  await node.request('POST', `secret/data/${CANARY}`, { token, body, headers: sampled });
  await node.request('GET', `secret/data/${CANARY}?${CANARY}=1`, { token, headers: sampled });
  await node.request('GET', `secret/data/${CANARY}`, { token: CANARY, headers: sampled });
  await node.request('POST', `auth/userpass/users/${CANARY}`, {
    token,
    headers: sampled,
    body: { password: CANARY },
  });
  await node.request('POST', `auth/userpass/login/${CANARY}`, {
    headers: sampled,
    body: { password: CANARY },
  });
  await waitUntil(() => bodies.join('').split('"kind":2').length > 5, { what: 'the traces' });

  const { spans, resource } = await otlp.parse(bodies);
  assert.equal(resource['service.name'], 'coffer-under-test');
  assert.ok(spans.every(({ traceId }) => traceId === TRACE));
  const roots = spans.filter(({ kind }) => kind === 'SPAN_KIND_SERVER');
  assert.deepEqual(
    roots.map(({ name, attributes }) => [
      name,
      attributes['http.request.method'],
      attributes['http.route'],
      attributes['error.type'],
    ]),
    [
      ['create secret/', 'POST', '/v1/secret/data/{path...}', undefined],
      ['read secret/', 'GET', '/v1/secret/data/{path...}', undefined],
      ['read secret/', 'GET', '/v1/secret/data/{path...}', 'permission_denied'],
      ['create auth/userpass/', 'POST', '/v1/auth/userpass/users/{username}', undefined],
      ['update auth/userpass/', 'POST', '/v1/auth/userpass/login/{username}', undefined],
    ],
  );
  for (const root of roots) {
    assert.equal(root.parentSpanId, PARENT);
    const steps = spans.filter(({ parentSpanId }) => parentSpanId === root.spanId);
    const names = steps.map(({ name }) => name);
    const failed = root.attributes['error.type'] !== undefined;
    const wanted = failed
      ? ['matchPath', 'identifyToken']
      : ['matchPath', 'checkPolicy', 'auditRequest', 'runEngine', 'awaitCommit'];
    for (const name of wanted) assert.ok(names.includes(name), `${root.name}: ${names}`);
    for (const step of steps)
      assert.ok(step.start >= root.start && step.start <= step.end && step.end <= root.end + 1000);
  }
  assert.ok(Math.abs(roots[0]!.start / 1e6 - Date.now()) < 60_000);
  assert.deepEqual([seen[0]?.path, seen[0]?.authorization], ['/v1/traces', CANARY]);
});

test('no path, token, password or query of a client is in a trace; the collector’s credentials are nowhere', async () => {
  assert.doesNotMatch(bodies.join(''), new RegExp(CANARY));
  assert.doesNotMatch(bodies.join(''), new RegExp(token.replaceAll('.', '\\.')));
  assert.doesNotMatch(node.logs(), new RegExp(CANARY));
  const config = await node.request('GET', 'sys/config/state/sanitized', { token });
  assert.doesNotMatch(config.text, new RegExp(CANARY));
});

test('how many spans went out is among the metrics', async () => {
  const { text } = await node.request('GET', 'sys/metrics?format=prometheus', { token });
  assert.match(text, /^vault_tracing_spans_sent [1-9]\d*$/m);
  assert.match(text, /^vault_tracing_spans_dropped 0$/m);
});
