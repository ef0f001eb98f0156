import { InvalidRequest } from '../../base/errors.ts';
import { zero } from '../../crypto/zero.ts';
import { type EnginePath, path } from '../../engine/engine.ts';
import { integer, text } from '../../engine/fields.ts';
import { encrypt } from './encryption.ts';
import { associatedData, context, decoded, keyName, keyVersion, nonce, usableKey } from './inputs.ts';
import type { Keys } from './key.ts';
import { paddingField, paddingOf } from './padding.ts';

const BITS: ReadonlySet<number> = new Set([128, 256, 512]);

export function datakeyPath(keys: Keys): EnginePath {
  return path({
    pattern: 'datakey/{plaintext}/{name}',
    summary: 'Makes a random key and encrypts it; shows it as well where the path says plaintext.',
    fields: {
      plaintext: text({
        description: 'plaintext: with the key itself; wrapped: only encrypted.',
        required: true,
      }),
      name: keyName,
      bits: integer({ description: 'Bits of the new key: 128, 256 or 512.', default: 256 }),
      context,
      associated_data: associatedData,
      nonce,
      key_version: keyVersion,
      padding_scheme: paddingField,
    },
    operations: {
      write: {
        handler({ view, random }, input) {
          if (input.plaintext !== 'plaintext' && input.plaintext !== 'wrapped')
            throw new InvalidRequest("invalid path, must be 'plaintext' or 'wrapped'");
          const key = usableKey(keys, view, input.name);
          if (!BITS.has(input.bits)) throw new InvalidRequest('invalid bit length: must be 128, 256 or 512');
          const bytes = random.bytes(input.bits / 8);
          const { ciphertext, version } = encrypt(key, bytes, {
            context: decoded(input.context, 'context'),
            associatedData: decoded(input.associated_data, 'associated_data'),
            nonce: decoded(input.nonce, 'nonce'),
            padding: paddingOf(input.padding_scheme),
            version: input.key_version,
            random,
          });
          const plaintext = bytes.toString('base64');
          zero(bytes);
          const data = { ciphertext, key_version: version };
          return { data: input.plaintext === 'plaintext' ? { ...data, plaintext } : data };
        },
      },
    },
  });
}
