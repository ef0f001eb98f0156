import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InvalidRequest } from '../base/errors.ts';
import { addressList, type ForwardedForRules, forwardedRemote, listHolds } from './remote.ts';

const RULES: ForwardedForRules = {
  authorized: addressList(['10.0.0.0/8', 'fd00::1']),
  hopSkips: 0,
  rejectNotPresent: true,
  rejectNotAuthorized: true,
};
const PROXY = { address: '10.1.2.3', port: 1000 };
const STRANGER = { address: '192.0.2.1', port: 1000 };

describe('remote address', () => {
  test('address lists', () => {
    assert.equal(addressList([]), undefined);
    assert.equal(addressList(['', ' ']), undefined);
    const list = addressList([' 10.0.0.0/8', '192.0.2.7', '2001:db8::/32'])!;
    for (const address of ['10.255.0.1', '192.0.2.7', '2001:db8:1::1']) assert.ok(listHolds(list, address));
    for (const address of ['11.0.0.1', '192.0.2.8', '2001:db9::1', '', 'x', '10.0.0.1/8'])
      assert.ok(!listHolds(list, address));
    for (const text of [
      'x',
      '10.0.0.0/33',
      '10.0.0.0/x',
      '10.0.0.0/',
      '10.0.0.0/8/8',
      '::/129',
      '10.0.0.0/-1',
    ]) {
      assert.throws(() => addressList([text]), InvalidRequest, text);
    }
  });

  test('the header counts only when the listener believes somebody', () => {
    assert.deepEqual(forwardedRemote(PROXY, '1.1.1.1', { ...RULES, authorized: undefined }), PROXY);
    assert.deepEqual(forwardedRemote(PROXY, '1.1.1.1', RULES), { address: '1.1.1.1', port: 1000 });
    assert.deepEqual(forwardedRemote(PROXY, ' ::ffff:1.1.1.1 ', RULES).address, '1.1.1.1');
  });

  test('a header that is missing or comes from a stranger', () => {
    assert.throws(() => forwardedRemote(PROXY, undefined, RULES), /missing x-forwarded-for header/);
    assert.throws(() => forwardedRemote(STRANGER, '1.1.1.1', RULES), /client address not authorized/);
    const lax = { ...RULES, rejectNotPresent: false, rejectNotAuthorized: false };
    assert.equal(forwardedRemote(PROXY, '', lax), PROXY);
    assert.equal(forwardedRemote(STRANGER, '1.1.1.1', lax), STRANGER);
  });

  test('hops are skipped from the rear', () => {
    const chain = '1.2.3.4, 2.3.4.5, 3.4.5.6, 4.5.6.7';
    const skipping = (hopSkips: number) => forwardedRemote(PROXY, chain, { ...RULES, hopSkips }).address;
    assert.equal(skipping(0), '4.5.6.7');
    assert.equal(skipping(1), '3.4.5.6');
    assert.equal(skipping(3), '1.2.3.4');
    assert.throws(
      () => skipping(4),
      /hops to skip \(4\) would skip before earliest chain link \(chain length 4\)/,
    );
  });

  test('what is no address is refused', () => {
    for (const header of ['localhost', '1.1.1.1:80', '1.1.1.1,', '1.1.1']) {
      assert.throws(() => forwardedRemote(PROXY, header, RULES), InvalidRequest);
    }
  });
});
