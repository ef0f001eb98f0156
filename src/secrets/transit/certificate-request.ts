import { sign } from 'node:crypto';
import { InvalidRequest } from '../../base/errors.ts';
import {
  bitString,
  derElements,
  derOfPem,
  derSequence,
  identifier,
  integer,
  pemOfDer,
  sequence,
  TAG,
  tagged,
} from '../../crypto/der.ts';
import type { KeyVersion } from './key-version.ts';

const LABEL = 'CERTIFICATE REQUEST';
const ATTRIBUTES_TAG = 0xa0;
const NULL = tagged(0x05);

/** Signature algorithms by the name of the type; those that hash by themselves go by the identifier of their key. */
const ALGORITHMS: ReadonlyMap<string, { readonly identifier: Buffer; readonly digest: string }> = new Map([
  // RFC 5758, section 3.2.
  ['ecdsa-p256', { identifier: sequence(identifier('1.2.840.10045.4.3.2')), digest: 'sha256' }],
  ['ecdsa-p384', { identifier: sequence(identifier('1.2.840.10045.4.3.3')), digest: 'sha384' }],
  ['ecdsa-p521', { identifier: sequence(identifier('1.2.840.10045.4.3.4')), digest: 'sha512' }],
  // RFC 4055, section 5.
  ...['rsa-2048', 'rsa-3072', 'rsa-4096'].map(
    (name) =>
      [name, { identifier: sequence(identifier('1.2.840.113549.1.1.11'), NULL), digest: 'sha256' }] as const,
  ),
]);

/** PEM of a PKCS #10 request (RFC 2986) of this key. Throws `InvalidRequest` when the template is none. */
export function signRequest(version: KeyVersion, template: string): Promise<string> {
  const spki = Buffer.from(version.record.publicKey, 'base64');
  const { subject, attributes } = template === '' ? EMPTY : parseTemplate(template);
  const info = sequence(integer(Buffer.alloc(1)), subject, spki, attributes);
  const algorithm = ALGORITHMS.get(version.type.name);
  const own = derSequence(spki)?.[0]?.whole;
  if (!own) throw new Error('a stored public key is no SubjectPublicKeyInfo');
  const { privateKey } = version;
  return new Promise((resolve, reject) =>
    sign(algorithm?.digest ?? null, info, privateKey, (error, signature) => {
      if (error) return reject(error);
      resolve(pemOfDer(sequence(info, algorithm?.identifier ?? own, bitString(signature)), LABEL));
    }),
  );
}

interface Template {
  readonly subject: Buffer;
  readonly attributes: Buffer;
}

const EMPTY: Template = { subject: sequence(), attributes: tagged(ATTRIBUTES_TAG) };

/** Subject and attributes of another request, byte by byte. */
function parseTemplate(pem: string): Template {
  const der = derOfPem(pem, LABEL) ?? derOfPem(pem, `NEW ${LABEL}`);
  const request = der && derSequence(der);
  const info = request?.[0] && derSequence(request[0].whole);
  const [version, subject, publicKey, attributes] = info ?? [];
  const isRequest =
    request?.length === 3 &&
    version?.tag === TAG.integer &&
    subject?.tag === TAG.sequence &&
    derElements(subject.content) !== undefined &&
    publicKey?.tag === TAG.sequence &&
    (attributes === undefined || attributes.tag === ATTRIBUTES_TAG) &&
    (attributes === undefined || derElements(attributes.content) !== undefined);
  if (!isRequest || !subject)
    throw new InvalidRequest('could not parse csr: it must be PEM of a PKCS #10 request');
  return { subject: subject.whole, attributes: attributes?.whole ?? EMPTY.attributes };
}
