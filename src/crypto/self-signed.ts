import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { isIP } from 'node:net';
import type { Random } from '../base/random.ts';
import { bitString, boolean, identifier, octetString, pemOfDer, sequence, tagged } from './der.ts';

export interface DevelopmentCertificates {
  /** PEM; what clients trust. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;
const VALID_DAYS = 365;
const CLOCK_SKEW_MS = 60_000;
const GROUP_BYTES = 2;

/**
 * An authority made on the spot and a server certificate by it, ECDSA P-256, good for a year: for the development server's
 * TLS, where nobody has certificates yet (RFC 5280). The authority's key is forgotten at once.
 */
export function developmentCertificates(options: {
  /** Host names and IP addresses. */
  names: readonly string[];
  random: Random;
  nowMs: number;
}): DevelopmentCertificates {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = { name: 'Coffer development authority', key: authority.privateKey };
  const common = { ...options, issuer };
  return {
    authority: certificate({
      ...common,
      subject: issuer.name,
      publicKey: authority.publicKey,
      extensions: [
        extension('2.5.29.19', sequence(boolean(true)), true),
        extension('2.5.29.15', bitString(Buffer.from([0x06]), 1), true),
        extension('2.5.29.14', octetString(keyIdentifier(authority.publicKey)), false),
      ],
    }),
    certificate: certificate({
      ...common,
      subject: options.names[0] ?? 'localhost',
      publicKey: server.publicKey,
      extensions: [
        extension('2.5.29.17', sequence(...options.names.map(alternativeName)), false),
        extension('2.5.29.15', bitString(Buffer.from([0x80]), 7), true),
        extension('2.5.29.37', sequence(identifier('1.3.6.1.5.5.7.3.1')), false),
        extension('2.5.29.35', sequence(tagged(0x80, keyIdentifier(authority.publicKey))), false),
      ],
    }),
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function certificate(about: {
  subject: string;
  publicKey: KeyObject;
  issuer: { name: string; key: KeyObject };
  extensions: readonly Buffer[];
  random: Random;
  nowMs: number;
}): string {
  const algorithm = sequence(identifier('1.2.840.10045.4.3.2'));
  const serial = Buffer.concat([Buffer.from([0x01]), about.random.bytes(15)]);
  const unsigned = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, serial),
    algorithm,
    distinguishedName(about.issuer.name),
    sequence(time(about.nowMs - CLOCK_SKEW_MS), time(about.nowMs + VALID_DAYS * DAY_MS)),
    distinguishedName(about.subject),
    about.publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...about.extensions)),
  );
  const signature = sign('sha256', unsigned, about.issuer.key);
  return pemOfDer(sequence(unsigned, algorithm, bitString(signature)), 'CERTIFICATE');
}

function distinguishedName(commonName: string): Buffer {
  const attribute = sequence(identifier('2.5.4.3'), tagged(0x0c, Buffer.from(commonName)));
  return sequence(tagged(0x31, attribute));
}

/** UTCTime; good until 2049. */
function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return tagged(0x17, Buffer.from(text.slice(2)));
}

function extension(dotted: string, content: Buffer, critical: boolean): Buffer {
  return sequence(identifier(dotted), ...(critical ? [boolean(true)] : []), octetString(content));
}

function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
}

function alternativeName(name: string): Buffer {
  const family = isIP(name);
  if (family === 4) return tagged(0x87, Buffer.from(name.split('.').map(Number)));
  if (family === 6) return tagged(0x87, ipv6Bytes(name));
  return tagged(0x82, Buffer.from(name));
}

function ipv6Bytes(address: string): Buffer {
  const [front = '', back] = address.split('::');
  const groups = (part: string | undefined) =>
    part ? part.split(':').map((group) => Number.parseInt(group, 16)) : [];
  const head = groups(front);
  const tail = groups(back);
  const all = [...head, ...Array(8 - head.length - tail.length).fill(0), ...tail] as number[];
  const bytes = Buffer.alloc(16);
  for (const [at, group] of all.entries()) bytes.writeUInt16BE(group, at * GROUP_BYTES);
  return bytes;
}
