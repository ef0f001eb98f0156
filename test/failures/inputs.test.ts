/**
 * Crash-only inputs: every field of every path of every mount with wrong types, empty, huge, negative, NUL, deep. Each is
 * taken or refused with a 4xx, nothing is lost, and the server goes on.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Field } from '../../src/engine/fields.ts';
import { hostileSegments, hostileValues } from '../../src/engine/hostile.ts';
import { type Endpoint, endpoints, filled, placeholders, prepare, query, sendsBody } from './endpoints.ts';
import { FailureNode } from './node.ts';

/** One of these is enough for each endpoint: they test the server's reading, not the field. */
const LARGE = new Set([
  'huge text',
  'a long list',
  'an object with many members',
  'a deep object',
  'a deep list',
]);
const STUMBLED_OVER = new Set([
  'null',
  'zero',
  'a negative number',
  'the largest whole number',
  'empty text',
  'a path',
  'a list',
  'an object',
]);

const FEW = hostileValues.filter(([what]) => STUMBLED_OVER.has(what));
const SENTINEL = { value: 'untouched' };

describe('whatever a field holds', () => {
  let node: FailureNode;
  let all: Endpoint[];
  before(async () => {
    node = await FailureNode.start();
    await node.mountEverything();
    all = endpoints(node);
    await prepare(node);
    await node.ok('POST', 'secret/data/sentinel', { body: { data: SENTINEL } });
  });
  after(() => node.stop());

  for (const kind of ['body', 'query'] as const) {
    it(`is taken or refused clearly in a ${kind}`, async () => {
      await walk(node, all, (endpoint) =>
        fieldProbes(endpoint).filter((probe) => (probe.body === undefined) === (kind === 'query')),
      );
    });
  }
  it('is taken as it is meant', async () => {
    await walk(node, all, (endpoint) => [{ what: 'as meant', ...asMeant(endpoint) }]);
  });
  it('is taken or refused clearly in a path', async () => {
    await walk(node, all, segmentProbes);
  });
  it('is taken or refused clearly as a whole body', async () => {
    await walk(node, all, bodyProbes);
  });
});

interface Probe {
  readonly what: string;
  readonly url: string;
  readonly body?: unknown;
}

async function walk(
  node: FailureNode,
  all: readonly Endpoint[],
  probesOf: (endpoint: Endpoint) => Probe[],
): Promise<void> {
  assert.ok(all.length > 200, 'the walk finds the endpoints');
  const failures: string[] = [];
  for (const endpoint of all) {
    // Some endpoints end the token that asks.
    const { auth } = await node.ok('POST', 'auth/token/create', { body: { policies: ['root'] } });
    const probes = probesOf(endpoint);
    const answers = await Promise.all(
      probes.map(({ url, body }) =>
        node.request(endpoint.method, url, {
          token: auth.client_token,
          ...(body === undefined ? {} : { body }),
        }),
      ),
    );
    for (const [index, { status, text }] of answers.entries()) {
      const outside = status === 502 && endpoint.path.operations[endpoint.operation]?.outside;
      if ((status >= 500 && !outside) || status < 200) {
        failures.push(
          `${endpoint.method} ${endpoint.url}, ${probes[index]!.what}: ${status} ${text.trim().slice(0, 200)}`,
        );
      }
    }
  }
  assert.deepEqual(failures, []);
  await assertUnharmed(node);
}

async function assertUnharmed(node: FailureNode): Promise<void> {
  const { data } = await node.ok('GET', 'secret/data/sentinel');
  assert.deepEqual(data.data, SENTINEL);
  assert.equal('polluted' in {}, false, 'the prototype of all objects was changed');
  assert.doesNotMatch(node.serverLog(), /failed unexpectedly|request failed/);
  assert.equal((await node.ok('GET', 'sys/health', { token: '' })).sealed, false);
}

function asMeant(endpoint: Endpoint): Pick<Probe, 'url' | 'body'> {
  const { url, body } = endpoint;
  return sendsBody(endpoint) ? { url, body } : { url: `${url}${query(body)}` };
}

function fieldProbes(endpoint: Endpoint): Probe[] {
  const { path, url, body } = endpoint;
  const inPath = new Set(placeholders(path));
  const writes = sendsBody(endpoint);
  const names = Object.keys(path.fields).filter(
    (name) => writes || path.fields[name]!.query || !path.operations.write,
  );
  if (path.freeForm) names.push('sample', '__proto__');
  return names.flatMap((name, at) =>
    (inPath.has(name) ? FEW : valuesFor(path.fields[name]))
      .filter(([what]) => at === 0 || !LARGE.has(what))
      .filter(([what]) => writes || what !== 'huge text')
      .map(([what, value]): Probe => {
        const shown = `${name}${inPath.has(name) ? ' (in the path too)' : ''} = ${what}`;
        const changed = Object.fromEntries([...Object.entries(body), [name, value]]);
        return writes ? { what: shown, url, body: changed } : { what: shown, url: `${url}${query(changed)}` };
      }),
  );
}

/** Many paths share a field: what is the same is tried with everything once, then with what a handler may stumble over. */
const tried = new Set<Field>();
function valuesFor(field: Field | undefined): typeof hostileValues {
  if (!field || !tried.has(field)) {
    if (field) tried.add(field);
    return hostileValues;
  }
  return FEW;
}

function segmentProbes(endpoint: Endpoint): Probe[] {
  const { path, mount, body } = endpoint;
  return placeholders(path).flatMap((name) =>
    [
      ...hostileSegments,
      'A',
      '-1',
      '99999999999999999999',
      '\u0000',
      'a\nb',
      'é',
      'e\u0301',
      'sample/',
      'a//b',
    ].map((segment): Probe => {
      const encoded = encodeURIComponent(segment);
      const url = mount.info.path + filled(path, (other) => (other === name ? encoded : 'sample'));
      return {
        what: `${name} = ${JSON.stringify(segment).slice(0, 40)}`,
        url,
        ...(sendsBody(endpoint) ? { body } : {}),
      };
    }),
  );
}

function bodyProbes(endpoint: Endpoint): Probe[] {
  if (!sendsBody(endpoint)) return [];
  const { url } = endpoint;
  const bodies = [
    '',
    'null',
    '[]',
    '1',
    '"text"',
    '{',
    '{"a":1e999}',
    '\ufeff{}',
    '{"a":"\\ud800"}',
    'a=b&a=c',
    '\u0000',
    '{"__proto__":{"polluted":true}}',
  ];
  return [
    ...bodies.map((text) => ({ what: `body ${JSON.stringify(text)}`, url, body: text })),
    { what: 'bytes that are no text', url, body: Buffer.from([0xff, 0xfe, 0x00, 0x80]) },
    { what: 'gzip', url, body: Buffer.from([0x1f, 0x8b, 0x08, 0x00]) },
  ];
}
