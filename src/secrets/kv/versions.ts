import { InvalidRequest } from '../../base/errors.ts';
import { type EnginePath, path } from '../../engine/engine.ts';
import { integers, restOfPath } from '../../engine/fields.ts';
import { readVersion, secretPath, type VersionRecord, writeVersion } from './records.ts';
import { isGone } from './shown.ts';

export const deletePath = versionsPath({
  pattern: 'delete/{path...}',
  summary: 'Hides versions of a secret; undelete/ brings them back.',
  versions: 'The versions to hide.',
  change: (record, nowMs) => (isGone(record, nowMs) ? undefined : { ...record, deletionAtMs: nowMs }),
});

export const undeletePath = versionsPath({
  pattern: 'undelete/{path...}',
  summary: 'Brings hidden versions of a secret back.',
  versions: 'The versions to bring back.',
  change: (record) => (record.destroyed ? undefined : { ...record, deletionAtMs: null }),
});

export const destroyPath = versionsPath({
  pattern: 'destroy/{path...}',
  summary: 'Removes the data of versions for good.',
  versions: 'The versions whose data is to go.',
  change: (record) => ({ ...record, destroyed: true, data: null }),
});

interface VersionsPath {
  pattern: string;
  summary: string;
  /** What the field is for. */
  versions: string;
  /** The record as it is to be; undefined leaves it. */
  change(record: VersionRecord, nowMs: number): VersionRecord | undefined;
}

function versionsPath({ pattern, summary, versions, change }: VersionsPath): EnginePath {
  return path({
    pattern,
    summary,
    fields: {
      path: restOfPath('Where the secret lies.'),
      versions: integers({ description: versions }),
    },
    operations: {
      write: {
        handler({ view, clock }, input) {
          const where = secretPath(input.path);
          if (!input.versions?.length) throw new InvalidRequest('No version number provided');
          for (const version of new Set(input.versions)) {
            const record = readVersion(view, where, version);
            const changed = record && change(record, clock.now());
            if (changed) writeVersion(view, where, version, changed);
          }
          return undefined;
        },
      },
    },
  });
}
