import { InvalidRequest } from '../../base/errors.ts';
import { turn } from '../../base/turn.ts';
import { type EnginePath, path, type RequestContext } from '../../engine/engine.ts';
import { boolean, text } from '../../engine/fields.ts';
import { type Backup, backupText, parseBackup } from './backup-format.ts';
import { keyName } from './inputs.ts';
import type { Keys } from './key.ts';
import { oldestVersion, readKey, type VersionRecord, writeKey, writeVersion } from './records.ts';
import { sweepVersions } from './sweep.ts';

/** Keys as text, to be kept and brought back. */
export function backupPaths(keys: Keys): EnginePath[] {
  return [backupPath(keys), restorePath('restore'), restorePath('restore/{name}')];
}

/** What a listener takes for one JSON string if nothing else is configured. */
const STRING_BYTES = 1024 * 1024;
/** Versions that are read at a time. */
const SLICE = 500;

function backupPath(keys: Keys): EnginePath {
  return path({
    pattern: 'backup/{name}',
    summary: 'Shows a key with all its versions and settings, in plaintext, for restore.',
    fields: { name: keyName },
    operations: {
      read: {
        slow: true,
        async handler({ view, clock, warn }, input) {
          const key = keys.get(view, input.name);
          if (!key) throw new InvalidRequest(`key ${input.name} not found`);
          if (!key.record.exportable) throw new InvalidRequest('exporting is disallowed on the policy');
          if (!key.record.allowPlaintextBackup)
            throw new InvalidRequest('plaintext backup is disallowed on the policy');
          const versions = new Map<number, VersionRecord>();
          for (let number = oldestVersion(key.record); number <= key.record.latestVersion; number++) {
            versions.set(number, key.version(number).record);
            if (number % SLICE === 0) await turn();
          }
          const backup = backupText(key, versions, clock.now());
          if (backup.length > STRING_BYTES)
            warn(
              'the backup is longer than what a listener takes by default: see max_json_string_value_length',
            );
          return { data: { backup } };
        },
      },
    },
  });
}

function restorePath(pattern: string): EnginePath {
  return path({
    pattern,
    summary: 'Makes a key of a backup.',
    fields: {
      name: {
        ...keyName,
        required: false,
        description: 'The key to make; if not given, the one that was backed up.',
      },
      backup: text({ description: 'What backup gave.', required: true, secret: true }),
      force: boolean({ description: 'Replaces a key that is there.' }),
    },
    operations: {
      write: {
        slow: true,
        async handler(context, input) {
          const backup = await parseBackup(input.backup, context.random);
          const name = input.name || backup.name;
          if (keyName.segment?.test(name) !== true) throw new InvalidRequest('invalid name of a key');
          restore(context, name, backup, input.force ?? false);
          await context.persist();
          return undefined;
        },
      },
    },
  });
}

function restore(
  { view, clock }: RequestContext,
  name: string,
  { record, versions }: Backup,
  force: boolean,
): void {
  const before = readKey(view, name);
  if (before && !force)
    throw new InvalidRequest(`key ${name} already exists; use the "force" parameter to replace it`);
  if (before) sweepVersions(view, before.uid, oldestVersion(before), before.latestVersion + 1);
  for (const [number, version] of versions) writeVersion(view, record.uid, number, version);
  // What is to rotate by itself gets its whole period from now on.
  writeKey(view, name, { ...record, rotatedAtMs: clock.now() });
}
