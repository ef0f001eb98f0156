import { CofferError, InvalidRequest } from '../../base/errors.ts';
import {
  type EnginePath,
  type PeriodicWork,
  path,
  type RequestContext,
  type WorkContext,
} from '../../engine/engine.ts';
import { boolean, duration, integer, text } from '../../engine/fields.ts';
import { checkUsable, keyName } from './inputs.ts';
import type { Key, Keys } from './key.ts';
import { addVersion, checkedPeriod, newMaterial, withMaterial } from './new-key.ts';
import { dueKeys, type KeyRecord, oldestVersion, readKey, writeKey } from './records.ts';
import { keyReply } from './shown.ts';
import { sweepVersions } from './sweep.ts';

/** What happens to a key while it lives: settings, rotation, trimming, and being set aside for a while. */
export function lifecyclePaths(keys: Keys): EnginePath[] {
  return [configPath(keys), rotatePath(keys), trimPath(keys), ...softDeletePaths(keys)];
}

function configPath(keys: Keys): EnginePath {
  return path({
    pattern: 'keys/{name}/config',
    summary: 'Changes settings of a key.',
    fields: {
      name: keyName,
      min_decryption_version: integer({ description: 'The oldest version that decrypts and verifies.' }),
      min_encryption_version: integer({
        description: 'The oldest version that may be asked to encrypt and sign; 0: only the latest.',
      }),
      deletion_allowed: boolean({ description: 'The key can be deleted.' }),
      exportable: boolean({ description: 'The key can be exported. Cannot be taken back.' }),
      allow_plaintext_backup: boolean({
        description: 'Backups of the key can be taken. Cannot be taken back.',
      }),
      auto_rotate_period: duration({
        description: 'How often the key rotates by itself; 0: never. At least an hour.',
      }),
    },
    operations: {
      write: {
        slow: true,
        handler(context, input) {
          const { record } = foundKey(keys, context, input.name);
          const minDecryptionVersion = minDecryption(context, record, input.min_decryption_version);
          const minEncryptionVersion = minEncryption(record, input.min_encryption_version);
          if (minEncryptionVersion !== 0 && minEncryptionVersion < minDecryptionVersion)
            throw new InvalidRequest(
              `cannot set min encryption/decryption values; min encryption version of ${minEncryptionVersion} must be greater than or equal to min decryption version of ${minDecryptionVersion}`,
            );
          const autoRotateSeconds = checkedPeriod(input.auto_rotate_period ?? record.autoRotateSeconds);
          checkRotates(record, autoRotateSeconds);
          const changed: KeyRecord = {
            ...record,
            minDecryptionVersion,
            minEncryptionVersion,
            autoRotateSeconds,
            deletionAllowed: input.deletion_allowed ?? record.deletionAllowed,
            exportable: forGood(record.exportable, input.exportable, 'exportable'),
            allowPlaintextBackup: forGood(
              record.allowPlaintextBackup,
              input.allow_plaintext_backup,
              'allow_plaintext_backup',
            ),
          };
          writeKey(context.view, input.name, changed);
          return keyReply(keys.of(context.view, input.name, changed));
        },
      },
    },
  });
}

function minDecryption(
  context: RequestContext,
  record: KeyRecord,
  asked = record.minDecryptionVersion,
): number {
  if (asked < 0) throw new InvalidRequest('min decryption version cannot be negative');
  if (asked === 0) {
    context.warn('since Vault 0.3, transit key numbering starts at 1; forcing minimum to 1');
    return oldestVersion(record);
  }
  if (asked > record.latestVersion)
    throw new InvalidRequest(
      `cannot set min decryption version of ${asked}, latest key version is ${record.latestVersion}`,
    );
  if (asked < record.minAvailableVersion)
    throw new InvalidRequest(
      `cannot set min decryption version of ${asked}, versions before ${record.minAvailableVersion} were trimmed`,
    );
  return asked;
}

function minEncryption(record: KeyRecord, asked = record.minEncryptionVersion): number {
  if (asked < 0) throw new InvalidRequest('min encryption version cannot be negative');
  if (asked > record.latestVersion)
    throw new InvalidRequest(
      `cannot set min encryption version of ${asked}, latest key version is ${record.latestVersion}`,
    );
  return asked;
}

function forGood(before: boolean, asked: boolean | undefined, what: string): boolean {
  if (before && asked === false) throw new InvalidRequest(`${what} cannot be disabled once it is enabled`);
  return asked ?? before;
}

/** Throws `InvalidRequest` where a key that cannot rotate is to do so by itself. */
export function checkRotates(record: Pick<KeyRecord, 'imported' | 'allowRotation'>, seconds: number): void {
  if (seconds !== 0 && record.imported && !record.allowRotation)
    throw new InvalidRequest('auto_rotate_period can be set for an imported key only with allow_rotation');
}

