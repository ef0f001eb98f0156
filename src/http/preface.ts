import { isIP } from 'node:net';
import { ProtocolError } from './errors.ts';
import type { Remote } from './remote.ts';

/** The header that a load balancer writes before the first byte of the client. */
export interface ProxyHeader {
  /** Undefined when the balancer speaks for itself (`UNKNOWN`, `LOCAL`: health checks). */
  readonly remote: Remote | undefined;
  /** Bytes that the header takes. */
  readonly length: number;
}

const V1_START = Buffer.from('PROXY ');
const V1_BYTES_MAX = 107;
const V2_START = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const V2_FIXED_BYTES = 16;
const V2_BYTES_MAX = V2_FIXED_BYTES + 1024;

/**
 * Reads a PROXY protocol header, version 1 or 2, from the first bytes of a connection: `incomplete` while more are
 * needed, undefined when there is none. Throws `ProtocolError` on a broken one.
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | 'incomplete' | undefined {
  if (startsLike(bytes, V1_START)) return bytes.length < V1_START.length ? 'incomplete' : version1(bytes);
  if (startsLike(bytes, V2_START)) return bytes.length < V2_FIXED_BYTES ? 'incomplete' : version2(bytes);
  return undefined;
}

function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.subarray(0, length).equals(start.subarray(0, length));
}

function broken(): ProtocolError {
  return new ProtocolError(400, 'malformed PROXY protocol header');
}

function version1(bytes: Buffer): ProxyHeader | 'incomplete' {
  const end = bytes.indexOf('\r\n', 0, 'latin1');
  if (end > V1_BYTES_MAX - 2 || (end < 0 && bytes.length >= V1_BYTES_MAX)) throw broken();
  if (end < 0) return 'incomplete';
  const [, family, source = '', destination = '', port = '', ...rest] = bytes
    .toString('latin1', 0, end)
    .split(' ');
  const length = end + 2;
  if (family === 'UNKNOWN') return { remote: undefined, length };
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : 0;
  const isGood =
    version !== 0 && isIP(source) === version && isIP(destination) === version && rest.length === 1;
  if (!isGood || !/^\d{1,5}$/.test(port) || Number(port) > 65535) throw broken();
  return { remote: { address: source, port: Number(port) }, length };
}

/** Section 2.2 of the PROXY protocol: signature, version and command, family, length, addresses, extensions. */
function version2(bytes: Buffer): ProxyHeader | 'incomplete' {
  const command = bytes[12]!;
  const family = bytes[13]!;
  const length = V2_FIXED_BYTES + bytes.readUInt16BE(14);
  if (command >> 4 !== 2 || (command & 0x0f) > 1 || length > V2_BYTES_MAX) throw broken();
  if (bytes.length < length) return 'incomplete';
  if ((command & 0x0f) === 0) return { remote: undefined, length };
  const addressBytes = family === 0x11 ? 4 : family === 0x21 ? 16 : 0;
  if (addressBytes === 0) return { remote: undefined, length };
  if (length < V2_FIXED_BYTES + 2 * addressBytes + 4) throw broken();
  const source = bytes.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + addressBytes);
  const port = bytes.readUInt16BE(V2_FIXED_BYTES + 2 * addressBytes);
  return { remote: { address: addressText(source), port }, length };
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return groups.join(':');
}
