import { InvalidRequest } from '../../base/errors.ts';
import { goDuration } from '../../engine/duration.ts';
import { path } from '../../engine/engine.ts';
import { boolean, duration, integer } from '../../engine/fields.ts';
import { readConfig, writeConfig } from './records.ts';

export const configPath = path({
  pattern: 'config',
  summary: 'Settings for every secret of this mount.',
  fields: {
    max_versions: integer({ description: 'How many versions of a secret are kept; 0 keeps ten.' }),
    cas_required: boolean({ description: 'Every write must say which version it replaces (options.cas).' }),
    delete_version_after: duration({
      description:
        'How long after its writing a version counts as deleted. Zero clears the setting; a negative duration turns it off for all secrets.',
    }),
    metadata_cas_required: boolean({
      description: 'Every write of metadata must say which version of it it replaces (metadata_cas).',
    }),
  },
  operations: {
    read: {
      handler({ view }) {
        const config = readConfig(view);
        return {
          data: {
            cas_required: config.casRequired,
            delete_version_after: goDuration(config.deleteVersionAfterSeconds),
            max_versions: config.maxVersions,
            metadata_cas_required: config.metadataCasRequired,
          },
        };
      },
    },
    write: {
      handler({ view }, input) {
        if ((input.max_versions ?? 0) < 0) throw new InvalidRequest('max_versions cannot be negative');
        const before = readConfig(view);
        writeConfig(view, {
          maxVersions: input.max_versions ?? before.maxVersions,
          casRequired: input.cas_required ?? before.casRequired,
          metadataCasRequired: input.metadata_cas_required ?? before.metadataCasRequired,
          deleteVersionAfterSeconds: Math.max(
            input.delete_version_after ?? before.deleteVersionAfterSeconds,
            -1,
          ),
        });
        return undefined;
      },
    },
  },
});
