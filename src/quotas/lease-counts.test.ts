import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openDomains, settle, type TestDomains } from '../../test/domains.ts';
import { persist } from '../barrier/session.ts';
import { silentLogger } from '../base/logger.ts';
import type { EngineType } from '../engine/engine.ts';
import { mergeTokenFields, tokenParameters } from '../engine/login.ts';
import { getLease, leaseIds } from '../leases/records.ts';
import { ROOT_ID } from '../namespaces/namespace.ts';
import { MemoryDisk } from '../store/memory.ts';
import { type LeaseCountQuota, LeaseCounts } from './lease-counts.ts';

const engine: EngineType = {
  type: 'leasing',
  class: 'secret',
  summary: 'For tests.',
  open: () => ({
    paths: [],
    leases: { local: { revoke: () => {} }, slow: { outside: true, revoke: async () => {} } },
  }),
};

interface Bench extends TestDomains {
  quota(name: string, mount: string, more?: { role?: string; suffix?: string; max?: number }): Promise<void>;
  remove(name: string): Promise<void>;
  login(role: string, parent?: string): string;
  lease(path: string, kind?: 'local' | 'slow', tokenKey?: string): string;
  count(name: string): number;
}

async function open(disk = new MemoryDisk(), from?: Bench): Promise<Bench> {
  const domains = await openDomains({
    engines: [engine],
    disk,
    ...(from && { clock: from.clock }),
    seed: from ? 2 : 1,
  });
  const { session, tokens, leases, quotas, mounts } = domains;
  const { leaseCounts } = quotas;
  if (!mounts.root.get('a/')) {
    const within = session();
    for (const path of ['a', 'b']) mounts.enable(within, { path, class: 'secret', type: 'leasing' });
    await persist(within);
  }
  const define = async (change: (within: ReturnType<typeof session>) => void) => {
    const within = session();
    change(within);
    leaseCounts.changed(within);
    await persist(within);
  };
  return {
    ...domains,
    quota: (name, mount, { role = '', suffix = '', max = 1_000_000 } = {}) =>
      define((within) => {
        const scope = { namespace: '', mount, suffix, role };
        const others = [...leaseCounts.records.all(within)].filter((each) => each.name !== name);
        if (others.some((each) => JSON.stringify(each.scope) === JSON.stringify(scope))) return;
        leaseCounts.records.put(within, { name, scope, inheritable: mount === '', maxLeases: max });
      }),
    remove: (name) => define((within) => leaseCounts.records.delete(within, name)),
    login(role, parent) {
      const within = session();
      const { token } = tokens.create(within, {
        type: 'service',
        parent,
        policies: [],
        path: `auth/up/login/${role}`,
        meta: null,
        displayName: '',
        numUses: 0,
        ttl: 3600,
        explicitMaxTtl: 0,
        period: 0,
        renewable: true,
        entityId: '',
        role: '',
        boundCidrs: [],
        login: {
          mountUuid: 'none',
          mountAccessor: 'none',
          aliasName: role,
          role,
          internal: {},
          parameters: tokenParameters(mergeTokenFields({})),
        },
      });
      within.apply();
      return token.key;
    },
    lease(path, kind = 'local', tokenKey = undefined) {
      const within = session();
      const mount = mounts.root.match(path)!.mount;
      const grant = { kind, internal: {}, ttl: 3600, renewable: false };
      const { id } = leases.register(within, { mount, path, grant, tokenKey });
      within.apply();
      return id;
    },
    count: (name) => leaseCounts.leases(session(), name),
  };
}

