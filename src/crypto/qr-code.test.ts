import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inflateSync } from 'node:zlib';
import jsQr from 'jsqr';
import { qrPng } from './qr-code.ts';

/** The shades of a PNG as `qrPng` makes them: one chunk of data, rows without a filter. */
function shadesOf(png: Buffer): { width: number; shades: Buffer } {
  assert.equal(png.subarray(1, 4).toString(), 'PNG');
  const width = png.readUInt32BE(16);
  const start = png.indexOf('IDAT');
  const data = inflateSync(png.subarray(start + 4, start + 4 + png.readUInt32BE(start - 4)));
  const rows = Array.from({ length: width }, (_, y) =>
    data.subarray(y * (width + 1) + 1, (y + 1) * (width + 1)),
  );
  return { width, shades: Buffer.concat(rows) };
}

test('a camera reads what was written', () => {
  for (const text of ['otpauth://totp/Acme:ann?secret=MZXW6YTB&issuer=Acme', 'ü€😀'.repeat(20)]) {
    const { width, shades } = shadesOf(qrPng(text, 300));
    assert.ok(width > 200 && width <= 300);
    const rgba = Uint8ClampedArray.from([...shades].flatMap((shade) => [shade, shade, shade, 255]));
    const read = jsQr.default(rgba, width, width);
    assert.equal(Buffer.from(read?.binaryData ?? []).toString(), text);
  }
});
