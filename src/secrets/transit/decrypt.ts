import { InvalidRequest } from '../../base/errors.ts';
import { isPromise } from '../../base/promise.ts';
import { zero } from '../../crypto/zero.ts';
import { type EnginePath, path } from '../../engine/engine.ts';
import { type Input, text } from '../../engine/fields.ts';
import { batchFields, partialFailureField, reference, runBatch } from './batch.ts';
import { decrypt } from './encryption.ts';
import { associatedData, context, decoded, keyName, nonce, usableKey } from './inputs.ts';
import type { Key, Keys } from './key.ts';
import { paddingField, paddingOf } from './padding.ts';

const itemFields = {
  ciphertext: text({ description: 'What was encrypted, as encrypt gave it.' }),
  context,
  associated_data: associatedData,
  nonce,
  padding_scheme: paddingField,
  reference,
};

export function decryptPath(keys: Keys): EnginePath {
  return path({
    pattern: 'decrypt/{name}',
    summary: 'Decrypts.',
    fields: {
      name: keyName,
      ...itemFields,
      ...batchFields,
      partial_failure_response_code: partialFailureField,
    },
    operations: {
      write: {
        slow: true,
        handler(context, input) {
          const key = usableKey(keys, context.view, input.name);
          return runBatch(context, {
            fields: itemFields,
            single: input,
            batch: input.batch_input,
            partialFailureCode: input.partial_failure_response_code,
            work: (item) => decryptItem(key, item),
          });
        },
      },
    },
  });
}

function decryptItem(key: Key, item: Input<typeof itemFields>) {
  if (!item.ciphertext) throw new InvalidRequest('missing ciphertext to decrypt');
  const plaintext = decrypt(key, item.ciphertext, {
    context: decoded(item.context, 'context'),
    associatedData: decoded(item.associated_data, 'associated_data'),
    padding: paddingOf(item.padding_scheme),
  });
  return isPromise(plaintext) ? plaintext.then(shown) : shown(plaintext);
}

function shown(bytes: Buffer): { plaintext: string } {
  const plaintext = bytes.toString('base64');
  zero(bytes);
  return { plaintext };
}
