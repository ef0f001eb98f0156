import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type DomainsOptions, LIMITS, openDomains, settle, type TestDomains } from '../../test/domains.ts';
import { persist } from '../barrier/session.ts';
import { InternalFailure, InvalidRequest } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { EngineType } from '../engine/engine.ts';
import { MemoryDisk } from '../store/memory.ts';
import type { Lease } from './lease.ts';
import { getLease, irrevocableIds, leaseIds, nextDueMs, saveJob } from './records.ts';

/** Somewhere outside: what lives there, and what it does when asked to end something. */
class Outside {
  readonly alive = new Set<string>();
  readonly ended: string[] = [];
  tries = 0;
  underWay = 0;
  mostUnderWay = 0;
  mode: 'ok' | 'fail' | 'hang' = 'ok';
  #waiting: (() => void)[] = [];

  async end(name: string): Promise<void> {
    this.tries++;
    this.underWay++;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    try {
      if (this.mode === 'hang') await new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (this.mode === 'fail') throw new Error('the database is away');
      this.alive.delete(name);
      this.ended.push(name);
    } finally {
      this.underWay--;
    }
  }
  release(mode: 'ok' | 'fail'): void {
    this.mode = mode;
    for (const go of this.#waiting.splice(0)) go();
  }
}

function engineOver(outside: Outside, local: string[], renewing: () => Promise<void>): EngineType {
  const nameOf = (internal: UnknownRecord) => String(internal.name);
  return {
    type: 'leasing',
    class: 'secret',
    summary: 'For tests.',
    open: () => ({
      paths: [],
      leases: {
        outside: {
          outside: true,
          revoke: (_, internal) => outside.end(nameOf(internal)),
          async renew() {
            await renewing();
            return { maxTtl: 7200 };
          },
        },
        local: {
          revoke(_, internal) {
            if (nameOf(internal) === 'stuck') throw new Error('stuck');
            local.push(nameOf(internal));
          },
        },
      },
    }),
  };
}

interface Bench extends TestDomains {
  readonly outside: Outside;
  readonly local: string[];
  /** What renewal waits for. */
  renewing: () => Promise<void>;
  lease(
    name: string,
    grant?: { kind?: 'local' | 'outside'; ttl?: number; mount?: string; tokenKey?: string },
  ): Lease;
  get(lease: Lease): Lease | undefined;
  restart(): Promise<Bench>;
}

async function open(options: DomainsOptions = {}, outside = new Outside()): Promise<Bench> {
  const local: string[] = [];
  const disk = options.disk ?? new MemoryDisk();
  const type = engineOver(outside, local, () => bench.renewing());
  const domains = await openDomains({ ...options, disk, engines: [type] });
  const session = domains.session();
  for (const path of ['a', 'b']) {
    if (!domains.mounts.root.get(`${path}/`))
      domains.mounts.enable(session, { path, class: 'secret', type: 'leasing' });
  }
  await persist(session);
  const bench: Bench = {
    ...domains,
    outside,
    local,
    renewing: async () => {},
    lease(name, { kind = 'outside', ttl = 60, mount = 'a', tokenKey } = {}) {
      const within = domains.session();
      if (kind === 'outside') outside.alive.add(name);
      const { id } = domains.leases.register(within, {
        mount: domains.mounts.root.get(`${mount}/`)!,
        path: `${mount}/creds/${name}`,
        grant: { kind, internal: { name }, ttl, renewable: true },
        tokenKey,
      });
      within.apply();
      return getLease(domains.session(), id)!;
    },
    get: (lease) => getLease(domains.session(), lease.id),
    async restart() {
      domains.leases.stop();
      await settle();
      return open({ disk, clock: domains.clock, seed: 2 }, outside);
    },
  };
  return bench;
}

/** Moves time on as it does outside tests: what wakes up gets its turn before more time passes. */
async function pass(bench: TestDomains, ms: number): Promise<void> {
  bench.clock.advance(ms);
  await settle();
  bench.clock.advance(250);
  await settle();
}

/** Nothing of any lease is left: no record, no index entry. */
function assertNothingLeft({ session }: TestDomains): void {
  assert.deepEqual([...session().view('leases/').keys('')], []);
}

test('a lease ends when it is due, not before, the soonest first', async () => {
  const bench = await open();
  for (const [name, ttl] of [
    ['third', 30],
    ['first', 10],
    ['second', 20],
  ] as const)
    bench.lease(name, { ttl });
  bench.clock.advance(9_999);
  await settle();
  assert.deepEqual(bench.outside.ended, []);
  for (const _ of [1, 2, 3]) {
    bench.clock.advance(10_000);
    await settle();
  }
  assert.deepEqual(bench.outside.ended, ['first', 'second', 'third']);
  assertNothingLeft(bench);
});

test('a lease counts as gone from its expiry on, whether or not it was cleaned up', async () => {
  const bench = await open();
  const lease = bench.lease('a');
  bench.outside.mode = 'hang';
  bench.clock.advance(60_000);
  assert.equal(bench.leases.find(bench.session(), 'root', lease.id), undefined);
  await assert.rejects(bench.leases.renew(bench.session(), lease, 10), InvalidRequest);
});

test('renewal moves the end within the maximum of mount and engine', async () => {
  const bench = await open();
  const lease = bench.lease('a');
  bench.clock.advance(50_000);
  const session = bench.session();
  assert.deepEqual(await bench.leases.renew(session, lease, 0), { ttl: 60, warnings: [] });
  await persist(session);
  bench.clock.advance(20_000);
  await settle();
  assert.ok(bench.outside.alive.has('a'));
  const again = bench.session();
  const { ttl, warnings } = await bench.leases.renew(again, bench.get(lease)!, LIMITS.maxLeaseTtl);
  await persist(again);
  assert.equal(ttl, 7200 - 70);
  assert.equal(warnings.length, 1);
  await pass(bench, (7200 - 70) * 1000);
  assert.equal(bench.outside.alive.has('a'), false);
  assertNothingLeft(bench);
});

test('of two renewals at once neither leaves an end behind that comes too early', async () => {
  const bench = await open();
  const lease = bench.lease('a');
  bench.clock.advance(1000);
  const [one, other] = [bench.session(), bench.session()];
  const first = bench.leases.renew(one, lease, 100).then(() => persist(one));
  const second = bench.leases.renew(other, lease, 500).then(() => persist(other));
  await Promise.all([first, second]);
  bench.clock.advance(499_000);
  await settle();
  assert.ok(bench.outside.alive.has('a'));
  await pass(bench, 1000);
  assertNothingLeft(bench);
});

test('a lease that is revoked while it is being renewed stays revoked', async () => {
  const bench = await open();
  const lease = bench.lease('a');
  let go = () => {};
  bench.renewing = () => new Promise((resolve) => (go = resolve));
  const session = bench.session();
  const renewal = bench.leases.renew(session, lease, 1000);
  bench.outside.mode = 'hang';
  await bench.leases.revoke(bench.session(), 'root', lease.id, { wait: false });
  go();
  await assert.rejects(renewal, /lease not found/);
  bench.clock.advance(0);
  bench.outside.release('ok');
  bench.clock.advance(1000);
  await settle();
  assert.equal(bench.outside.alive.has('a'), false);
  assertNothingLeft(bench);
});

test('what is local ends with the request that revokes it', async () => {
  const bench = await open();
  const lease = bench.lease('a', { kind: 'local' });
  await bench.leases.revoke(bench.session(), 'root', lease.id, { wait: false });
  assert.deepEqual(bench.local, ['a']);
  assertNothingLeft(bench);
  const stuck = bench.lease('stuck', { kind: 'local' });
  await assert.rejects(bench.leases.revoke(bench.session(), 'root', stuck.id, { wait: true }), /stuck/);
  assert.equal(bench.get(stuck)?.attempts, 1);
});

test('a revocation that fails is retried, ever later, and shown once it failed often', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const bench = await open({ seed });
      bench.outside.mode = 'fail';
      const lease = bench.lease('a', { ttl: 10 });
      bench.clock.advance(10_000);
      await settle();
      for (let attempts = 1; attempts <= 18; attempts++) {
        const now = bench.get(lease)!;
        const seconds = (now.dueAtMs - bench.clock.now()) / 1000;
        const expected = Math.min(5 * 2 ** (attempts - 1), 86_400);
        assert.equal(now.attempts, attempts);
        assert.ok(seconds >= expected * 0.75 && seconds < expected * 1.25, `${attempts}: ${seconds}`);
        assert.equal([...irrevocableIds(bench.session(), 'root')].length, attempts >= 6 ? 1 : 0);
        bench.clock.advance(now.dueAtMs - bench.clock.now());
        await settle(10);
      }
      assert.equal(bench.get(lease)?.lastError, 'the database is away');
      bench.outside.mode = 'ok';
      await bench.leases.revoke(bench.session(), 'root', lease.id, { wait: true });
      assertNothingLeft(bench);
    }),
    { numRuns: 5 },
  );
});

