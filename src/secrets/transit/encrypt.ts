import { InvalidRequest } from '../../base/errors.ts';
import { isPromise } from '../../base/promise.ts';
import { type EnginePath, path, type RequestContext } from '../../engine/engine.ts';
import { boolean, type Input, text } from '../../engine/fields.ts';
import { batchFields, batchItems, partialFailureField, reference, runBatch } from './batch.ts';
import { encrypt } from './encryption.ts';
import {
  associatedData,
  context,
  decoded,
  decodedText,
  keyName,
  keyVersion,
  nonce,
  usableKey,
} from './inputs.ts';
import type { Key, Keys } from './key.ts';
import { DEFAULT_KEY_TYPE, keyTypeOf } from './key-types.ts';
import { addVersion, newKeyRecord, newMaterial } from './new-key.ts';
import { paddingField, paddingOf } from './padding.ts';
import { readConfig, readKey } from './records.ts';

const itemFields = {
  plaintext: text({ description: 'Base64 of what to encrypt.', secret: true }),
  context,
  associated_data: associatedData,
  nonce,
  key_version: keyVersion,
  padding_scheme: paddingField,
  reference,
};

type Item = Input<typeof itemFields>;

export function encryptPath(keys: Keys): EnginePath {
  return path({
    pattern: 'encrypt/{name}',
    summary: 'Encrypts, and makes the key if it is not there.',
    description: 'Making a key takes the policy capability create. It is derived when a context is given.',
    fields: {
      name: keyName,
      ...itemFields,
      ...batchFields,
      type: text({ description: 'Of a key that is made by this request.', default: DEFAULT_KEY_TYPE }),
      convergent_encryption: boolean({ description: 'Of a key that is made by this request.' }),
      partial_failure_response_code: partialFailureField,
    },
    exists: ({ view }, input) => readKey(view, input.name) !== undefined,
    operations: {
      write: {
        slow: true,
        handler(context, input) {
          const created = readKey(context.view, input.name) === undefined;
          if (created) upsert(context, input, contextGiven(input));
          const key = usableKey(keys, context.view, input.name);
          const reply = runBatch(context, {
            fields: itemFields,
            single: input,
            batch: input.batch_input,
            partialFailureCode: input.partial_failure_response_code,
            work: (item) => encryptItem(context, key, item),
          });
          if (!isPromise(reply) || !created) return reply;
          // Others are served before this is done: they must see the key now, or they would make another.
          return Promise.all([reply, context.persist()]).then(([done]) => done);
        },
      },
    },
  });
}

function encryptItem({ random }: RequestContext, key: Key, item: Item) {
  if (item.plaintext === undefined) throw new InvalidRequest('missing plaintext to encrypt');
  const { ciphertext, version } = encrypt(key, decodedText(item.plaintext, 'plaintext'), {
    context: decoded(item.context, 'context'),
    associatedData: decoded(item.associated_data, 'associated_data'),
    nonce: decoded(item.nonce, 'nonce'),
    padding: paddingOf(item.padding_scheme),
    version: item.key_version,
    random,
  });
  return { ciphertext, key_version: version };
}

/** Whether the request gives a context: all of a batch must, or none. Throws `InvalidRequest`. */
function contextGiven({
  batch_input,
  context,
}: {
  batch_input: unknown;
  context: string | undefined;
}): boolean {
  if (batch_input === undefined || batch_input === null) return Boolean(context);
  const items = batchItems(batch_input);
  const given = items.filter((item) => item.context !== undefined && item.context !== '').length;
  if (given !== 0 && given !== items.length)
    throw new InvalidRequest('context should be set either in all the request blocks or in none');
  return given > 0;
}

function upsert(
  context: RequestContext,
  input: { name: string; type: string; convergent_encryption: boolean | undefined },
  derived: boolean,
): void {
  if (readConfig(context.view).disableUpsert || context.request.operation !== 'create')
    throw new InvalidRequest('encryption key not found');
  if (!keyTypeOf(input.type).aead)
    throw new InvalidRequest(`encrypt makes no keys of type ${input.type}; create the key first`);
  const convergent = input.convergent_encryption;
  if (convergent && !derived)
    throw new InvalidRequest(
      'convergent encryption requires derivation to be enabled, so context is required',
    );
  const record = newKeyRecord({ type: input.type, derived, convergent }, context.random);
  const material = newMaterial(record, context.random);
  if (isPromise(material)) throw new Error(`material of type ${input.type} takes time`);
  addVersion(context, input.name, record, material);
}
