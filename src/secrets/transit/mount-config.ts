import { InvalidRequest } from '../../base/errors.ts';
import { type EnginePath, path } from '../../engine/engine.ts';
import { boolean, integer } from '../../engine/fields.ts';
import { readConfig, writeConfig } from './records.ts';

const CACHE_SIZE_MIN = 10;

/** Settings of the whole mount. */
export const mountConfigPaths: readonly EnginePath[] = [
  path({
    pattern: 'config/keys',
    summary: 'Settings for all keys.',
    fields: {
      disable_upsert: boolean({
        description: 'Encryption makes no keys that are not there.',
        default: false,
      }),
    },
    operations: {
      read: { handler: ({ view }) => ({ data: { disable_upsert: readConfig(view).disableUpsert } }) },
      write: {
        handler({ view }, input) {
          writeConfig(view, { ...readConfig(view), disableUpsert: input.disable_upsert });
          return { data: { disable_upsert: input.disable_upsert } };
        },
      },
    },
  }),
  path({
    pattern: 'cache-config',
    summary: 'How many versions of keys are kept ready to use.',
    description: 'A new size counts from the next start or unsealing.',
    fields: {
      size: integer({ description: '0 leaves it to the engine; otherwise at least 10.', default: 0 }),
    },
    operations: {
      read: { handler: ({ view }) => ({ data: { size: readConfig(view).cacheSize } }) },
      write: {
        handler({ view }, input) {
          const { size } = input;
          if (size !== 0 && size < CACHE_SIZE_MIN)
            throw new InvalidRequest(`size must be 0 or a value greater or equal to ${CACHE_SIZE_MIN}`);
          writeConfig(view, { ...readConfig(view), cacheSize: size });
          return undefined;
        },
      },
    },
  }),
];
