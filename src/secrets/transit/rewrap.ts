import { InvalidRequest } from '../../base/errors.ts';
import { isPromise } from '../../base/promise.ts';
import { zero } from '../../crypto/zero.ts';
import { type EnginePath, path, type RequestContext } from '../../engine/engine.ts';
import { type Input, text } from '../../engine/fields.ts';
import { batchFields, partialFailureField, reference, runBatch } from './batch.ts';
import { decrypt, encrypt } from './encryption.ts';
import { associatedData, context, decoded, keyName, keyVersion, nonce, usableKey } from './inputs.ts';
import type { Key, Keys } from './key.ts';
import { paddingField, paddingOf } from './padding.ts';

const itemFields = {
  ciphertext: text({ description: 'What was encrypted, as encrypt gave it.' }),
  context,
  associated_data: associatedData,
  nonce,
  key_version: keyVersion,
  decrypt_padding_scheme: paddingField,
  encrypt_padding_scheme: paddingField,
  reference,
};

export function rewrapPath(keys: Keys): EnginePath {
  return path({
    pattern: 'rewrap/{name}',
    summary: 'Encrypts anew, by the latest version of the key, without showing the plaintext.',
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
            work: (item) => rewrapItem(context, key, item),
          });
        },
      },
    },
  });
}

function rewrapItem({ random }: RequestContext, key: Key, item: Input<typeof itemFields>) {
  if (!item.ciphertext) throw new InvalidRequest('missing ciphertext to decrypt');
  const shared = {
    context: decoded(item.context, 'context'),
    associatedData: decoded(item.associated_data, 'associated_data'),
  };
  const again = (plaintext: Buffer) => {
    const padding = paddingOf(item.encrypt_padding_scheme);
    const { ciphertext, version } = encrypt(key, plaintext, {
      ...shared,
      padding,
      version: item.key_version,
      random,
    });
    zero(plaintext);
    return { ciphertext, key_version: version };
  };
  const plaintext = decrypt(key, item.ciphertext, {
    ...shared,
    padding: paddingOf(item.decrypt_padding_scheme),
  });
  return isPromise(plaintext) ? plaintext.then(again) : again(plaintext);
}
