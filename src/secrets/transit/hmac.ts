import { createHmac } from 'node:crypto';
import { bytesOfBase64 } from '../../base/base64.ts';
import { InvalidRequest } from '../../base/errors.ts';
import { equalSecrets } from '../../crypto/compare.ts';
import type { Digest } from '../../crypto/digests.ts';
import { type EnginePath, path } from '../../engine/engine.ts';
import { type Input, text } from '../../engine/fields.ts';
import { hashFields, hmacDigest } from './algorithms.ts';
import { batchFields, reference, runBatch } from './batch.ts';
import { decodedText, keyName, keyVersion, usableKey } from './inputs.ts';
import type { Key, Keys } from './key.ts';
import type { KeyVersion } from './key-version.ts';
import { parseVersioned, versioned } from './versioned.ts';

const itemFields = {
  input: text({ description: 'Base64 of the message.', secret: true }),
  key_version: keyVersion,
  reference,
};

export function hmacPaths(keys: Keys): EnginePath[] {
  return ['hmac/{name}', 'hmac/{name}/{urlalgorithm}'].map((pattern) =>
    path({
      pattern,
      summary: 'Makes an HMAC; verify checks it. Keys of every type have what it takes.',
      fields: { name: keyName, ...itemFields, ...hashFields, ...batchFields },
      operations: {
        write: {
          slow: true,
          handler(context, input) {
            const key = usableKey(keys, context.view, input.name);
            const digest = hmacDigest(input);
            const { key_version: version } = input;
            return runBatch(context, {
              fields: itemFields,
              single: input,
              batch: input.batch_input,
              work: (item) => hmacItem(key, digest, { ...item, key_version: item.key_version ?? version }),
            });
          },
        },
      },
    }),
  );
}

function hmacItem(key: Key, digest: Digest, item: Input<typeof itemFields>) {
  if (item.input === undefined) throw new InvalidRequest('missing input for HMAC');
  const version = key.versionToUse(item.key_version);
  const code = hmac(version, digest, decodedText(item.input, 'input'));
  return { hmac: versioned(version.number, code.toString('base64')) };
}

/** Whether `code` is the HMAC of `message`. Throws `InvalidRequest` for what is none at all. */
export function isHmac(key: Key, digest: Digest, message: Uint8Array, code: string): boolean {
  const { version, encoded } = parseVersioned(code, 'HMAC');
  const bytes = bytesOfBase64(encoded);
  if (!bytes) throw new InvalidRequest('unable to decode verification string as base64');
  return equalSecrets(hmac(key.versionToOpen(version), digest, message), bytes);
}

function hmac(version: KeyVersion, digest: Digest, message: Uint8Array): Buffer {
  return digest.node === 'sha256'
    ? version.hmacSha256.digest(message)
    : createHmac(digest.node, version.hmacKey).update(message).digest();
}
