import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ProtocolError } from './errors.ts';
import { parseProxyHeader } from './preface.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const text = (value: string) => Buffer.from(value, 'latin1');
const hex = (value: string) => Buffer.from(value.replaceAll(' ', ''), 'hex');

describe('PROXY header', () => {
  test('version 1', () => {
    const line = 'PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n';
    assert.deepEqual(parseProxyHeader(text(`${line}GET /`)), {
      remote: { address: '192.0.2.1', port: 56324 },
      length: line.length,
    });
    const six = 'PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n';
    assert.deepEqual(parseProxyHeader(text(six)), {
      remote: { address: '2001:db8::1', port: 1 },
      length: six.length,
    });
    assert.deepEqual(parseProxyHeader(text('PROXY UNKNOWN\r\n')), { remote: undefined, length: 15 });
  });

  test('version 2', () => {
    const tcp4 = hex(`${SIGNATURE} 21 11 000c c0000201 c6336401 dc04 01bb`);
    assert.deepEqual(parseProxyHeader(tcp4), { remote: { address: '192.0.2.1', port: 56324 }, length: 28 });
    const tcp6 = hex(
      `${SIGNATURE} 21 21 0027 20010db8${'00'.repeat(11)}01 ${'00'.repeat(16)} 0050 01bb 040000`,
    );
    assert.deepEqual(parseProxyHeader(tcp6), {
      remote: { address: '2001:db8:0:0:0:0:0:1', port: 80 },
      length: 55,
    });
    assert.deepEqual(parseProxyHeader(hex(`${SIGNATURE} 20 00 0000`)), { remote: undefined, length: 16 });
  });

  test('nothing is decided too early', () => {
    const whole = [
      text('PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n'),
      hex(`${SIGNATURE} 21 11 000c c0000201 c6336401 dc04 01bb`),
    ];
    for (const bytes of whole) {
      for (let length = 1; length < bytes.length; length += 1) {
        assert.equal(parseProxyHeader(bytes.subarray(0, length)), 'incomplete');
      }
    }
    for (const other of ['GET / HTTP/1.1', 'PUT /', 'PROPFIND', '\x16\x03\x01', '\r\nGET']) {
      assert.equal(parseProxyHeader(text(other)), undefined);
    }
  });

  for (const [name, bytes] of [
    ['a family that is none', text('PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n')],
    ['an address of the other family', text('PROXY TCP4 ::1 1.1.1.1 1 1\r\n')],
    ['a port that is none', text('PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n')],
    ['too few fields', text('PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n')],
    ['too many fields', text('PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n')],
    ['a line without an end', text(`PROXY ${'x'.repeat(200)}`)],
    ['version 3', hex(`${SIGNATURE} 31 11 000c`)],
    ['an unknown command', hex(`${SIGNATURE} 22 11 000c`)],
    ['a length that is too short', hex(`${SIGNATURE} 21 11 0004 c0000201`)],
    ['a length that is too long', hex(`${SIGNATURE} 21 11 ffff`)],
  ] as const) {
    test(`${name} is refused`, () => {
      assert.throws(() => parseProxyHeader(bytes), ProtocolError);
    });
  }
});
