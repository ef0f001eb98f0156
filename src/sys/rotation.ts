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
          handler: () => ({ data: keyStatus(parts), topLevel: 'also' }),
        },
      },
    }),
    reencryptionPath(parts),
    retirePath(parts),
    ...['rotate', 'rotate/keyring'].flatMap((pattern) => [
      rotatePath(parts, pattern),
      configPath(parts, `${pattern}/config`),
    ]),
  ];
}

function keyStatus({ keys, reencryption }: SystemParts) {
  const shown = keys.statuses().map(({ term, installTimeMs, encryptions }) => ({
    term,
    install_time: rfc3339(installTimeMs),
    encryptions,
  }));
  return { ...shown.at(-1), keys: shown, reencryption: { ...reencryption.status() } };
}

function reencryptionPath({ reencryption }: SystemParts): EnginePath {
  const shown = () => ({ data: { ...reencryption.status() } });
  return systemPath({
    pattern: 'rotate/keyring/reencryption',
    summary:
      'Brings older records under the newest key in the background, shows how far that is, or stops it.',
    sudo: true,
    fields: {},
    operations: {
      read: { handler: shown },
      write: {
        outside: true,
        async handler() {
          await reencryption.begin();
          return shown();
        },
      },
      delete: {
        outside: true,
        async handler() {
          await reencryption.cancel();
          return undefined;
        },
      },
    },
  });
}

function retirePath({ reencryption, server }: SystemParts): EnginePath {
  return systemPath({
    pattern: 'rotate/keyring/retire',
    summary: 'Removes older keys that no record needs any more.',
    sudo: true,
    fields: {
      older_than: duration({
        description:
          'How long ago a key must have been replaced; absent: as long as a token may live, since batch tokens are encrypted too.',
      }),
    },
    operations: {
      write: {
        outside: true,
        async handler(_, { older_than: olderThan = server.limits.maxLeaseTtl }) {
          return { data: { terms: await reencryption.retire(olderThan) } };
        },
      },
    },
  });
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
      reencrypt: boolean({ description: 'Bring older records under a new key in the background.' }),
    },
    operations: {
      read: {
        handler(context) {
          const { enabled, operationsMax, interval, reencrypt } = rotation.config(context.session);
          return {
            data: { enabled, max_operations: operationsMax, interval: goDuration(interval), reencrypt },
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
            ...(input.reencrypt === undefined ? {} : { reencrypt: input.reencrypt }),
          });
          return undefined;
        },
      },
    },
  });
}
