import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LIMITS, openDomains, settle, type TestDomains } from '../../test/domains.ts';
import { persist } from '../barrier/session.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { EngineType } from '../engine/engine.ts';
import type { MountClass } from './entry.ts';
import type { NewMount } from './mounts.ts';

/** Engines whose opening and closing the test sees and spoils. */
class Workshop {
  opened = 0;
  closed = 0;
  broken = false;
  closing: () => void | Promise<void> = () => {};
  types(): EngineType[] {
    const type = (name: string, kind: MountClass, extra: Partial<EngineType> = {}): EngineType => ({
      type: name,
      class: kind,
      summary: 'For tests.',
      open: () => {
        if (this.broken) throw new Error('cannot be opened');
        this.opened++;
        return {
          paths: [],
          close: () => {
            this.closed++;
            return this.closing();
          },
        };
      },
      ...extra,
    });
    return [
      type('kv', 'secret', {
        aliases: new Map([['kv-v2', { version: '2' }]]),
        checkOptions(options) {
          if (options.version === '3') throw new InvalidRequest('no such version');
        },
      }),
      type('only', 'secret', { singleton: true }),
      type('userpass', 'auth'),
    ];
  }
}

async function open(workshop = new Workshop()) {
  const domains = await openDomains({ engines: workshop.types() });
  const enable = (path: string, rest: Partial<NewMount> = {}) => {
    const session = domains.session();
    const mount = domains.mounts.enable(session, { path, class: 'secret', type: 'kv', ...rest });
    session.apply();
    return mount;
  };
  const again = async (other = workshop) => {
    await settle();
    return openDomains({ engines: other.types(), disk: domains.disk, clock: domains.clock });
  };
  return { ...domains, workshop, enable, again };
}

const refused = { name: InvalidRequest.name };
const matched = ({ mounts }: TestDomains, path: string) => {
  const match = mounts.root.match(path);
  return match && [match.mount.info.path, match.relative];
};

test('a request goes to the mount whose path it begins with', async () => {
  const bench = await open();
  for (const path of ['secret', 'team/a/kv', 'team/b/']) bench.enable(path);
  bench.enable('people', { class: 'auth', type: 'userpass' });
  assert.deepEqual(matched(bench, 'secret/a/b'), ['secret/', 'a/b']);
  assert.deepEqual(matched(bench, 'secret'), ['secret/', '']);
  assert.deepEqual(matched(bench, 'secret/'), ['secret/', '']);
  assert.deepEqual(matched(bench, 'team/a/kv/x'), ['team/a/kv/', 'x']);
  assert.deepEqual(matched(bench, 'auth/people/login/ann'), ['auth/people/', 'login/ann']);
  for (const path of ['', 'secrets/a', 'team', 'team/a', 'people/login', 'SECRET/a'])
    assert.equal(matched(bench, path), undefined, path);
});

test('matching agrees with comparing every mount', async () => {
  const bench = await open();
  const segment = fc.constantFrom('a', 'b', 'c');
  const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'));
  for (const each of ['a/b', 'a/c/b', 'b', 'c/c/c/c']) bench.enable(each);
  fc.assert(
    fc.property(path, (asked) => {
      const routes = bench.mounts.root.list('secret').map(({ info }) => info.path);
      const expected = routes.filter((route) => `${asked}/`.startsWith(route));
      assert.deepEqual(matched(bench, asked)?.slice(0, 1), expected.length > 0 ? expected : undefined);
    }),
  );
});

