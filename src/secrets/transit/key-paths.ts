import { InvalidRequest, NotFound } from '../../base/errors.ts';
import { type EnginePath, path } from '../../engine/engine.ts';
import { boolean, duration, integer, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { listReply } from '../../engine/reply.ts';
import { decoded, keyName } from './inputs.ts';
import type { Keys } from './key.ts';
import { DEFAULT_KEY_TYPE, KEY_TYPE_NAMES } from './key-types.ts';
import { addVersion, newKeyRecord, withMaterial } from './new-key.ts';
import { KEYS, oldestVersion, readKey, removeKey } from './records.ts';
import { keyReply } from './shown.ts';
import { sweepVersions } from './sweep.ts';

export function keyPaths(keys: Keys): EnginePath[] {
  return [listPath, keyPath(keys)];
}

const listPath = path({
  pattern: 'keys',
  summary: 'The names of all keys.',
  fields: pageFields,
  operations: { list: { handler: ({ view }, input) => listReply(view.list(KEYS, pageOf(input))) } },
});

export const newKeyFields = {
  type: text({ description: `One of ${KEY_TYPE_NAMES.join(', ')}.`, default: DEFAULT_KEY_TYPE }),
  derived: boolean({ description: 'A key for each context is derived, and every request must give one.' }),
  exportable: boolean({ description: 'The key can be exported. Cannot be taken back.' }),
  allow_plaintext_backup: boolean({ description: 'Backups of the key can be taken. Cannot be taken back.' }),
  auto_rotate_period: duration({
    description: 'How often the key rotates by itself; 0: never. At least an hour.',
  }),
  context: text({
    description: 'For a read of a derived Ed25519 key: base64 of the context whose public key to show.',
    query: true,
  }),
};

function keyPath(keys: Keys): EnginePath {
  return path({
    pattern: 'keys/{name}',
    summary: 'Creates, shows and deletes a key.',
    description:
      'What is set here stays as long as the key; keys/:name/config changes the rest. A key that is there already stays as it is.',
    fields: {
      name: keyName,
      ...newKeyFields,
      convergent_encryption: boolean({
        description: 'The same plaintext in the same context gives the same ciphertext. Needs derived.',
      }),
      key_size: integer({ description: 'Bytes of a key of type hmac, 32 to 512.' }),
      parameter_set: text({ description: 'For ml-dsa (44, 65, 87), ml-kem (512, 768, 1024) and slh-dsa.' }),
      managed_key_name: text({ description: 'Not supported.', deprecated: true }),
      managed_key_id: text({ description: 'Not supported.', deprecated: true }),
    },
    exists: ({ view }, input) => readKey(view, input.name) !== undefined,
    operations: {
      read: {
        slow: true,
        handler({ view }, input) {
          const key = keys.get(view, input.name);
          if (!key) throw new NotFound();
          return keyReply(key, decoded(input.context, 'context'));
        },
      },
      write: {
        slow: true,
        handler(context, input) {
          const there = keys.get(context.view, input.name);
          if (there) {
            context.warn(`key ${input.name} already existed`);
            return keyReply(there);
          }
          const record = newKeyRecord(
            {
              type: input.type,
              parameterSet: input.parameter_set,
              derived: input.derived,
              convergent: input.convergent_encryption,
              exportable: input.exportable,
              allowPlaintextBackup: input.allow_plaintext_backup,
              autoRotateSeconds: input.auto_rotate_period,
              secretBytes: input.key_size,
            },
            context.random,
          );
          return withMaterial(context, record, (material) => {
            const meanwhile = keys.get(context.view, input.name);
            if (meanwhile) return keyReply(meanwhile);
            return keyReply(
              keys.of(context.view, input.name, addVersion(context, input.name, record, material)),
            );
          });
        },
      },
      delete: {
        handler({ view }, input) {
          const record = readKey(view, input.name);
          if (!record) throw new InvalidRequest(`could not delete key ${input.name}: not found`);
          if (!record.deletionAllowed)
            throw new InvalidRequest(
              `error deleting policy ${input.name}: deletion is not allowed for this policy`,
            );
          removeKey(view, input.name, record);
          sweepVersions(view, record.uid, oldestVersion(record), record.latestVersion + 1);
          return undefined;
        },
      },
    },
  });
}
