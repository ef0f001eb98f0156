import { rfc3339 } from '../base/clock.ts';
import { goDuration } from '../base/duration.ts';
import type { EnginePath } from '../engine/engine.ts';
import { boolean, duration, integer } from '../engine/fields.ts';
import { systemPath } from '../mounts/system-context.ts';
import type { SystemParts } from './parts.ts';

/** `sys/key-status` and `sys/rotate*`: the key that encrypts the store. */
export function rotationPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'key-status',
      summary: 'Shows the key that encrypts the store now.',
      sudo: true,
      fields: {},
      operations: {
        read: {
          handler() {
            const { term, installTimeMs, encryptions } = parts.keys.status();
            return { data: { term, install_time: rfc3339(installTimeMs), encryptions }, topLevel: 'also' };
          },
        },
      },
    }),
    ...['rotate', 'rotate/keyring'].flatMap((pattern) => [
      rotatePath(parts, pattern),
      configPath(parts, `${pattern}/config`),
    ]),
  ];
}

function rotatePath({ rotation }: SystemParts, pattern: string): EnginePath {
  return systemPath({
    pattern,
    summary: 'Makes a new key that encrypts from now on; older records stay readable.',
    sudo: true,
    fields: {},
    operations: {
      write: {
        outside: true,
        async handler() {
          await rotation.rotate();
          return undefined;
        },
      },
    },
  });
}

function configPath({ rotation }: SystemParts, pattern: string): EnginePath {
  return systemPath({
    pattern,
    summary: 'When the key that encrypts the store is replaced by itself.',
    sudo: true,
    fields: {
      enabled: boolean({ description: 'Replace it by itself.' }),
      max_operations: integer({ description: 'Replace it after so many encryptions; at least 1,000,000.' }),
      interval: duration({
        description: 'Replace it when it is so old, at least 24 hours; 0 whatever its age.',
      }),
    },
    operations: {
      read: {
        handler(context) {
          const { enabled, operationsMax, interval } = rotation.config(context.session);
          return {
            data: { enabled, max_operations: operationsMax, interval: goDuration(interval) },
            topLevel: 'also',
          };
        },
      },
      write: {
        handler(context, input) {
          rotation.configure(context.session, {
            ...(input.enabled === undefined ? {} : { enabled: input.enabled }),
            ...(input.max_operations === undefined ? {} : { operationsMax: input.max_operations }),
            ...(input.interval === undefined ? {} : { interval: input.interval }),
          });
          return undefined;
        },
      },
    },
  });
}
