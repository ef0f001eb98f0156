import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from './errors.ts';
import { parseHead } from './request-head.ts';

const parse = (text: string) => parseHead(Buffer.from(text, 'latin1'));

const GOOD =
  'LIST /v1/secret/metadata?x=1 HTTP/1.1\r\nHost: a:8200\r\nX-Vault-Token:  t\t \r\nAccept: a\r\nACCEPT: b\r\n';

describe('request head', () => {
  test('method, target and fields', () => {
    const head = parse(GOOD);
    assert.equal(head.method, 'LIST');
    assert.equal(head.target, '/v1/secret/metadata?x=1');
    assert.deepEqual({ ...head.headers }, { host: 'a:8200', 'x-vault-token': 't', accept: 'a, b' });
    assert.equal(Object.getPrototypeOf(head.headers), null);
    assert.deepEqual(head.framing, { kind: 'length', bytes: 0 });
    assert.equal(head.keepAlive, true);
  });

  test('names of Object.prototype are plain names', () => {
    const { headers } = parse('GET / HTTP/1.1\r\nHost: a\r\n__proto__: b\r\nConstructor: c\r\n');
    assert.deepEqual(Object.keys(headers), ['host', '__proto__', 'constructor']);
  });

  test('UTF-8 is read as such; other bytes above ASCII are refused', () => {
    const head = parseHead(
      Buffer.from('GET /v1/schlüssel HTTP/1.1\r\nHost: a\r\nX-Vault-Namespace: zürich\r\n'),
    );
    assert.equal(head.target, '/v1/schlüssel');
    assert.equal(head.headers['x-vault-namespace'], 'zürich');
    assert.throws(() => parse('GET /\xfc HTTP/1.1\r\nHost: a\r\n'), { status: 400 });
    assert.throws(() => parse('GET / HTTP/1.1\r\nHost: a\r\nX: \xfc\r\n'), { status: 400 });
  });

  test('the absolute form is taken for its path', () => {
    assert.equal(parse('GET http://a:8200/v1/x?y HTTP/1.1\r\nHost: a\r\n').target, '/v1/x?y');
    assert.equal(parse('GET https://a HTTP/1.1\r\nHost: a\r\n').target, '/');
  });

  test('persistence', () => {
    const keepAlive = (line: string) => parse(`GET / ${line}\r\n`).keepAlive;
    assert.equal(keepAlive('HTTP/1.1\r\nHost: a'), true);
    assert.equal(keepAlive('HTTP/1.1\r\nHost: a\r\nConnection: Close'), false);
    assert.equal(keepAlive('HTTP/1.1\r\nHost: a\r\nConnection: TE, close'), false);
    assert.equal(keepAlive('HTTP/1.0'), false);
    assert.equal(keepAlive('HTTP/1.0\r\nConnection: keep-alive'), true);
  });

  test('framing', () => {
    const framing = (fields: string) => parse(`POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`).framing;
    assert.deepEqual(framing('Content-Length: 12'), { kind: 'length', bytes: 12 });
    assert.deepEqual(framing('Transfer-Encoding: Chunked'), { kind: 'chunked' });
  });

  const host = 'Host: a\r\n';
  for (const [name, status, text] of [
    ['both lengths', 400, `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n`],
    ['two lengths', 400, `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n`],
    ['one length twice', 400, `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 1\r\n`],
    ['a list of lengths', 400, `POST / HTTP/1.1\r\n${host}Content-Length: 1, 1\r\n`],
    ['a signed length', 400, `POST / HTTP/1.1\r\n${host}Content-Length: +1\r\n`],
    ['a negative length', 400, `POST / HTTP/1.1\r\n${host}Content-Length: -1\r\n`],
    ['a hexadecimal length', 400, `POST / HTTP/1.1\r\n${host}Content-Length: 0x1\r\n`],
    ['an empty length', 400, `POST / HTTP/1.1\r\n${host}Content-Length:\r\n`],
    ['an enormous length', 400, `POST / HTTP/1.1\r\n${host}Content-Length: 99999999999999999999\r\n`],
    ['chunked twice', 501, `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, chunked\r\n`],
    [
      'two encoding fields',
      501,
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n`,
    ],
    ['gzip', 501, `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n`],
    ['chunked with a vertical tab', 400, `POST / HTTP/1.1\r\n${host}Transfer-Encoding: \x0bchunked\r\n`],
    ['chunked in HTTP/1.0', 400, 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n'],
    ['white space before the colon', 400, `POST / HTTP/1.1\r\n${host}Transfer-Encoding : chunked\r\n`],
    ['a folded field', 400, `GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n`],
    ['a field without a name', 400, `GET / HTTP/1.1\r\n${host}: a\r\n`],
    ['a field without a colon', 400, `GET / HTTP/1.1\r\n${host}abc\r\n`],
    ['a bare line feed', 400, `GET / HTTP/1.1\r\n${host}X: a\nY: b\r\n`],
    ['a bare carriage return', 400, `GET / HTTP/1.1\r\n${host}X: a\rY: b\r\n`],
    ['NUL', 400, `GET / HTTP/1.1\r\n${host}X: a\0\r\n`],
    ['white space in front of the first field', 400, `GET / HTTP/1.1\r\n ${host}`],
    ['no host', 400, 'GET / HTTP/1.1\r\n'],
    ['two hosts', 400, `GET / HTTP/1.1\r\n${host}${host}`],
    ['a host with a path', 400, 'GET / HTTP/1.1\r\nHost: a/b\r\n'],
    ['HTTP/2', 505, `GET / HTTP/2.0\r\n${host}`],
    ['HTTP/1.2', 505, `GET / HTTP/1.2\r\n${host}`],
    ['HTTP/0.9', 400, 'GET /\r\n'],
    ['lower case HTTP', 400, `GET / http/1.1\r\n${host}`],
    ['two spaces', 400, `GET  / HTTP/1.1\r\n${host}`],
    ['a space in the target', 400, `GET /a b HTTP/1.1\r\n${host}`],
    ['a space at the end', 400, `GET / HTTP/1.1 \r\n${host}`],
    ['a method that is no token', 400, `G(T / HTTP/1.1\r\n${host}`],
    ['a method without an end', 400, `${'A'.repeat(33)} / HTTP/1.1\r\n${host}`],
    ['an asterisk', 400, `OPTIONS * HTTP/1.1\r\n${host}`],
    ['an authority', 400, `CONNECT a:1 HTTP/1.1\r\n${host}`],
    ['another scheme', 400, `GET ftp://a/ HTTP/1.1\r\n${host}`],
    ['too many fields', 431, `GET / HTTP/1.1\r\n${host}${'a: b\r\n'.repeat(256)}`],
    ['an unknown expectation', 417, `POST / HTTP/1.1\r\n${host}Expect: 200-ok\r\n`],
  ] as const) {
    test(`${name}: ${status}`, () => {
      assert.throws(
        () => parse(text),
        (error) => error instanceof ProtocolError && error.status === status,
      );
    });
  }

  test('any damage is read or refused, never anything else', () => {
    fc.assert(
      fc.property(fc.nat(GOOD.length - 1), fc.uint8Array({ maxLength: 3 }), fc.nat(3), (at, insert, drop) => {
        const bytes = Buffer.from(GOOD, 'latin1');
        const damaged = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + drop)]);
        try {
          const head = parseHead(damaged);
          assert.ok(head.target.startsWith('/'));
          for (const value of Object.values(head.headers)) assert.doesNotMatch(value, /[\r\n\0]/);
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      }),
      { numRuns: 3000 },
    );
  });
});
