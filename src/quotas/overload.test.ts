import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import { OVERLOAD_LIMITS_DEFAULT, OverloadGuard, type OverloadLimits } from './overload.ts';

function guard(limits: Partial<OverloadLimits> = {}) {
  const clock = new ManualClock();
  const load = { requestsInFlight: 0, newest: 0, durable: 0 };
  const said: string[] = [];
  const log = {
    ...silentLogger,
    warn: (message: string) => void said.push(message),
    info: (message: string) => void said.push(message),
  };
  const overload = new OverloadGuard({
    limits: { ...OVERLOAD_LIMITS_DEFAULT, ...limits },
    load: { requestsInFlight: () => load.requestsInFlight, revisions: () => load },
    clock,
    log,
  });
  overload.start();
  return { clock, load, said, overload };
}

/** The event loop hangs for so long, again and again. */
function hang(clock: ManualClock, ms: number, times: number): void {
  for (let i = 0; i < times; i++) {
    clock.skip(ms);
    clock.advance(0);
  }
}

test('one long stop of the event loop is no overload, running late all the time is', () => {
  const { clock, overload, said } = guard();
  for (const ms of [2000, 3_600_000]) {
    hang(clock, ms, 1);
    assert.equal(overload.shedding, undefined);
    clock.advance(5000);
  }
  hang(clock, 1600, 6);
  assert.equal(overload.shedding, 'event_loop');
  clock.advance(200);
  assert.equal(overload.shedding, 'event_loop', 'until it is well under the limit');
  clock.advance(1500);
  assert.equal(overload.shedding, undefined);
  assert.deepEqual(said, ['overloaded: new work is refused', 'no longer overloaded']);
});

test('too many requests under way are an overload until half of them are done', () => {
  const { clock, load, overload } = guard({ requestsInFlight: 100 });
  load.requestsInFlight = 100;
  clock.advance(1000);
  assert.equal(overload.shedding, undefined);
  load.requestsInFlight = 101;
  clock.advance(100);
  assert.equal(overload.shedding, 'in_flight');
  load.requestsInFlight = 51;
  clock.advance(1000);
  assert.equal(overload.shedding, 'in_flight');
  load.requestsInFlight = 50;
  clock.advance(100);
  assert.equal(overload.shedding, undefined);
});

test('writes that wait for their commit are an overload; many quick commits are none', () => {
  const { clock, load, overload } = guard();
  for (let i = 1; i < 100; i++) {
    load.newest = i * 10;
    load.durable = i * 10 - 5;
    clock.advance(100);
  }
  assert.equal(overload.shedding, undefined);
  clock.advance(5200);
  assert.equal(overload.shedding, 'commits');
  load.durable = load.newest;
  clock.advance(200);
  assert.equal(overload.shedding, undefined);
});

test('it can be turned off, wholly or in part', () => {
  const off = guard({ disabled: true });
  off.load.requestsInFlight = 1_000_000;
  off.clock.advance(1000);
  assert.equal(off.overload.shedding, undefined);
  const partly = guard({ requestsInFlight: 0 });
  partly.load.requestsInFlight = 1_000_000;
  partly.clock.advance(1000);
  assert.equal(partly.overload.shedding, undefined);
  partly.overload.stop();
  hang(partly.clock, 5000, 10);
  assert.equal(partly.overload.shedding, undefined);
});