test('a mount that hangs has few revocations under way and holds up no other', async () => {
  const bench = await open();
  bench.outside.mode = 'hang';
  for (let i = 0; i < 300; i++) bench.lease(`hangs-${i}`, { ttl: 10 });
  bench.lease('elsewhere', { ttl: 11, kind: 'local', mount: 'b' });
  bench.clock.advance(10_000);
  await settle();
  assert.equal(bench.outside.mostUnderWay, 8);
  bench.clock.advance(2_000);
  await settle();
  assert.deepEqual(bench.local, ['elsewhere']);
  bench.outside.release('ok');
  for (let i = 0; i < 60; i++) {
    bench.clock.advance(250);
    await settle(12);
  }
  assert.equal(bench.outside.alive.size, 0);
  assert.equal(bench.outside.mostUnderWay, 8);
  assertNothingLeft(bench);
});

test('a prefix ends with all below it, and nothing beside it', async () => {
  const bench = await open();
  for (let i = 0; i < 300; i++) bench.lease(`team/${i}`, { kind: i % 2 ? 'local' : 'outside' });
  const beside = bench.lease('teams');
  await bench.leases.revokePrefix(bench.session(), 'root', 'a/creds/team', { force: false, wait: true });
  assert.deepEqual([...leaseIds(bench.session(), 'root', '')], [beside.id]);
  assert.deepEqual([...bench.outside.alive], ['teams']);
  assert.deepEqual(bench.session().view('leases/jobs/').list(''), []);
});

