import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidRequest } from '../base/errors.ts';
import { cidrContains, cidrSubset, isCidrOrAddress, parseCidr, parseCidrList, plainAddress } from './cidr.ts';

test('networks and addresses match what lies in them', () => {
  const ranges = parseCidrList(['10.0.0.0/8', '192.168.1.7', ' 2001:db8::/32 ', '']);
  for (const inside of ['10.255.1.2', '192.168.1.7', '2001:db8:1::5', '::ffff:10.0.0.1', '::ffff:a00:1']) {
    assert.equal(cidrContains(ranges, inside), true, inside);
  }
  for (const outside of ['11.0.0.1', '192.168.1.8', '2001:db9::1', '::a00:1', 'example', '', '10.0.0.1/8']) {
    assert.equal(cidrContains(ranges, outside), false, outside);
  }
});

test('a zone does not matter to an address and is refused in a range', () => {
  assert.equal(cidrContains([parseCidr('fe80::/10')], 'fe80::1%eth0'), true);
  assert.throws(() => parseCidr('fe80::%eth0/10'), InvalidRequest);
});

test('the IPv4 and IPv6 wholes are apart', () => {
  assert.equal(cidrContains([parseCidr('0.0.0.0/0')], '8.8.8.8'), true);
  assert.equal(cidrContains([parseCidr('0.0.0.0/0')], '2001:db8::1'), false);
  assert.equal(cidrContains([parseCidr('::/0')], '2001:db8::1'), true);
});

test('a mask of one address is not shown', () => {
  const shown = parseCidrList(['127.0.0.1/32', '127.0.0.1', '::1/128', '10.1.2.3/8']).map(({ text }) => text);
  assert.deepEqual(shown, ['127.0.0.1', '127.0.0.1', '::1', '10.1.2.3/8']);
});

test('anything else is refused', () => {
  for (const bad of [
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0/8',
    '::/129',
    'a/8',
    '10.0.0.0/8/8',
    '1.2.3.4/8 x',
    '/8',
    '10.0.0.0/1e1',
  ]) {
    assert.throws(() => parseCidr(bad), InvalidRequest, bad);
  }
});

test('subsets', () => {
  const outer = parseCidrList(['10.0.0.0/8', '::1']);
  assert.equal(cidrSubset(parseCidrList(['10.1.0.0/16', '10.0.0.1', '::1']), outer), true);
  assert.equal(cidrSubset(parseCidrList(['10.1.0.0/16', '11.0.0.1']), outer), false);
  assert.equal(cidrSubset(parseCidrList(['0.0.0.0/0']), outer), false);
  assert.equal(cidrSubset([], outer), true);
});

test('agrees with node:net for every network and address', () => {
  const near4 = fc
    .tuple(fc.constantFrom(10, 11), fc.nat(255), fc.nat(3), fc.nat(255))
    .map((b) => b.join('.'));
  const near6 = fc
    .tuple(fc.constantFrom('2001:db8', '2001:db9', 'fe80:0'), fc.nat(3), fc.nat(0xffff))
    .map(([head, middle, last]) => `${head}:${middle}::${last.toString(16)}`);
  const pair = fc.oneof(
    fc.tuple(near4, fc.nat(32), near4, fc.constant('ipv4' as const)),
    fc.tuple(near6, fc.nat(128), near6, fc.constant('ipv6' as const)),
    fc.tuple(fc.ipV4(), fc.nat(32), fc.ipV4(), fc.constant('ipv4' as const)),
    fc.tuple(fc.ipV6(), fc.nat(128), fc.ipV6(), fc.constant('ipv6' as const)),
  );
  fc.assert(
    fc.property(pair, ([network, prefix, address, family]) => {
      const reference = new BlockList();
      reference.addSubnet(network, prefix, family);
      assert.equal(
        cidrContains([parseCidr(`${network}/${prefix}`)], address),
        reference.check(address, family),
      );
    }),
    { numRuns: 500 },
  );
});

test('plain addresses', () => {
  assert.equal(plainAddress('::ffff:127.0.0.1'), '127.0.0.1');
  assert.equal(plainAddress('fe80::1%lo'), 'fe80::1');
  assert.equal(plainAddress('::1'), '::1');
});

test('isCidrOrAddress tells what parses', () => {
  assert.equal(isCidrOrAddress('10.0.0.0/8'), true);
  assert.equal(isCidrOrAddress('10.0.0.0/99'), false);
});
