import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { bodyReader } from './body-reader.ts';
import { ProtocolError } from './errors.ts';
import type { Framing } from './request-head.ts';

/** Feeds the bytes in the given pieces, as a connection does; returns the body and what was left over. */
function readAll(framing: Framing, pieces: readonly Buffer[], bytesMax = 1000) {
  const reader = bodyReader(framing, bytesMax);
  let pending = Buffer.alloc(0);
  for (const piece of pieces) {
    pending = Buffer.concat([pending, piece]);
    if (!reader.done) pending = pending.subarray(reader.read(pending));
  }
  return { done: reader.done, body: reader.body.toString('latin1'), left: pending.toString('latin1') };
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length));
}

function fails(status: number, text: string, bytesMax?: number): void {
  assert.throws(
    () => readAll({ kind: 'chunked' }, [Buffer.from(text, 'latin1')], bytesMax),
    (error) => error instanceof ProtocolError && error.status === status,
  );
}

describe('body reader', () => {
  test('a length in any pieces, with the next request left alone', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.array(fc.nat()), (body, cuts) => {
        const bytes = Buffer.concat([body, Buffer.from('GET /')]);
        const result = readAll({ kind: 'length', bytes: body.length }, split(bytes, cuts));
        assert.deepEqual(result, { done: true, body: Buffer.from(body).toString('latin1'), left: 'GET /' });
      }),
    );
  });

  test('chunks of any sizes in any pieces', () => {
    const chunk = fc.uint8Array({ minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(
        fc.array(chunk, { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (chunks, cuts) => {
          const parts = chunks.flatMap((bytes, index) => [
            `${bytes.length.toString(16)}${index % 2 ? ' ;name=value' : ''}\r\n`,
            bytes,
            '\r\n',
          ]);
          const all = [...parts, '0\r\nTrailer: x\r\n\r\n', 'GET /'].map((part) =>
            Buffer.from(part as string),
          );
          const result = readAll({ kind: 'chunked' }, split(Buffer.concat(all), cuts));
          const body = Buffer.concat(chunks).toString('latin1');
          assert.deepEqual(result, { done: true, body, left: 'GET /' });
        },
      ),
    );
  });

  for (const text of [
    'x\r\n',
    '-1\r\n',
    '0x5\r\n',
    '+5\r\nhello\r\n',
    ' 5\r\nhello\r\n',
    '\r\n',
    '5\nhello\r\n0\r\n\r\n',
    '5\r\nhelloX\r\n0\r\n\r\n',
    '5\r\nhello world\r\n',
    '5;a\rb\r\nhello\r\n',
    '5;a\nb\r\nhello\r\n',
    '123456789\r\n',
    `5;${'x'.repeat(2000)}`,
    'f'.repeat(2000),
  ]) {
    test(`${JSON.stringify(text.slice(0, 24))} is refused`, () => fails(400, text));
  }

  test('limits', () => {
    assert.throws(() => bodyReader({ kind: 'length', bytes: 11 }, 10), {
      status: 413,
      message: 'http: request body too large',
    });
    fails(413, 'b\r\n', 10);
    fails(413, '5\r\nhello\r\n6\r\n', 10);
    fails(431, `0\r\n${'a: b\r\n'.repeat(2000)}`);
  });

  test('single bytes cost no more than the body', () => {
    const body = Buffer.alloc(50_000, 'x');
    const pieces = Array.from(body, (byte) => Buffer.from([byte]));
    assert.equal(readAll({ kind: 'length', bytes: body.length }, pieces, 50_000).done, true);
  });
});