test('a bulk revocation that a crash cut short goes on at the start', async () => {
  const bench = await open();
  for (let i = 0; i < 10; i++) bench.lease(`a${i}`);
  const session = bench.session();
  saveJob(session, { id: 'job', of: 'prefix', prefix: 'a/', force: false });
  await persist(session);
  const again = await bench.restart();
  await settle();
  assert.equal(again.outside.alive.size, 0);
  assertNothingLeft(again);
});

test('sealing waits for nobody outside, and forgets nothing', async () => {
  const bench = await open();
  bench.outside.mode = 'hang';
  for (let i = 0; i < 20; i++) bench.lease(`a${i}`);
  const revoked = bench.leases.revokePrefix(bench.session(), 'root', 'a', { force: false, wait: true });
  await settle();
  assert.equal(bench.outside.tries, 8);
  bench.leases.stop();
  bench.outside.release('ok');
  await assert.rejects(revoked, InternalFailure);
  assert.equal(bench.outside.tries, 8);
  const again = await bench.restart();
  await settle();
  assert.equal(again.outside.alive.size, 0);
  assertNothingLeft(again);
});

test('what fails under a prefix is told, kept and retried; by force it is forgotten', async () => {
  const bench = await open();
  bench.outside.mode = 'fail';
  const lease = bench.lease('a');
  await assert.rejects(
    bench.leases.revokePrefix(bench.session(), 'root', 'a', { force: false, wait: true }),
    /failed to revoke 1 leases, which will be retried: the database is away/,
  );
  assert.equal(bench.get(lease)?.attempts, 1);
  await bench.leases.revokePrefix(bench.session(), 'root', 'a', { force: true, wait: true });
  assertNothingLeft(bench);
});

test('force also forgets what is being revoked already', async () => {
  const bench = await open();
  bench.outside.mode = 'hang';
  bench.lease('a', { ttl: 10 });
  bench.clock.advance(10_000);
  await settle();
  const forced = bench.leases.revokePrefix(bench.session(), 'root', 'a', { force: true, wait: true });
  await settle();
  bench.outside.release('fail');
  await forced;
  assertNothingLeft(bench);
});

test('a lease whose mount is gone is kept and shown until it is forgotten by force', async () => {
  const bench = await open();
  const lease = bench.lease('a');
  const session = bench.session();
  bench.mounts.leave(session, bench.mounts.root.get('a/')!);
  await persist(session);
  await assert.rejects(
    bench.leases.revoke(bench.session(), 'root', lease.id, { wait: true }),
    /is not there/,
  );
  assert.match(bench.get(lease)?.lastError ?? '', /the mount that issued this lease is not there/);
  await bench.leases.revokePrefix(bench.session(), 'root', 'a', { force: true, wait: true });
  assertNothingLeft(bench);
});

test('the leases of a token end with it, in the background', async () => {
  const bench = await open();
  for (let i = 0; i < 200; i++) bench.lease(`a${i}`, { tokenKey: 'token' });
  const kept = bench.lease('kept', { tokenKey: 'other' });
  const session = bench.session();
  bench.leases.revokeOfToken(session, 'token');
  session.discard();
  await settle();
  assert.equal(bench.outside.alive.size, 201);
  bench.leases.revokeOfToken(session, 'token');
  await persist(session);
  await settle();
  assert.deepEqual([...bench.outside.alive], ['kept']);
  assert.ok(bench.get(kept));
});

test('a damaged lease keeps neither the others nor the server from going on', async () => {
  const bench = await open();
  const damaged = bench.lease('damaged', { ttl: 10 });
  bench.lease('fine', { ttl: 10 });
  const raw = bench.store.begin();
  raw.put(`leases/id/${damaged.id}`, Buffer.from('not an envelope'));
  raw.put('leases/jobs/damaged', Buffer.from('not an envelope'));
  raw.apply();
  const again = await bench.restart();
  again.clock.advance(10_000);
  await settle();
  assert.deepEqual(again.outside.ended, ['fine']);
  assert.equal(nextDueMs(again.session()), again.clock.now() + 86_400_000);
  await assert.rejects(
    again.leases.revokePrefix(again.session(), 'root', 'a', { force: false, wait: true }),
    InternalFailure,
  );
  await again.leases.revokePrefix(again.session(), 'root', 'a', { force: true, wait: true });
  assert.deepEqual([...leaseIds(again.session(), 'root', '')], []);
});