test('no mount lies within another, beside it is fine', async () => {
  const bench = await open();
  bench.enable('team/kv');
  for (const path of ['team', 'team/kv', '/team/kv/', 'team/kv/more', 'team/'])
    assert.throws(() => bench.enable(path), /path is already in use at team\/kv\//, path);
  for (const path of ['team/kv2', 'te', 'team/k']) bench.enable(path);
  bench.enable('team', { class: 'auth', type: 'userpass' });
});

test('paths that lead nowhere, look like others or are reserved are refused', async () => {
  const bench = await open();
  const odd = ['', '/', ' ', ' a', 'a ', 'a/ b', 'a//b', './a', 'a/../b', 'a\0', 'a\nb', 'x'.repeat(600)];
  for (const path of [...odd, 'sys/x', 'sys', 'auth', 'auth/kv', 'audit/x', 'identity'])
    assert.throws(() => bench.enable(path), refused, JSON.stringify(path));
  assert.deepEqual([...bench.mounts.root.all()], []);
  assert.equal(bench.workshop.opened, 0);
});

test('types, their other names and options', async () => {
  const bench = await open();
  assert.deepEqual(bench.enable('a', { type: 'kv-v2' }).entry.options, { version: '2' });
  assert.equal(bench.enable('b', { type: 'kv-v2', options: { version: '1' } }).entry.options.version, '1');
  assert.throws(() => bench.enable('c', { type: 'nothing' }), /plugin not found in the catalog: nothing/);
  assert.throws(() => bench.enable('c', { type: 'userpass' }), refused);
  assert.throws(() => bench.enable('c', { options: { version: '3' } }), /no such version/);
  bench.enable('only', { type: 'only' });
  assert.throws(() => bench.enable('other', { type: 'only' }), /not mountable/);
});

test('lease times are the mount’s own or the server’s', async () => {
  const bench = await open();
  const times = (config: NewMount['config'], path: string) => {
    const { defaultLeaseTtl, maxLeaseTtl } = bench.enable(path, { config: config ?? {} }).info;
    return [defaultLeaseTtl, maxLeaseTtl];
  };
  assert.deepEqual(times({}, 'a'), [LIMITS.defaultLeaseTtl, LIMITS.maxLeaseTtl]);
  assert.deepEqual(times({ default_lease_ttl: 60 }, 'b'), [60, LIMITS.maxLeaseTtl]);
  assert.deepEqual(times({ max_lease_ttl: 100 }, 'c'), [100, 100]);
  const longer = LIMITS.maxLeaseTtl * 2;
  assert.deepEqual(times({ max_lease_ttl: longer }, 'd'), [LIMITS.defaultLeaseTtl, longer]);
  assert.throws(() => times({ default_lease_ttl: 101, max_lease_ttl: 100 }, 'e'), refused);
  assert.throws(() => times({ default_lease_ttl: -1 }, 'e'), refused);
});

test('mounts are there again after a start, with what tuning changed', async () => {
  const bench = await open();
  const mount = bench.enable('a', { description: 'first' });
  const session = bench.session();
  const config = { ...mount.entry.config, max_lease_ttl: 60 };
  const tuned = bench.mounts.tune(session, mount, { description: 'second', config });
  assert.equal(bench.workshop.opened, 1);
  assert.equal(tuned.engine, mount.engine);
  bench.mounts.tune(session, tuned, { options: { version: '2' } });
  await persist(session);
  assert.deepEqual([bench.workshop.opened, bench.workshop.closed], [2, 1]);
  const { entry, info } = (await bench.again()).mounts.root.get('a/')!;
  assert.deepEqual([entry.description, entry.options, info.maxLeaseTtl], ['second', { version: '2' }, 60]);
  assert.equal(entry.accessor, mount.entry.accessor);
});

test('a mount moves with its data, its name stays free for others', async () => {
  const bench = await open();
  const mount = bench.enable('a');
  bench.enable('taken');
  const session = bench.session();
  assert.throws(
    () => bench.mounts.move(session, mount, { table: bench.mounts.root, path: 'taken/below' }),
    refused,
  );
  const moved = bench.mounts.move(session, mount, { table: bench.mounts.root, path: 'b/c' });
  await persist(session);
  assert.equal(moved.entry.uuid, mount.entry.uuid);
  assert.equal(matched(bench, 'a/x'), undefined);
  assert.deepEqual(matched(bench, 'b/c/x'), ['b/c/', 'x']);
  assert.throws(() => bench.mounts.leave(session, mount), /was moved or disabled/);
  bench.enable('a');
});

test('a mount that is left is gone from the routes, and remembered until its data is cleared', async () => {
  const bench = await open();
  const mount = bench.enable('a');
  const session = bench.session();
  bench.mounts.leave(session, mount);
  await persist(session);
  for (const found of [
    matched(bench, 'a/x'),
    bench.mounts.root.byUuid(mount.entry.uuid),
    bench.mounts.root.byAccessor(mount.entry.accessor),
  ])
    assert.equal(found, undefined);
  assert.equal(bench.workshop.closed, 1);
  const again = await bench.again();
  const leaving = again.mounts.load(again.session());
  assert.deepEqual(
    leaving.map(({ path }) => path),
    ['a/'],
  );
  const clearing = again.session();
  again.mounts.remove(clearing, leaving[0]!);
  await persist(clearing);
  assert.deepEqual(again.mounts.load(again.session()), []);
});

test('no request gets to a mount that is being withdrawn; its leases still find it', async () => {
  const bench = await open();
  const mount = bench.enable('a');
  const restore = bench.mounts.withdraw(bench.session(), mount);
  assert.equal(matched(bench, 'a/x'), undefined);
  assert.equal(bench.mounts.root.byUuid(mount.entry.uuid), mount);
  assert.throws(() => bench.enable('a'), refused);
  assert.throws(() => bench.mounts.withdraw(bench.session(), mount), /by another request/);
  restore();
  assert.deepEqual(matched(bench, 'a/x'), ['a/', 'x']);
});

test('an engine that cannot be opened makes no mount, and at the start fails alone', async () => {
  const bench = await open();
  bench.enable('fine');
  bench.workshop.broken = true;
  assert.throws(() => bench.enable('a'), /could not be opened/);
  assert.equal(bench.mounts.root.get('a/'), undefined);
  const again = await bench.again();
  const mount = again.mounts.root.get('fine/')!;
  assert.equal(mount.engine, undefined);
  assert.match(mount.failure?.message ?? '', /cannot be opened/);
});

test('a damaged record costs its own mount only', async () => {
  const bench = await open();
  const { uuid } = bench.enable('damaged').entry;
  bench.enable('fine');
  const raw = bench.store.begin();
  raw.put(`core/mounts/${uuid}`, Buffer.from('not an envelope'));
  raw.apply();
  const { mounts, barrier } = await bench.again();
  assert.deepEqual(
    mounts.root.list('secret').map(({ entry }) => entry.path),
    ['fine/'],
  );
  assert.deepEqual(
    barrier.quarantined().map(({ key }) => key),
    [`core/mounts/${uuid}`],
  );
});

for (const [how, closing] of [
  [
    'throws',
    () => {
      throw new Error('no');
    },
  ],
  ['rejects', () => Promise.reject(new Error('no'))],
] as const) {
  test(`an engine whose closing ${how} keeps nothing from going on`, async () => {
    const bench = await open();
    bench.workshop.closing = closing;
    const mount = bench.enable('a');
    bench.enable('b');
    const tuned = bench.mounts.tune(bench.session(), mount, { options: { version: '2' } });
    assert.equal(bench.mounts.root.get('a/'), tuned);
    await bench.mounts.close();
    assert.equal(bench.workshop.closed, 3);
    assert.equal(matched(bench, 'a/x'), undefined);
  });
}
