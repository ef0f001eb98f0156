import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Session } from '../barrier/session.ts';
import { ManualClock } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import { seededRandom } from '../base/random.ts';
import { turn } from '../base/turn.ts';
import { MemoryRecords } from '../engine/memory-view.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { type Audit, openAudit } from './broker.ts';
import type { AuditDevice, AuditDeviceType } from './device.ts';
import type { AuditRecord } from './record.ts';

interface Entry {
  readonly request: {
    readonly path: string;
    readonly data: { readonly secret: string };
    readonly headers?: unknown;
  };
}

/** A device in memory that does what the test tells it: write, fail, or hang. */
class Sink implements AuditDevice {
  readonly writes: string[][] = [];
  mode: 'ok' | 'fail' | 'hang' = 'ok';
  opened = 0;
  closed = 0;
  reloaded = 0;
  #release: (() => void) | undefined;

  async write(lines: readonly Buffer[]): Promise<void> {
    if (this.mode === 'fail') throw new Error('the disk is full');
    if (this.mode === 'hang') await new Promise<void>((resolve) => (this.#release = resolve));
    this.writes.push(lines.map(String));
  }
  async reload(): Promise<void> {
    this.reloaded += 1;
  }
  async close(): Promise<void> {
    this.closed += 1;
  }
  release(): void {
    this.mode = 'ok';
    this.#release?.();
  }
  get entries(): Entry[] {
    return this.writes.flat().map((line) => JSON.parse(line));
  }
  get paths(): string[] {
    return this.entries.map(({ request }) => request.path).filter((path) => path !== 'sys/audit/test');
  }
}

interface Bench {
  readonly audit: Audit;
  readonly clock: ManualClock;
  readonly session: Session;
  readonly sinks: Map<string, Sink>;
  readonly records: MemoryRecords;
}

function bench(records = new MemoryRecords(), sinks = new Map<string, Sink>()): Bench {
  const clock = new ManualClock();
  const sinkType: AuditDeviceType = {
    type: 'sink',
    options: ['name', 'password'],
    secretOptions: ['password'],
    configure: ({ name = '' }) => {
      const sink = sinks.get(name) ?? new Sink();
      sinks.set(name, sink);
      return async () => {
        sink.opened += 1;
        if (sink.mode === 'fail') throw new Error('unable to open');
        return sink;
      };
    },
  };
  const audit = openAudit({
    metrics: createMetrics(),
    clock,
    random: seededRandom(1),
    log: silentLogger,
    registry: new Map([['sink', sinkType]]),
    allowPrefix: true,
    environment: {},
    stdout: process.stdout,
    stderr: process.stderr,
  });
  const session: Session = {
    view: (prefix) => records.view().under(prefix),
    apply: () => records.apply(),
    afterApply: () => {},
    discard: () => records.discard(),
    settled: () => undefined,
  };
  return { audit, clock, session, sinks, records };
}

async function enable(
  { audit, session, sinks }: Bench,
  name: string,
  options: Record<string, string> = {},
): Promise<Sink> {
  await audit.enable(session, { path: name, type: 'sink', options: { name, ...options } });
  return sinks.get(name)!;
}

function record(path: string, data: unknown = {}): AuditRecord {
  return { type: 'request', request: { id: 'id', operation: 'read', path, data, mount: undefined } };
}

test('without devices nothing is recorded and nothing waits', () => {
  const { audit } = bench();
  assert.equal(audit.record(record('a')), undefined);
  assert.equal(audit.flushed(), undefined);
});

test('the entries of one turn go out in one write', async () => {
  const on = bench();
  const sink = await enable(on, 'one');
  assert.equal(sink.entries[0]!.request.path, 'sys/audit/test');
  on.audit.record(record('a'));
  on.audit.record(record('b'));
  await on.audit.flushed();
  await on.audit.record(record('c'));
  assert.deepEqual(sink.paths, ['a', 'b', 'c']);
  assert.deepEqual(
    sink.writes.map(({ length }) => length),
    [1, 2, 1],
  );
  assert.equal(on.audit.flushed(), undefined);
  assert.ok(sink.writes.flat().every((line) => line.endsWith('}\n')));
});

test('each device has its own salt and options', async () => {
  const on = bench();
  const plain = await enable(on, 'plain');
  const raw = await enable(on, 'raw', { log_raw: 'true', prefix: '' });
  const third = await enable(on, 'third');
  await on.audit.record(record('a', { secret: 'hunter22' }));
  const shown = (sink: Sink): string => sink.entries.at(-1)!.request.data.secret;
  assert.equal(shown(raw), 'hunter22');
  assert.match(shown(plain), /^hmac-sha256:[0-9a-f]{64}$/);
  assert.notEqual(shown(plain), shown(third));
  assert.equal(on.audit.hash('plain', 'hunter22'), shown(plain));
  assert.equal(on.audit.hash('third/', 'hunter22'), shown(third));
  assert.throws(() => on.audit.hash('none', 'x'), /unknown audit backend/);
});

test('one device that works is enough; when none does, the request fails', async () => {
  const on = bench();
  const good = await enable(on, 'good');
  const bad = await enable(on, 'bad');
  bad.mode = 'fail';
  await on.audit.record(record('a'));
  good.mode = 'fail';
  await assert.rejects(Promise.resolve(on.audit.record(record('b'))), { code: 'internal_failure' });
  on.audit.record(record('c'));
  await assert.rejects(Promise.resolve(on.audit.flushed()), /no audit device could record/);
  good.mode = 'ok';
  await on.audit.record(record('d'));
  assert.deepEqual(good.paths, ['a', 'd']);
});

test('a failure that nobody waits for ends nothing', async () => {
  const on = bench();
  const sink = await enable(on, 'one');
  sink.mode = 'fail';
  on.audit.record(record('a'));
  await turn();
  await turn();
  assert.equal(on.audit.flushed(), undefined);
});

test('a device that hangs delays nobody while another works, and is given up on in bounded time', async () => {
  const on = bench();
  const stuck = await enable(on, 'stuck');
  const good = await enable(on, 'good');
  stuck.mode = 'hang';
  await on.audit.record(record('a'));
  await on.audit.record(record('b'));
  assert.deepEqual(good.paths, ['a', 'b']);

  on.audit.disable(on.session, 'good');
  const waiting = on.audit.record(record('c'))!;
  await turn();
  on.clock.advance(10_001);
  await assert.rejects(waiting, { code: 'internal_failure' });
  await assert.rejects(on.audit.record(record('d'))!, { code: 'internal_failure' }, 'at once while it hangs');

  stuck.release();
  await turn();
  await on.audit.record(record('e'));
  assert.deepEqual(stuck.paths, ['a', 'e']);
});

test('what waits behind a hanging device is bounded', async () => {
  const on = bench();
  const stuck = await enable(on, 'stuck');
  stuck.mode = 'hang';
  on.audit.record(record('first'));
  await turn();
  const data = { blob: Array.from({ length: 1000 }, (_, index) => index) };
  const large = 'x'.repeat(20 * 1024 * 1024);
  on.audit.record(record(large, data));
  await turn();
  await assert.rejects(on.audit.record(record(large, data))!, { code: 'internal_failure' });
  stuck.release();
});

test('filters choose, the fallback device takes the rest, and order of enabling does not matter', async () => {
  const on = bench();
  const rest = await enable(on, 'rest', { fallback: 'true' });
  const kv = await enable(on, 'kv', { filter: 'path matches "^kv/"' });
  const auth = await enable(on, 'auth', { filter: '"auth/" in path' });
  for (const path of ['kv/a', 'auth/x/login', 'sys/health', 'kv/auth/']) on.audit.record(record(path));
  await on.audit.flushed();
  assert.deepEqual(kv.paths, ['kv/a', 'kv/auth/']);
  assert.deepEqual(auth.paths, ['auth/x/login', 'kv/auth/']);
  assert.deepEqual(rest.paths, ['sys/health']);
  await assert.rejects(enable(on, 'rest2', { fallback: 'true' }), /fallback audit device already/);
});

test('filters see mount points without their last slash', async () => {
  const on = bench();
  const sink = await enable(on, 'one', { filter: 'mount_point == "auth/oidc" and mount_type == oidc' });
  const mount = { point: 'auth/oidc/', type: 'oidc', accessor: 'a', class: 'auth' };
  await on.audit.record({ type: 'request', request: { ...record('auth/oidc/login').request, mount } });
  assert.deepEqual(sink.paths, ['auth/oidc/login']);
});

test('a record that only a broken device wants fails alone', async () => {
  const on = bench();
  const kv = await enable(on, 'kv', { filter: 'path matches "^kv/"' });
  const all = await enable(on, 'all', { filter: 'path not matches "^kv/"' });
  kv.mode = 'fail';
  const lost = on.audit.record(record('kv/a'));
  const kept = on.audit.record(record('sys/a'));
  await assert.rejects(Promise.resolve(lost), { code: 'internal_failure' });
  await kept;
  assert.deepEqual(all.paths, ['sys/a']);
});

test('what passes no filter and has no fallback is not recorded', async () => {
  const on = bench();
  await enable(on, 'kv', { filter: 'path matches "^kv/"' });
  assert.equal(on.audit.record(record('sys/a')), undefined);
});

test('exclude and prefix shape the line', async () => {
  const on = bench();
  const sink = await enable(on, 'one', { prefix: '@cee: ', exclude: '[{"fields":["/request/data"]}]' });
  await on.audit.record(record('a', { secret: 'x' }));
  const line = sink.writes.at(-1)![0]!;
  assert.ok(line.startsWith('@cee: {'));
  assert.deepEqual(JSON.parse(line.slice(6)).request, { id: 'id', operation: 'read', path: 'a' });
});

test('enabling fails clearly and leaves nothing behind', async () => {
  const on = bench();
  await enable(on, 'one');
  for (const [device, message] of [
    [{ path: 'one', type: 'sink' }, /path already in use/],
    [{ path: 'one/deeper', type: 'sink' }, /path already in use/],
    [{ path: 'x', type: 'none' }, /unknown backend type: "none"/],
    [{ path: '../x', type: 'sink' }, /path of an audit device/],
    [{ path: '', type: 'sink' }, /path of an audit device/],
    [{ path: 'x', type: 'sink', options: { log_raw: 'maybe' } }, /log_raw/],
  ] as const) {
    await assert.rejects(on.audit.enable(on.session, device), (error: Error & { code: string }) => {
      assert.match(error.message, message);
      return error.code === 'invalid_request';
    });
  }
  const broken = new Sink();
  broken.mode = 'fail';
  on.sinks.set('broken', broken);
  await assert.rejects(enable(on, 'broken'), /^InvalidRequest: sanity check failed; unable to open$/);
  assert.deepEqual(
    on.audit.list().map(({ path }) => path),
    ['one/'],
  );
  assert.equal([...on.records.entries()].length, 1);
  await enable(on, 'broken', { skip_test: 'true' });
});

test('unknown options are warned about; options that hold secrets are not shown', async () => {
  const on = bench();
  const options = { name: 'one', password: 'hunter22', log_rwa: 'true' };
  const { warnings } = await on.audit.enable(on.session, {
    path: 'one',
    type: 'sink',
    description: 'd',
    options,
  });
  assert.deepEqual(warnings, ['the option "log_rwa" is not known and has no effect']);
  assert.deepEqual(on.audit.list(), [
    { path: 'one/', type: 'sink', description: 'd', local: false, options: { name: 'one', log_rwa: 'true' } },
  ]);
});

test('devices come back with their salts; one that cannot be opened is tried again', async () => {
  const before = bench();
  await enable(before, 'one');
  const hash = before.audit.hash('one', 'x');
  await before.audit.close();
  assert.equal(before.sinks.get('one')!.closed, 1);

  const sink = new Sink();
  sink.mode = 'fail';
  const on = bench(before.records, new Map([['one', sink]]));
  on.audit.load(on.session);
  assert.equal(on.audit.hash('one', 'x'), hash);
  await assert.rejects(on.audit.record(record('a'))!, { code: 'internal_failure' });
  sink.mode = 'ok';
  await assert.rejects(on.audit.record(record('b'))!, { code: 'internal_failure' }, 'not within a second');
  on.clock.advance(1001);
  await on.audit.record(record('c'));
  assert.deepEqual(sink.paths, ['c']);
});

test('load follows what another node enabled and disabled', async () => {
  const active = bench();
  const follower = bench(active.records);
  await enable(active, 'one');
  follower.audit.load(follower.session);
  follower.audit.load(follower.session);
  assert.equal(follower.audit.list().length, 1);
  assert.equal(active.audit.disable(active.session, 'one/'), true);
  assert.equal(active.audit.disable(active.session, 'one/'), false);
  follower.audit.load(follower.session);
  assert.deepEqual(follower.audit.list(), []);
  assert.equal(follower.audit.record(record('a')), undefined);
});

test('disabling and closing let entries of the same turn out', async () => {
  const on = bench();
  const one = await enable(on, 'one');
  const written = on.audit.record(record('a'));
  on.audit.disable(on.session, 'one');
  await written;
  assert.deepEqual(one.paths, ['a']);
  const two = await enable(on, 'two');
  on.audit.record(record('b'));
  await on.audit.close();
  assert.deepEqual(two.paths, ['b']);
  assert.equal(two.closed, 1);
});

test('reload reaches every device', async () => {
  const on = bench();
  const sink = await enable(on, 'one');
  await on.audit.reload();
  assert.equal(sink.reloaded, 1);
});

test('header configuration is stored, lower-cased, and seen by devices at once', async () => {
  const on = bench();
  const sink = await enable(on, 'one');
  on.audit.headers.set(on.session, 'X-Trace', { hmac: false });
  assert.throws(() => on.audit.headers.set(on.session, 'bad name', { hmac: false }), {
    code: 'invalid_request',
  });
  const withHeader = { ...record('a').request, headers: { 'x-trace': '7' } };
  await on.audit.record({ type: 'request', request: withHeader });
  assert.deepEqual(sink.entries.at(-1)!.request.headers, { 'x-trace': ['7'] });
  const again = bench(on.records);
  again.audit.load(again.session);
  assert.deepEqual([...again.audit.headers.audited], [['x-trace', { hmac: false }]]);
  again.audit.headers.remove(again.session, 'X-TRACE');
  assert.equal(again.audit.headers.get('x-trace'), undefined);
});