test('a quota counts what is there when it is made, and what comes and goes after', async () => {
  const bench = await open();
  const first = bench.lease('a/x');
  bench.lease('b/x');
  bench.login('ann');
  await bench.quota('all', '');
  await bench.quota('a', 'a/');
  await bench.quotas.leaseCounts.counted();
  assert.deepEqual([bench.count('all'), bench.count('a')], [2, 1]);
  bench.lease('a/y');
  await bench.leases.revoke(bench.session(), ROOT_ID, first, { wait: true });
  bench.login('bob');
  assert.deepEqual([bench.count('all'), bench.count('a')], [3, 1]);
  await bench.remove('a');
  await bench.quotas.leaseCounts.counted();
  assert.equal(bench.count('all'), 4);
  for (const ms of [1000, 4_000_000]) {
    bench.clock.advance(ms);
    await settle();
  }
  assert.deepEqual([...leaseIds(bench.session(), ROOT_ID, '')], []);
  assert.equal(bench.count('all'), 0);
});

test('there are never more leases than the quota says, and one that ends makes room', async () => {
  const bench = await open();
  await bench.quota('ann', 'auth/up/', { role: 'ann', max: 2 });
  await bench.quotas.leaseCounts.counted();
  const key = bench.login('ann');
  bench.login('ann');
  bench.login('bob');
  assert.throws(() => bench.login('ann'), {
    code: 'quota_exceeded',
    message: '1 error occurred:\n\t* request path "auth/up/login/ann": lease count quota exceeded\n\n',
  });
  const within = bench.session();
  void bench.tokens.revoke(within, key);
  await persist(within);
  bench.login('ann');
  assert.throws(() => bench.login('ann'), { code: 'quota_exceeded' });
});

test('a count that was interrupted goes on where it was, and nothing is counted at a start', async () => {
  const bench = await open();
  for (let i = 0; i < 3500; i++) bench.lease(`a/${i % 7}`);
  await bench.quota('a', 'a/');
  await settle(2);
  bench.quotas.stop();
  await settle();
  const again = await open(bench.disk, bench);
  await again.quotas.leaseCounts.counted();
  assert.equal(again.count('a'), 3500);
  again.quotas.stop();
  await settle();
  let opened = 0;
  const restarted = await open(bench.disk, bench);
  const counts = new LeaseCounts({
    openSession: () => {
      opened++;
      return restarted.session();
    },
    stored: () => false,
    namespacePath: () => '',
    log: silentLogger,
  });
  counts.start(restarted.session());
  await counts.counted();
  assert.equal(opened, 0);
  assert.equal(counts.leases(restarted.session(), 'a'), 3500);
});

test('two who end the same lease at one time end it once', async () => {
  const bench = await open();
  await bench.quota('a', 'a/');
  const id = bench.lease('a/x');
  bench.lease('a/x');
  const [one, other] = [bench.session(), bench.session()];
  for (const within of [one, other]) within.view('leases/id/').delete(id);
  one.apply();
  other.apply();
  assert.equal(bench.count('a'), 1);
  const none = bench.session();
  none.view('leases/id/').delete('a/x/never-there');
  none.apply();
  assert.equal(bench.count('a'), 1);
});

const step = fc.oneof(
  fc.record({ do: fc.constant('login' as const), role: fc.constantFrom('ann', 'bob'), child: fc.boolean() }),
  fc.record({
    do: fc.constant('lease' as const),
    path: fc.constantFrom('a/x', 'a/x/y', 'a/z', 'b/x'),
    slow: fc.boolean(),
    owned: fc.boolean(),
  }),
  fc.record({ do: fc.constant('revoke' as const), nth: fc.nat(20) }),
  fc.record({ do: fc.constant('end token' as const), nth: fc.nat(20) }),
  fc.record({ do: fc.constant('prefix' as const), prefix: fc.constantFrom('a/', 'a/x', 'auth/up/') }),
  fc.record({ do: fc.constant('time' as const), ms: fc.constantFrom(1000, 1_800_000, 4_000_000) }),
  fc.record({ do: fc.constant('quota' as const), name: fc.constantFrom('p', 'q', 'r'), at: fc.nat(6) }),
  fc.record({ do: fc.constant('remove' as const), name: fc.constantFrom('p', 'q', 'r') }),
  fc.record({ do: fc.constant('turns' as const), turns: fc.nat(5) }),
  fc.record({ do: fc.constant('crash' as const) }),
);
const PLACES = [
  ['', {}],
  ['a/', {}],
  ['a/', { suffix: 'x' }],
  ['a/', { suffix: 'x*' }],
  ['auth/up/', {}],
  ['auth/up/', { role: 'ann' }],
  ['b/', {}],
] as const;

