import { isIP } from 'node:net';
import { InvalidRequest } from '../base/errors.ts';

/** A range of addresses: an IPv4 or IPv6 network in CIDR form, or one address. */
export interface Cidr {
  /** As the API shows it: the text that was given, without the mask when the mask covers one address only. */
  readonly text: string;
  /** The network as an IPv6 number; IPv4 lies at ::ffff:0:0/96, so that mapped and plain forms are one. */
  readonly network: bigint;
  /** Leading bits that count, 0 to 128 (IPv4 prefixes start at 96). */
  readonly prefixBits: number;
}

const MAPPED_IPV4 = 0xffff_0000_0000n;

/** Parses `10.0.0.0/8`, `2001:db8::/32` or a plain address. Throws `InvalidRequest`. */
export function parseCidr(text: string): Cidr {
  const trimmed = text.trim();
  const [addressText = '', prefixText, ...rest] = trimmed.split('/');
  const address = addressText.includes('%') ? undefined : addressNumber(addressText);
  const widthBits = isIP(addressText) === 4 ? 32 : 128;
  const givenBits = prefixText === undefined ? widthBits : prefixNumber(prefixText);
  if (address === undefined || givenBits === undefined || givenBits > widthBits || rest.length > 0) {
    throw new InvalidRequest(`invalid CIDR or IP address ${JSON.stringify(text)}`);
  }
  const prefixBits = 128 - widthBits + givenBits;
  const network = address & maskOf(prefixBits);
  return { text: givenBits === widthBits ? addressText : trimmed, network, prefixBits };
}

/** Parses each text; empty ones are skipped. Throws `InvalidRequest` naming the first bad one. */
export function parseCidrList(texts: readonly string[]): Cidr[] {
  return texts.filter((text) => text.trim() !== '').map(parseCidr);
}

/** Whether the text is what `parseCidr` takes. */
export function isCidrOrAddress(text: string): boolean {
  try {
    parseCidr(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether any of the ranges holds the address. Text that is no address is in no range. */
export function cidrContains(cidrs: readonly Cidr[], address: string): boolean {
  const number = addressNumber(address);
  if (number === undefined) return false;
  return cidrs.some((cidr) => (number & maskOf(cidr.prefixBits)) === cidr.network);
}

/** Whether every inner range lies wholly within one of the outer ranges. */
export function cidrSubset(inner: readonly Cidr[], outer: readonly Cidr[]): boolean {
  return inner.every((small) =>
    outer.some(
      (large) =>
        large.prefixBits <= small.prefixBits && (small.network & maskOf(large.prefixBits)) === large.network,
    ),
  );
}

/** The address without an IPv4-mapped prefix or a zone, as audit and policies show it: `::ffff:10.0.0.1` gives `10.0.0.1`. */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  return mapped?.[1] ?? address.split('%')[0]!;
}

function prefixNumber(text: string): number | undefined {
  return /^(0|[1-9]\d{0,2})$/.test(text) ? Number(text) : undefined;
}

function maskOf(prefixBits: number): bigint {
  return ((1n << BigInt(prefixBits)) - 1n) << BigInt(128 - prefixBits);
}

/** An address as an IPv6 number, or undefined when `text` is none. A zone (`%eth0`) is left out. */
function addressNumber(text: string): bigint | undefined {
  const family = isIP(text);
  if (family === 0) return undefined;
  if (family === 4) return MAPPED_IPV4 | ipv4Number(text);
  const [address = ''] = text.split('%');
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const hexadecimal = dotted ? dotted[1] + hexadecimalPair(ipv4Number(dotted[2]!)) : address;
  const [head = '', tail] = hexadecimal.split('::');
  const headGroups = groupsOf(head);
  const tailGroups = tail === undefined ? [] : groupsOf(tail);
  const gap = new Array<string>(8 - headGroups.length - tailGroups.length).fill('0');
  return [...headGroups, ...gap, ...tailGroups].reduce(
    (sum, group) => (sum << 16n) | BigInt(`0x${group}`),
    0n,
  );
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}

function hexadecimalPair(ipv4: bigint): string {
  return `${(ipv4 >> 16n).toString(16)}:${(ipv4 & 0xffffn).toString(16)}`;
}

function ipv4Number(text: string): bigint {
  return BigInt(text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0));
}
