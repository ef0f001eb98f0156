import { createPublicKey, createSecretKey, diffieHellman } from 'node:crypto';
import { InvalidRequest } from '../../base/errors.ts';
import { AEAD_SIZES } from '../../crypto/aead.ts';
import { zero } from '../../crypto/zero.ts';
import { type EnginePath, path } from '../../engine/engine.ts';
import { integer, text } from '../../engine/fields.ts';
import { derivedBytes } from './derivation.ts';
import { keyName, usableKey } from './inputs.ts';
import type { Keys } from './key.ts';
import { DEFAULT_KEY_TYPE, keyTypeOf } from './key-types.ts';
import type { KeyVersion } from './key-version.ts';
import { addVersion, newKeyRecord } from './new-key.ts';
import { keyReply } from './shown.ts';

const NO_INFO = new Uint8Array(0);

/** A key that two parties have in common without sending it: ECDH with the other's public key, then HKDF. */
export function deriveKeyPath(keys: Keys): EnginePath {
  return path({
    pattern: 'derive-key/{name}',
    summary: 'Makes a key of an ECDSA key and somebody else’s public key.',
    fields: {
      name: keyName,
      base_key_name: text({ description: 'The key of type ecdsa-p256, ecdsa-p384 or ecdsa-p521.' }),
      base_key_version: integer({ description: 'Its version; the latest if 0 or not given.' }),
      peer_public_key: text({ description: 'PEM of the other’s public key, on the same curve.' }),
      derived_key_type: text({ description: 'Of the new key.', default: DEFAULT_KEY_TYPE }),
      key_derivation_algorithm: text({ description: 'Only ecdh.', default: 'ecdh' }),
    },
    operations: {
      write: {
        slow: true,
        handler(context, input) {
          const { view, random } = context;
          if (input.key_derivation_algorithm.toLowerCase() !== 'ecdh')
            throw new InvalidRequest('key_derivation_algorithm must be ecdh');
          if (keys.get(view, input.name)) throw new InvalidRequest(`key ${input.name} already exists`);
          const { aead, name: typeName } = keyTypeOf(input.derived_key_type);
          if (!aead) throw new InvalidRequest(`no keys of type ${typeName} can be derived`);
          const base = usableKey(keys, view, input.base_key_name ?? '', 'base key not found');
          const shared = sharedSecret(base.versionToUse(input.base_key_version), input.peer_public_key ?? '');
          const bytes = derivedBytes(createSecretKey(shared), NO_INFO, AEAD_SIZES[aead].keyBytes);
          const material = { key: bytes.toString('base64'), publicKey: '' };
          zero(shared, bytes);
          const record = newKeyRecord({ type: typeName }, random);
          return keyReply(keys.of(view, input.name, addVersion(context, input.name, record, material)));
        },
      },
    },
  });
}

/** OpenSSL takes no point that is not on the curve; the NIST curves have no points of low order. */
function sharedSecret(version: KeyVersion, peerPem: string): Buffer {
  if (version.type.pair?.signature !== 'ecdsa')
    throw new InvalidRequest('the base key must be of type ecdsa-p256, ecdsa-p384 or ecdsa-p521');
  const { privateKey } = version;
  try {
    const publicKey = createPublicKey({ key: peerPem, format: 'pem' });
    if (peerPem.includes('PRIVATE KEY')) throw new Error('not a public key');
    return diffieHellman({ privateKey, publicKey });
  } catch {
    throw new InvalidRequest('peer_public_key must be PEM of a public key on the curve of the base key');
  }
}