async function play(
  bench: Bench,
  action: ReturnType<typeof step.generate> extends { value: infer T } ? T : never,
  keys: string[],
): Promise<Bench> {
  const ids = [...leaseIds(bench.session(), ROOT_ID, '')];
  const ignore = () => {};
  switch (action.do) {
    case 'login':
      keys.push(bench.login(action.role, action.child ? keys.at(-1) : undefined));
      break;
    case 'lease':
      bench.lease(action.path, action.slow ? 'slow' : 'local', action.owned ? keys.at(-1) : undefined);
      break;
    case 'revoke':
      if (ids.length > 0)
        bench.leases
          .revoke(bench.session(), ROOT_ID, ids[action.nth % ids.length]!, { wait: false })
          .catch(ignore);
      break;
    case 'end token': {
      const within = bench.session();
      if (keys.length > 0) void bench.tokens.revoke(within, keys[action.nth % keys.length]!);
      within.apply();
      break;
    }
    case 'prefix':
      bench.leases
        .revokePrefix(bench.session(), ROOT_ID, action.prefix, { force: false, wait: false })
        .catch(ignore);
      break;
    case 'time':
      bench.clock.advance(action.ms);
      break;
    case 'quota': {
      const [mount, more] = PLACES[action.at]!;
      bench.quota(action.name, mount, more).catch(ignore);
      break;
    }
    case 'remove':
      bench.remove(action.name).catch(ignore);
      break;
    case 'turns':
      await settle(action.turns);
      break;
    case 'crash':
      return open(cutOff(bench.disk), bench);
  }
  return bench;
}

/** What is on the disk now, as a server finds it after the one before was cut off. */
function cutOff(disk: MemoryDisk): MemoryDisk {
  const copy = new MemoryDisk();
  for (const [key, value] of disk.values) {
    copy.keys.add(key);
    copy.values.set(key, value);
  }
  copy.revision = disk.revision;
  copy.term = disk.term;
  return copy;
}

/** By going through all leases and asking of each which quota is the most specific. */
function reference(bench: Bench, name: string): number {
  const within = bench.session();
  const quotas = [...bench.quotas.leaseCounts.records.all(within)];
  const rank = ({ scope }: LeaseCountQuota, path: string, role: string) => {
    if (scope.mount === '') return 1;
    if (!path.startsWith(scope.mount)) return 0;
    if (scope.role !== '') return scope.role === role ? 1000 : 0;
    if (scope.suffix === '') return 2;
    const rest = path.slice(scope.mount.length);
    if (scope.suffix.endsWith('*')) return rest.startsWith(scope.suffix.slice(0, -1)) ? 3 : 0;
    return rest === scope.suffix ? 4 : 0;
  };
  let count = 0;
  for (const id of leaseIds(within, ROOT_ID, '')) {
    const of = getLease(within, id)?.of;
    const role = of?.what === 'token' ? (of.role ?? '') : '';
    const path = id.slice(0, id.lastIndexOf('/'));
    const ranked = quotas.filter((each) => rank(each, path, role) > 0);
    ranked.sort((x, y) => rank(y, path, role) - rank(x, path, role));
    if (ranked[0]?.name === name) count++;
  }
  return count;
}

test('whatever happens, a counter is what counting all leases gives', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      let bench = await open();
      const keys: string[] = [];
      for (const action of steps) bench = await play(bench, action, keys);
      await settle();
      await bench.quotas.leaseCounts.counted();
      for (const { name } of bench.quotas.leaseCounts.records.all(bench.session()))
        assert.equal(bench.count(name), reference(bench, name), name);
      bench.leases.stop();
      bench.tokens.stop();
      bench.quotas.stop();
    }),
    { numRuns: 150 },
  );
});
