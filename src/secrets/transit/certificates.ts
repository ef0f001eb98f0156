import { X509Certificate } from 'node:crypto';
import type { View } from '../../barrier/view.ts';
import { InvalidRequest } from '../../base/errors.ts';
import { type EnginePath, path } from '../../engine/engine.ts';
import { text } from '../../engine/fields.ts';
import { signRequest } from './certificate-request.ts';
import { keyName, usableKey } from './inputs.ts';
import type { Key, Keys } from './key.ts';
import { canSign } from './key-types.ts';
import type { KeyVersion } from './key-version.ts';
import { writeVersion } from './records.ts';

/** Certificates of keys: requests for them, and keeping what an authority made of those. */
export function certificatePaths(keys: Keys): EnginePath[] {
  return [requestPath(keys), chainPath(keys)];
}

const versionField = text({ description: 'The version of the key, or latest; the latest if not given.' });

function requestPath(keys: Keys): EnginePath {
  return path({
    pattern: 'keys/{name}/csr',
    summary: 'Signs a certificate request by the key.',
    fields: {
      name: keyName,
      version: versionField,
      csr: text({
        description: 'PEM of a request whose subject and attributes to take; if not given, there are none.',
      }),
    },
    operations: {
      write: {
        slow: true,
        async handler({ view }, input) {
          const { key, version } = signingVersion(keys, view, input);
          const csr = await signRequest(version, input.csr ?? '');
          return { data: { ...shown(key, version), csr } };
        },
      },
    },
  });
}

function chainPath(keys: Keys): EnginePath {
  return path({
    pattern: 'keys/{name}/set-certificate',
    summary: 'Keeps the certificate of a key, with those of its issuers.',
    fields: {
      name: keyName,
      version: versionField,
      certificate_chain: text({
        description: 'PEM of certificates: the key’s own, then each its issuer’s.',
        required: true,
      }),
    },
    operations: {
      write: {
        handler({ view }, input) {
          const { key, version } = signingVersion(keys, view, input);
          const certificateChain = checkedChain(input.certificate_chain, version);
          writeVersion(view, key.record.uid, version.number, { ...version.record, certificateChain });
          return { data: { ...shown(key, version), certificate_chain: certificateChain } };
        },
      },
    },
  });
}

function signingVersion(
  keys: Keys,
  view: View,
  input: { name: string; version: string | undefined },
): { key: Key; version: KeyVersion } {
  const key = usableKey(keys, view, input.name, `no existing key named ${input.name} could be found`);
  if (!canSign(key.type)) throw new InvalidRequest(`key type ${key.type.name} does not support signing`);
  if (key.record.derived) throw new InvalidRequest('a derived key has no certificate of its own');
  const asked = input.version ?? 'latest';
  if (asked === 'latest') return { key, version: key.versionToOpen(key.record.latestVersion) };
  if (!/^[1-9]\d{0,9}$/.test(asked)) throw new InvalidRequest('invalid key version');
  return { key, version: key.versionToOpen(Number(asked)) };
}

function shown(key: Key, version: KeyVersion) {
  return { name: key.name, type: key.record.type, version: version.number };
}

const CHAIN_LENGTH_MAX = 20;
const PEM = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----/g;

/** The chain in its one spelling. Throws `InvalidRequest` where it is not this key's or does not hang together. */
function checkedChain(pem: string, version: KeyVersion): string {
  const blocks = pem.match(PEM) ?? [];
  if (blocks.length === 0 || blocks.length > CHAIN_LENGTH_MAX)
    throw new InvalidRequest(`certificate_chain must be PEM of 1 to ${CHAIN_LENGTH_MAX} certificates`);
  const chain = blocks.map(parsedCertificate);
  if (!chain[0]!.publicKey.equals(version.publicKey))
    throw new InvalidRequest('the first certificate is not of the public key of this version');
  for (const [at, certificate] of chain.slice(0, -1).entries()) {
    const issuer = chain[at + 1]!;
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey))
      throw new InvalidRequest('each certificate of the chain must be followed by its issuer’s');
  }
  return chain.map((certificate) => certificate.toString()).join('');
}

function parsedCertificate(block: string): X509Certificate {
  try {
    const certificate = new X509Certificate(block);
    // Parsed only when asked for.
    void certificate.publicKey;
    return certificate;
  } catch {
    throw new InvalidRequest('a certificate of the chain cannot be parsed');
  }
}
