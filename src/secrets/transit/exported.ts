import type { KeyObject } from 'node:crypto';
import { InvalidRequest } from '../../base/errors.ts';
import { zero } from '../../crypto/zero.ts';
import { rawPrivateKey, rawPublicKey } from './ed25519.ts';
import type { Key } from './key.ts';
import { canEncrypt, canSign } from './key-types.ts';
import type { KeyVersion } from './key-version.ts';
import { publicPem } from './shown.ts';

/** One thing that `export` can give. */
export interface Exported {
  /** Nothing secret: any key gives it. */
  readonly isPublic?: boolean;
  /** Whether the type of key has it. */
  has(key: Key): boolean;
  /** '' is what is usual for the type. Throws `InvalidRequest` for a form that it does not have. */
  show(version: KeyVersion, form: Form): string;
}

export const FORMS = ['', 'raw', 'der', 'pem'] as const;
export type Form = (typeof FORMS)[number];

/** By the word in the path. */
export const EXPORTED: ReadonlyMap<string, Exported> = new Map<string, Exported>([
  ['encryption-key', { has: ({ type }) => canEncrypt(type), show: showKey }],
  ['signing-key', { has: ({ type }) => canSign(type), show: showKey }],
  ['hmac-key', { has: () => true, show: ({ record }, form) => showSecret(record.hmacKey, form) }],
  ['cmac-key', { has: ({ type }) => type.mac === 'cmac', show: showKey }],
  ['public-key', { isPublic: true, has: ({ type }) => type.pair !== undefined, show: showPublic }],
  [
    'certificate-chain',
    {
      isPublic: true,
      has: ({ type }) => type.pair !== undefined,
      show: ({ record, number }) => {
        if (!record.certificateChain)
          throw new InvalidRequest(`version ${number} of the key has no certificate chain`);
        return record.certificateChain;
      },
    },
  ],
]);

function showSecret(base64: string, form: Form): string {
  if (form !== '' && form !== 'raw') throw new InvalidRequest(`a symmetric key has no form ${form}`);
  return base64;
}

function showKey(version: KeyVersion, form: Form): string {
  const { pair } = version.type;
  if (!pair) return showSecret(version.record.key, form);
  if (form === 'pem' || form === 'der') return encoded(version.privateKey, 'pkcs8', form);
  if (pair.signature === 'ed25519') return rawText(version);
  if (form === 'raw') throw new InvalidRequest(`keys of type ${version.type.name} have no raw form`);
  return encoded(version.privateKey, USUAL.get(pair.asymmetricKeyType) ?? 'pkcs8', 'pem');
}

/** RFC 8017 and RFC 5915. */
const USUAL: ReadonlyMap<string, 'pkcs1' | 'sec1'> = new Map([
  ['rsa', 'pkcs1'],
  ['ec', 'sec1'],
]);

function rawText(version: KeyVersion): string {
  if (!version.hasPrivateKey)
    throw new InvalidRequest(`version ${version.number} of the key has no private key`);
  const raw = rawPrivateKey(version.record);
  const text = raw.toString('base64');
  zero(raw);
  return text;
}

function encoded(key: KeyObject, type: 'pkcs1' | 'sec1' | 'pkcs8', form: 'pem' | 'der'): string {
  if (form === 'pem') return String(key.export({ type, format: 'pem' }));
  const der = key.export({ type, format: 'der' });
  const text = der.toString('base64');
  zero(der);
  return text;
}

function showPublic({ type, record }: KeyVersion, form: Form): string {
  if (form === 'der') return record.publicKey;
  const isEd25519 = type.pair?.signature === 'ed25519';
  if (isEd25519 && form !== 'pem') return rawPublicKey(record).toString('base64');
  if (form === 'raw') throw new InvalidRequest(`keys of type ${type.name} have no raw form`);
  return publicPem(record);
}
