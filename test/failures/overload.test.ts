/**
 * Overload: a node that has more to do than it can refuses new work early and says when to come again, while what keeps
 * it and its leases alive goes on.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type EngineType, path } from '../../src/engine/engine.ts';
import { OVERLOAD_LIMITS_DEFAULT } from '../../src/quotas/overload.ts';
import { FailureNode } from './node.ts';

/** Waits outside until the test lets go; gives leases without waiting. */
class Slow {
  #waiting = Promise.withResolvers<void>();
  release(): void {
    this.#waiting.resolve();
    this.#waiting = Promise.withResolvers();
  }
  readonly type: EngineType = {
    type: 'slow',
    class: 'secret',
    summary: 'Takes its time.',
    open: () => ({
      leases: { thing: { revoke: () => {}, renew: () => ({ ttl: 3600 }) } },
      paths: [
        path({
          pattern: 'wait',
          summary: 'Waits.',
          fields: {},
          operations: { read: { outside: true, handler: () => this.#waiting.promise.then(() => undefined) } },
        }),
        path({
          pattern: 'lease',
          summary: 'Leases.',
          fields: {},
          operations: {
            read: {
              handler: () => ({
                data: {},
                lease: { kind: 'thing', internal: {}, ttl: 3600, renewable: true },
              }),
            },
          },
        }),
      ],
    }),
  };
}

describe('an overloaded node', () => {
  const slow = new Slow();
  let node: FailureNode;
  let token: string;
  let leaseId: string;
  let waiting: Promise<number>[];
  before(async () => {
    node = await FailureNode.start({
      engines: [slow.type],
      settings: { overload: { ...OVERLOAD_LIMITS_DEFAULT, requestsInFlight: 10 } },
    });
    await node.ok('POST', 'sys/mounts/slow', { body: { type: 'slow' } });
    token = await node.tokenWith('path "*" { capabilities = ["read"] }', { ttl: '1h', period: '1h' });
    leaseId = (await node.ok('GET', 'slow/lease')).lease_id;
    waiting = Array.from({ length: 12 }, async () => (await node.request('GET', 'slow/wait')).status);
    await until(node, 503);
  });
  after(() => node.stop());

  it('refuses new work at once, with the time to come again', async () => {
    node.newAuditEntries();
    for (const [method, url] of [
      ['GET', 'slow/wait'],
      ['GET', 'sys/mounts'],
      ['POST', 'auth/userpass/login/ann'],
      ['GET', 'no/such/path'],
      ['LIST', 'auth/token/accessors'],
    ] as const) {
      const refused = await node.request(method, url, method === 'POST' ? { body: {} } : {});
      assert.equal(refused.status, 503, url);
      assert.deepEqual(refused.json(), { errors: ['overloaded, try again later'] });
      assert.equal(refused.headers['retry-after'], '2');
    }
    assert.deepEqual(node.newAuditEntries(), []);
  });

  it('goes on telling how it is, and renewing and revoking', async () => {
    for (const [method, url, body] of [
      ['GET', 'sys/health', undefined],
      ['GET', 'sys/seal-status', undefined],
      ['GET', 'sys/leader', undefined],
      ['GET', 'sys/metrics?format=prometheus', undefined],
      ['GET', 'sys/in-flight-req', undefined],
      ['POST', 'sys/leases/lookup', { lease_id: leaseId }],
      ['POST', 'sys/leases/renew', { lease_id: leaseId }],
      ['PUT', 'sys/renew', { lease_id: leaseId }],
      ['POST', 'sys/leases/revoke', { lease_id: leaseId }],
      ['POST', 'auth/token/renew', { token }],
    ] as const) {
      const answer = await node.request(method, url, body ? { body } : {});
      assert.ok(answer.status < 300, `${url}: ${answer.status} ${answer.text}`);
    }
    assert.equal((await node.request('POST', 'auth/token/renew-self', { token, body: {} })).status, 200);
    assert.equal((await node.request('POST', 'auth/token/revoke-self', { token, body: {} })).status, 204);
    const { text } = await node.request('GET', 'sys/metrics?format=prometheus');
    assert.match(text, /core_requests_shed\w*\{reason="in_flight"\} [1-9]/);
    assert.match(text, /core_overloaded 1/);
  });

  it('serves again when what it had to do is done, which nobody lost', async () => {
    slow.release();
    assert.deepEqual(
      await Promise.all(waiting),
      Array.from({ length: 12 }, () => 204),
    );
    await until(node, 200);
    assert.match(node.serverLog(), /overloaded: new work is refused/);
    assert.match(node.serverLog(), /no longer overloaded/);
  });

  it('can be sealed', async () => {
    waiting = Array.from({ length: 12 }, async () => (await node.request('GET', 'slow/wait')).status);
    await until(node, 503);
    assert.equal((await node.request('POST', 'sys/seal', { body: {} })).status, 204);
    slow.release();
    await Promise.allSettled(waiting);
    assert.equal((await node.request('GET', 'sys/health')).status, 503);
  });
});

describe('a node whose disk is slow', () => {
  it('refuses writes and goes on reading', async () => {
    const { openNode } = await import('../pipeline-node.ts');
    const node = await openNode();
    await node.send('sys/mounts/kv', { type: 'kv' });
    await node.send('kv/a', { a: 1 });
    node.overload.start();
    node.disk.shut();
    const stuck = node.send('kv/b', { b: 1 });
    node.clock.advance(6000);
    await assert.rejects(node.send('kv/c', { c: 1 }), { code: 'overloaded' });
    assert.deepEqual((await node.call('kv/a')).data, { a: 1 });
    node.disk.open();
    await stuck;
    node.clock.advance(200);
    await node.send('kv/c', { c: 1 });
    node.overload.stop();
  });
});

/** Asks until the answer has this status. */
async function until(node: FailureNode, status: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if ((await node.request('GET', 'sys/mounts')).status === status) return;
    await pause(20);
  }
  throw new Error(`no answer with ${status}`);
}
