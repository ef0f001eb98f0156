import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import type { View } from '../../barrier/view.ts';
import { InvalidRequest } from '../../base/errors.ts';
import { zero } from '../../crypto/zero.ts';
import { type EnginePath, path, type RequestContext } from '../../engine/engine.ts';
import { boolean, duration, integer, text } from '../../engine/fields.ts';
import { importPrivate, importPublic, OAEP_HASHES, openWrapped } from './import-material.ts';
import { keyName } from './inputs.ts';
import type { Key, Keys } from './key.ts';
import { KEY_TYPE_NAMES, type KeyType, keyTypeOf } from './key-types.ts';
import { withBytes } from './key-version.ts';
import { checkRotates } from './lifecycle.ts';
import { addVersion, type Material, newKeyRecord, newMaterial } from './new-key.ts';
import { readVersion, writeVersion } from './records.ts';
import { publicPem } from './shown.ts';

/** Keys that come from elsewhere: under the mount's wrapping key, or the public part alone. */
export function importPaths(keys: Keys): EnginePath[] {
  return [wrappingKeyPath, importPath(keys), importVersionPath(keys)];
}

const WRAPPING_KEY = 'wrapping-key';

const wrappingKeyPath = path({
  pattern: 'wrapping_key',
  summary: 'The public key, RSA of 4096 bits, under which key material is imported.',
  fields: {},
  operations: {
    read: {
      slow: true,
      handler(context) {
        const known = context.view.get<Material>(WRAPPING_KEY);
        return known ? shownWrapping(known) : newWrapping(context);
      },
    },
  },
});

async function newWrapping({ view, random, persist }: RequestContext) {
  const record = newKeyRecord({ type: 'rsa-4096' }, random);
  const material = await newMaterial(record, random);
  const meanwhile = view.get<Material>(WRAPPING_KEY);
  if (meanwhile) return shownWrapping(meanwhile);
  view.put(WRAPPING_KEY, material);
  await persist();
  return shownWrapping(material);
}

function shownWrapping(material: Material) {
  return { data: { public_key: publicPem(material) } };
}

/** Throws `InvalidRequest` where there is none, so that nothing can have been wrapped by it. */
function wrappingKey(view: View): KeyObject {
  const material = view.get<Material>(WRAPPING_KEY);
  if (!material) throw new InvalidRequest('there is no wrapping key yet: read wrapping_key to get one');
  return withBytes(material.key, (key) => createPrivateKey({ key, format: 'der', type: 'pkcs8' }));
}

const materialFields = {
  ciphertext: text({
    description:
      'Base64 of an AES-256 key under the wrapping key (RSA-OAEP) followed by the key material under the AES key (AES-KWP).',
    secret: true,
  }),
  hash_function: text({
    description: `The hash of RSA-OAEP: ${[...OAEP_HASHES.keys()].join(', ')}.`,
    default: 'SHA256',
  }),
  public_key: text({ description: 'PEM of a public key, to import that alone.' }),
};

function importPath(keys: Keys): EnginePath {
  return path({
    pattern: 'keys/{name}/import',
    summary: 'Makes a key of material from elsewhere.',
    fields: {
      name: keyName,
      ...materialFields,
      type: text({ description: `One of ${KEY_TYPE_NAMES.join(', ')}.`, default: 'aes256-gcm96' }),
      parameter_set: text({ description: 'For ml-dsa, ml-kem and slh-dsa.' }),
      allow_rotation: boolean({
        description: 'The key may rotate here; after that nothing can be imported into it any more.',
      }),
      derived: boolean({
        description: 'A key for each context is derived, and every request must give one.',
      }),
      context: text({ description: 'Not used.', deprecated: true }),
      exportable: boolean({ description: 'The key can be exported. Cannot be taken back.' }),
      allow_plaintext_backup: boolean({
        description: 'Backups of the key can be taken. Cannot be taken back.',
      }),
      auto_rotate_period: duration({
        description: 'How often the key rotates by itself; 0: never. Needs allow_rotation.',
      }),
    },
    operations: {
      write: {
        handler(context, input) {
          const { view, random } = context;
          if (keys.get(view, input.name))
            throw new InvalidRequest(
              'the import path cannot be used with an existing key; use import-version to rotate an existing imported key',
            );
          const type = keyTypeOf(input.type, input.parameter_set);
          const made = newKeyRecord(
            {
              type: input.type,
              parameterSet: input.parameter_set,
              derived: input.derived,
              exportable: input.exportable,
              allowPlaintextBackup: input.allow_plaintext_backup,
              autoRotateSeconds: input.auto_rotate_period,
            },
            random,
          );
          const record = { ...made, imported: true, allowRotation: input.allow_rotation ?? false };
          checkRotates(record, record.autoRotateSeconds);
          addVersion(context, input.name, record, imported(view, type, input));
          return undefined;
        },
      },
    },
  });
}

interface Asked {
  readonly ciphertext?: string | undefined;
  readonly hash_function: string;
  readonly public_key?: string | undefined;
}

function imported(view: View, type: KeyType, { ciphertext, hash_function, public_key }: Asked): Material {
  if (Boolean(ciphertext) === Boolean(public_key))
    throw new InvalidRequest("only one of the following fields, 'ciphertext' and 'public_key', must be set");
  if (public_key) return importPublic(type, public_key);
  const bytes = openWrapped(wrappingKey(view), { ciphertext: ciphertext ?? '', hashFunction: hash_function });
  try {
    return importPrivate(type, bytes);
  } finally {
    zero(bytes);
  }
}

function importVersionPath(keys: Keys): EnginePath {
  return path({
    pattern: 'keys/{name}/import_version',
    summary: 'Adds a version of material from elsewhere to an imported key, or the private part to one.',
    fields: {
      name: keyName,
      ...materialFields,
      version: integer({
        description:
          'The version whose private part this is; if not given, the latest where it lacks one, or else a new one.',
      }),
    },
    operations: {
      write: {
        handler(context, input) {
          const { view } = context;
          const key = keys.get(view, input.name);
          if (!key)
            throw new InvalidRequest(
              `no key found with name ${input.name}; to import a new key, use the import/ endpoint`,
            );
          if (!key.record.imported)
            throw new InvalidRequest('the import_version endpoint can only be used with an imported key');
          const material = imported(view, key.type, input);
          const version = versionToComplete(key, material, input.version);
          if (version === undefined) addVersion(context, input.name, key.record, material);
          else completeVersion(view, key, version, material);
          return undefined;
        },
      },
    },
  });
}

/** Undefined for a new one. Throws `InvalidRequest`. */
function versionToComplete(key: Key, material: Material, asked: number | undefined): number | undefined {
  if (material.key === '') {
    if (asked !== undefined) throw new InvalidRequest('version cannot be set when a public key is imported');
    return undefined;
  }
  if (asked !== undefined) return asked;
  const { latestVersion } = key.record;
  return key.type.pair && !key.version(latestVersion).hasPrivateKey ? latestVersion : undefined;
}

function completeVersion(view: View, key: Key, number: number, material: Material): void {
  const version = key.version(number);
  if (!key.type.pair || version.hasPrivateKey)
    throw new InvalidRequest(`version ${number} of the key lacks no private key`);
  if (!createPublicKey(publicPem(material)).equals(version.publicKey))
    throw new InvalidRequest('the private key does not belong to the public key of this version');
  const record = readVersion(view, key.record.uid, number)!;
  writeVersion(view, key.record.uid, number, { ...record, key: material.key });
}
