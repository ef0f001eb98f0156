import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { QuotaExceeded } from '../base/errors.ts';
import { CeremonyThrottle } from './throttle.ts';

function open() {
  const clock = new ManualClock();
  return { clock, throttle: new CeremonyThrottle(clock) };
}

test('one address cannot ask without end, and keeps nobody else from asking', () => {
  const { clock, throttle } = open();
  for (let call = 0; call < 300; call++) throttle.call('192.0.2.1');
  assert.throws(() => throttle.call('192.0.2.1'), QuotaExceeded);
  assert.throws(() => throttle.call('::ffff:192.0.2.1'), QuotaExceeded);
  throttle.call('192.0.2.2');
  clock.advance(500);
  throttle.call('192.0.2.1');
  assert.throws(() => throttle.call('192.0.2.1'), QuotaExceeded);
});

test('all addresses of one IPv6 network count as one', () => {
  const { throttle } = open();
  for (let call = 0; call < 300; call++) throttle.call(`2001:db8:1:2::${call.toString(16)}`);
  assert.throws(() => throttle.call('2001:db8:1:2:ffff::1'), QuotaExceeded);
  assert.throws(() => throttle.call('2001:db8:1:2:ffff::1%eth0'), QuotaExceeded);
  throttle.call('2001:db8:1:3::1');
});

test('many addresses are counted in bounded memory', () => {
  const { throttle } = open();
  for (let call = 0; call < 300; call++) throttle.call('192.0.2.1');
  for (let n = 0; n < 999; n++) throttle.call(`198.51.${n >> 8}.${n & 255}`);
  assert.throws(() => throttle.call('192.0.2.1'), QuotaExceeded);
});

test('beginning is limited for everybody together', () => {
  const { clock, throttle } = open();
  for (let start = 0; start < 20; start++) throttle.start();
  assert.throws(() => throttle.start(), QuotaExceeded);
  clock.advance(29_000);
  assert.throws(() => throttle.start(), QuotaExceeded);
  clock.advance(2_000);
  throttle.start();
});
