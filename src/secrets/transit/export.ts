import { constants, type KeyObject, publicEncrypt } from 'node:crypto';
import { InvalidRequest } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import type { Random } from '../../base/random.ts';
import { turn } from '../../base/turn.ts';
import { wrapKey } from '../../crypto/key-wrap.ts';
import { zero } from '../../crypto/zero.ts';
import { type EnginePath, path } from '../../engine/engine.ts';
import { name, text } from '../../engine/fields.ts';
import type { Reply } from '../../engine/reply.ts';
import { EXPORTED, FORMS } from './exported.ts';
import { keyName, usableKey } from './inputs.ts';
import type { Key, Keys } from './key.ts';
import type { KeyVersion } from './key-version.ts';
import { withBytes } from './key-version.ts';
import { oldestVersion } from './records.ts';

/** Ways out for keys that may leave: as they are, or under another's public key. */
export function exportPaths(keys: Keys): EnginePath[] {
  return [
    exportPath(keys, 'export/{type}/{name}'),
    exportPath(keys, 'export/{type}/{name}/{version}'),
    byokPath(keys, 'byok-export/{destination}/{source}'),
    byokPath(keys, 'byok-export/{destination}/{source}/{version}'),
  ];
}

const versionField = text({ description: 'A version, or latest; all of them if not given.' });

function exportPath(keys: Keys, pattern: string): EnginePath {
  return path({
    pattern,
    summary: 'Shows a key that is exportable.',
    fields: {
      type: text({ description: `One of ${[...EXPORTED.keys()].join(', ')}.` }),
      name: keyName,
      version: versionField,
      format: text({
        description: 'raw, der or pem; if not given, what is usual for the type of key.',
        query: true,
      }),
    },
    operations: {
      read: {
        slow: true,
        handler({ view }, input) {
          const what = EXPORTED.get(input.type ?? '');
          if (!what) throw new InvalidRequest('invalid export type');
          const form = FORMS.find((each) => each === (input.format ?? ''));
          if (form === undefined) throw new InvalidRequest('format must be raw, der or pem');
          const key = existingKey(keys, view, input.name);
          if (!what.isPublic) checkExportable(key);
          if (!what.has(key))
            throw new InvalidRequest(`${input.type} not available for keys of type ${key.type.name}`);
          return versionsReply(key, input.version, (version) => what.show(version, form));
        },
      },
    },
  });
}

function byokPath(keys: Keys, pattern: string): EnginePath {
  return path({
    pattern,
    summary: 'Shows an exportable key as another mount imports it: encrypted by a public RSA key.',
    fields: {
      destination: name('The RSA key to encrypt by: often the imported wrapping key of the other mount.'),
      source: name('The key to export.'),
      version: versionField,
    },
    operations: {
      read: {
        slow: true,
        handler({ view, random }, input) {
          const destination = existingKey(keys, view, input.destination);
          if (destination.type.pair?.encryption !== 'rsa')
            throw new InvalidRequest('the destination must be a key of an RSA type');
          const { publicKey } = destination.versionToUse(0);
          const source = existingKey(keys, view, input.source);
          checkExportable(source);
          return versionsReply(source, input.version, (version) => wrapped(version, publicKey, random));
        },
      },
    },
  });
}

const AES_KEY_BYTES = 32;

/** As `import` takes it, with SHA-256. */
function wrapped({ record, number }: KeyVersion, publicKey: KeyObject, random: Random): string {
  if (record.key === '') throw new InvalidRequest(`version ${number} of the key has no private key`);
  const aesKey = random.bytes(AES_KEY_BYTES);
  const options = { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  const both = Buffer.concat([
    publicEncrypt(options, aesKey),
    withBytes(record.key, (material) => wrapKey(aesKey, material)),
  ]);
  zero(aesKey);
  return both.toString('base64');
}

function existingKey(keys: Keys, view: Parameters<Keys['get']>[0], keyName: string): Key {
  return usableKey(keys, view, keyName, `no existing key named ${keyName} could be found`);
}

function checkExportable({ record, name: keyName }: Key): void {
  if (!record.exportable) throw new InvalidRequest(`key ${keyName} is not exportable`);
}

/** How long others may have to wait at a time. */
const SLICE = 50;

async function versionsReply(
  key: Key,
  asked: string | undefined,
  show: (version: KeyVersion) => string,
): Promise<Reply> {
  const [first, last] = versionRange(key, asked);
  const shown: UnknownRecord = {};
  for (let number = first; number <= last; number++) {
    shown[number] = show(key.version(number));
    if (number % SLICE === 0) await turn();
  }
  return { data: { name: key.name, type: key.record.type, keys: shown } };
}

function versionRange({ record }: Key, asked: string | undefined): [first: number, last: number] {
  const { latestVersion, minDecryptionVersion } = record;
  const oldest = Math.max(minDecryptionVersion, oldestVersion(record));
  if (asked === undefined) return [oldest, latestVersion];
  if (asked === 'latest') return [latestVersion, latestVersion];
  if (!/^\d{1,10}$/.test(asked)) throw new InvalidRequest('invalid key version');
  const number = Number(asked);
  if (number < oldest) throw new InvalidRequest('version for export is below minimum decryption version');
  if (number > latestVersion) throw new InvalidRequest('version does not exist or cannot be found');
  return [number, number];
}
