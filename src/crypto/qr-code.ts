import { crc32, deflateSync } from 'node:zlib';
import { encode } from 'uqr';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const QUIET_MODULES = 4;

/** `text` as a QR code: a PNG (ISO/IEC 15948) in shades of grey, about `pixels` wide, with the quiet zone around it. */
export function qrPng(text: string, pixels: number): Buffer {
  const { data, size } = encode(text, { border: QUIET_MODULES });
  const scale = Math.max(1, Math.floor(pixels / size));
  const width = size * scale;
  const rows = data.flatMap((modules) => {
    const row = Buffer.alloc(1 + width, 0xff);
    row[0] = 0;
    modules.forEach((dark, column) => {
      if (dark) row.fill(0, 1 + column * scale, 1 + (column + 1) * scale);
    });
    return Array<Buffer>(scale).fill(row);
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(width, 4);
  header[8] = 8;
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
