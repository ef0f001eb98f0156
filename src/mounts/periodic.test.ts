import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDomains, settle } from '../../test/domains.ts';
import { persist } from '../barrier/session.ts';
import { silentLogger } from '../base/logger.ts';
import type { EngineType, PeriodicWork } from '../engine/engine.ts';
import { ROOT_NAMESPACE } from '../namespaces/namespace.ts';
import { Periodic } from './periodic.ts';

async function open(run: PeriodicWork['run']) {
  const periodicWork = { name: 'work', everySeconds: 60, run };
  const domains = await openDomains({
    engines: [
      { type: 'busy', class: 'secret', summary: '', open: () => ({ paths: [], periodic: [periodicWork] }) },
    ],
  });
  domains.mounts.enable(domains.session(), { path: 'busy', class: 'secret', type: 'busy' });
  const { mounts, clock, session, work } = domains;
  const periodic = new Periodic({
    mounts,
    openSession: session,
    work,
    clock,
    log: silentLogger,
  });
  periodic.start();
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      clock.advance(1000);
      await settle(3);
    }
  };
  return { ...domains, periodic, pass };
}

test('work is done when it is due, and its writes are kept', async () => {
  let runs = 0;
  const { periodic, pass, session, mounts } = await open(({ view }) => view.put('runs', ++runs));
  await pass(1);
  assert.equal(runs, 1);
  await pass(59);
  assert.equal(runs, 1);
  await pass(1);
  assert.equal(runs, 2);
  assert.equal(
    session()
      .view(`logical/${mounts.root.get('busy/')!.entry.uuid}/`)
      .get('runs'),
    2,
  );
  await periodic.stop();
  await pass(120);
  assert.equal(runs, 2);
});

for (const [how, fail] of [
  [
    'throws',
    () => {
      throw new Error('no');
    },
  ],
  [
    'rejects',
    async () => {
      throw new Error('no');
    },
  ],
] as const) {
  test(`work that ${how} is tried again, its writes forgotten`, async () => {
    let runs = 0;
    const { periodic, pass, session } = await open((context) => {
      runs++;
      context.view.put('half', true);
      return fail();
    });
    await pass(122);
    assert.equal(runs, 3);
    assert.deepEqual([...session().view('logical/').keys('')], []);
    await periodic.stop();
  });
}

test('one piece of work is not begun twice; stopping waits for it', async () => {
  let runs = 0;
  let finish = () => {};
  const { periodic, pass } = await open(() => {
    runs++;
    return new Promise((resolve) => (finish = resolve));
  });
  await pass(130);
  assert.equal(runs, 1);
  let stopped = false;
  const stopping = periodic.stop().then(() => (stopped = true));
  await settle();
  assert.equal(stopped, false);
  finish();
  await stopping;
});

test('a mount of another namespace that nobody has used since the start is woken where its type says so', async () => {
  const runs: string[] = [];
  const type = (name: string, wakes: boolean): EngineType => ({
    type: name,
    class: 'secret',
    summary: '',
    wakes,
    open: ({ mount }) => ({
      paths: [],
      periodic: [{ name: 'work', everySeconds: 60, run: () => void runs.push(mount.type) }],
    }),
  });
  const engines = [type('restless', true), type('sleepy', false)];
  const first = await openDomains({ engines });
  const session = first.session();
  const namespace = first.namespaces.create(session, ROOT_NAMESPACE, { name: 'a', customMetadata: {} });
  session.apply();
  for (const { type: name } of engines)
    first.mounts.enable(session, { namespace, path: name, class: 'secret', type: name });
  await persist(session);
  const { mounts, clock, work, session: openSession } = await openDomains({ engines, disk: first.disk });
  const periodic = new Periodic({ mounts, openSession, work, clock, log: silentLogger });
  periodic.start();
  clock.advance(1000);
  await settle(3);
  assert.deepEqual(runs, ['restless']);
  await periodic.stop();
});
