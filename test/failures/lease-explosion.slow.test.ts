/**
 * A client that logs in on every reconcile makes leases without end: starting does not take longer for it, what falls due
 * all at once starves nobody, and a whole prefix is ended in seconds.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Session } from '../../src/barrier/session.ts';
import type { ManualClock } from '../../src/base/clock.ts';
import type { NewToken } from '../../src/tokens/token.ts';
import { unreliableEngine } from './engines.ts';
import { FailureNode } from './node.ts';

const TOKENS = 100_000;
const DUE_AT_ONCE = 20_000;
const LOCAL_LEASES = 20_000;
const HOUR_SECONDS = 3600;
const BATCH = 5000;
/** Generous: other suites may share the processors. A server that works through its leases at start takes far longer. */
const START_MS_MAX = 1000;
const READ_MS_MAX = 1000;
const REVOKE_MS_MAX = 20_000;

describe('a lease explosion', () => {
  let node: FailureNode;
  let quietUnsealMs: number;
  before(async () => {
    node = await FailureNode.start({
      onDisk: true,
      manualClock: true,
      audit: false,
      engines: [unreliableEngine({})],
    });
    await node.ok('POST', 'sys/mounts/kv', { body: { type: 'kv' } });
    await node.ok('POST', 'sys/mounts/unreliable', { body: { type: 'unreliable' } });
    await node.ok('POST', 'kv/a', { body: { value: 'a' } });
    quietUnsealMs = await unsealMs(node);
    await inBatches(node, TOKENS, (session, at) => {
      const ttl = at < DUE_AT_ONCE ? HOUR_SECONDS : 24 * HOUR_SECONDS;
      node.domains.tokens.create(session, { ...TOKEN, ttl });
    });
    await inBatches(node, LOCAL_LEASES, (session) => {
      const mount = node.domains.mounts.root.get('unreliable/')!;
      const grant = { kind: 'local', internal: {}, ttl: 20 * HOUR_SECONDS, renewable: false };
      node.domains.leases.register(session, {
        mount,
        path: 'unreliable/local/web',
        grant,
        tokenKey: undefined,
      });
    });
  });
  after(() => node.stop());

  it('does not make unsealing or starting longer', async (t) => {
    const fullUnsealMs = await unsealMs(node);
    const startMs = await took(() => node.restart());
    t.diagnostic(
      `unsealed in ${show(quietUnsealMs)} without leases, in ${show(fullUnsealMs)} with them; started in ${show(startMs)}`,
    );
    assert.ok(fullUnsealMs < quietUnsealMs + START_MS_MAX);
    assert.ok(startMs < START_MS_MAX * 2);
    assert.deepEqual((await node.ok('GET', 'kv/a')).data, { value: 'a' });
  });

  it('starves nobody when very many fall due at once', async (t) => {
    await node.pass((HOUR_SECONDS + 1) * 1000);
    const expired = async () => {
      (node.clock as ManualClock).advance(100);
      return (await tokenLeases(node)) === TOKENS - DUE_AT_ONCE;
    };
    await meanwhile(t, node, 'expiry', until(expired));
    assert.equal(await tokenLeases(node), TOKENS - DUE_AT_ONCE);
  });

  it('is ended by prefix in seconds, and starves nobody', async (t) => {
    const { lease_count } = (await node.ok('GET', 'sys/leases/count')).data;
    const ms = await meanwhile(t, node, 'revocation by prefix', async () => {
      await node.ok('POST', 'sys/leases/revoke-prefix/unreliable/local', { body: { sync: true } });
    });
    assert.ok(ms < REVOKE_MS_MAX);
    assert.equal((await node.ok('GET', 'sys/leases/count')).data.lease_count, lease_count - LOCAL_LEASES);
    assert.equal((await node.request('LIST', 'sys/leases/lookup/unreliable')).status, 404);
  });
});

const TOKEN: NewToken = {
  type: 'service',
  parent: undefined,
  policies: ['default'],
  path: 'auth/approle/login',
  meta: { role_name: 'web' },
  displayName: 'approle',
  numUses: 0,
  ttl: 0,
  explicitMaxTtl: 0,
  period: 0,
  renewable: true,
  entityId: '',
  role: '',
  boundCidrs: [],
};

async function inBatches(
  node: FailureNode,
  count: number,
  make: (session: Session, at: number) => void,
): Promise<void> {
  let durable: Promise<void> | undefined;
  for (let at = 0; at < count; ) {
    const session = node.domains.openSession();
    for (const end = Math.min(at + BATCH, count); at < end; at++) make(session, at);
    session.apply();
    await durable;
    durable = session.settled();
  }
  await durable;
}

async function unsealMs(node: FailureNode): Promise<number> {
  await node.server.lifecycle.seal();
  return took(() => node.unseal());
}

async function took(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

/** Reads without pause while `work` goes on; how long that took, in milliseconds. */
async function meanwhile(
  t: TestContext,
  node: FailureNode,
  what: string,
  work: () => Promise<void>,
): Promise<number> {
  let working = true;
  const reads: number[] = [];
  const reading = (async () => {
    while (working) reads.push(await took(async () => void (await node.ok('GET', 'kv/a'))));
  })();
  const ms = await took(work).finally(() => {
    working = false;
  });
  await reading;
  reads.sort((a, b) => a - b);
  const [middle = 0, slowest = 0] = [reads[reads.length >> 1], reads.at(-1)];
  t.diagnostic(
    `${what} took ${show(ms)}; ${reads.length} reads meanwhile: half in ${show(middle)}, all in ${show(slowest)}`,
  );
  assert.ok(reads.length > 10, 'requests are served meanwhile');
  assert.ok(slowest < READ_MS_MAX, `a read waited ${show(slowest)}`);
  return ms;
}

function until(condition: () => Promise<boolean>): () => Promise<void> {
  return async () => {
    while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 50));
  };
}

async function tokenLeases(node: FailureNode): Promise<number> {
  const counts = await node.domains.leases.count('root', 'all', (id) => String(id.startsWith(TOKEN.path)));
  return counts.get('true') ?? 0;
}

function show(ms: number): string {
  return `${Math.round(ms)} ms`;
}