function rotatePath(keys: Keys): EnginePath {
  return path({
    pattern: 'keys/{name}/rotate',
    summary: 'Adds a version, which encrypts and signs from now on.',
    fields: {
      name: keyName,
      managed_key_name: text({ description: 'Not supported.', deprecated: true }),
      managed_key_id: text({ description: 'Not supported.', deprecated: true }),
    },
    operations: {
      write: {
        slow: true,
        handler(context, input) {
          const { record } = foundKey(keys, context, input.name);
          checkRotation(record, input.name);
          return withMaterial(context, record, (material) => {
            const current = foundKey(keys, context, input.name).record;
            checkRotation(current, input.name);
            if (current.uid !== record.uid)
              throw new InvalidRequest(`key ${input.name} was replaced by another meanwhile`);
            const rotated = addVersion(context, input.name, { ...current, imported: false }, material);
            return keyReply(keys.of(context.view, input.name, rotated));
          });
        },
      },
    },
  });
}

function checkRotation(record: KeyRecord, name: string): void {
  checkUsable(record, name);
  if (record.imported && !record.allowRotation)
    throw new InvalidRequest(`imported key ${name} does not allow rotation within Vault`);
}

function trimPath(keys: Keys): EnginePath {
  return path({
    pattern: 'keys/{name}/trim',
    summary: 'Removes old versions for ever.',
    fields: {
      name: keyName,
      min_available_version: integer({
        description:
          'The oldest version to keep; at most the lesser of min_decryption_version and min_encryption_version.',
        required: true,
      }),
    },
    operations: {
      write: {
        slow: true,
        handler(context, input) {
          const { record } = foundKey(keys, context, input.name);
          const { min_available_version: asked } = input;
          checkTrim(record, asked);
          const changed = { ...record, minAvailableVersion: asked };
          writeKey(context.view, input.name, changed);
          sweepVersions(context.view, record.uid, oldestVersion(record), asked);
          return keyReply(keys.of(context.view, input.name, changed));
        },
      },
    },
  });
}

function checkTrim(record: KeyRecord, asked: number): void {
  const { minAvailableVersion, minDecryptionVersion, minEncryptionVersion } = record;
  const refuse = (text: string) => {
    throw new InvalidRequest(`minimum available version cannot be ${text}`);
  };
  if (asked < 1) refuse('less than 1');
  if (asked < minAvailableVersion) refuse('decremented');
  if (minEncryptionVersion === 0) refuse('set when minimum encryption version is not set');
  if (minDecryptionVersion === 0) refuse('set when minimum decryption version is not set');
  if (asked > minEncryptionVersion) refuse('greater than minimum encryption version');
  if (asked > minDecryptionVersion) refuse('greater than minimum decryption version');
}

function softDeletePaths(keys: Keys): EnginePath[] {
  const set = (context: RequestContext, name: string, softDeleted: boolean): undefined => {
    const { record } = foundKey(keys, context, name);
    writeKey(context.view, name, { ...record, softDeleted });
    return undefined;
  };
  return [
    path({
      pattern: 'keys/{name}/soft-delete',
      summary:
        'Sets a key aside: it can be shown, configured and backed up, but not used, until it is restored.',
      fields: { name: keyName },
      operations: { delete: { handler: (context, input) => set(context, input.name, true) } },
    }),
    path({
      pattern: 'keys/{name}/soft-delete-restore',
      summary: 'Makes a key that was softly deleted usable again.',
      fields: { name: keyName },
      operations: { write: { handler: (context, input) => set(context, input.name, false) } },
    }),
  ];
}

function foundKey(keys: Keys, { view }: RequestContext, name: string): Key {
  const key = keys.get(view, name);
  if (!key) throw new InvalidRequest(`no existing key named ${name} could be found`);
  return key;
}

/** Rotates what is due, the longest due first. A key that cannot be read does not keep the others from it. */
export const rotateWork: PeriodicWork = {
  name: 'rotate-keys',
  everySeconds: 60,
  async run(context) {
    const { view, clock, log, persist } = context;
    const due = [...dueKeys(view, clock.now())];
    for (const name of due) {
      try {
        await rotateDue(context, name);
        await persist();
      } catch (error) {
        if (!(error instanceof CofferError)) throw error;
        log.error('a key whose time had come could not be rotated', { key: name, error });
      }
    }
    if (due.length > 0) log.info('rotated keys whose time had come', { count: due.length });
  },
};

async function rotateDue(context: WorkContext, name: string): Promise<void> {
  const record = readKey(context.view, name);
  if (!record) return;
  const material = await newMaterial(record, context.random);
  const current = readKey(context.view, name);
  if (current?.uid !== record.uid || current.latestVersion !== record.latestVersion) return;
  addVersion(context, name, { ...current, imported: false }, material);
}
