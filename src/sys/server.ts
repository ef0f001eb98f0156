import { hostname } from 'node:os';
import { rfc3339 } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { text } from '../engine/fields.ts';
import { systemPath } from '../mounts/system-context.ts';
import { hostFacts } from './host-info.ts';
import { mountsOf, type SystemParts } from './parts.ts';

/** The server itself: sealing, the machine, what goes on in it. */
export function serverPaths(parts: SystemParts): EnginePath[] {
  return [...sealPaths(parts), ...factPaths(parts), ...lockedUserPaths(parts)];
}

function sealPaths({ lifecycle }: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'seal',
      summary: 'Seals the server: stops everything and overwrites the keys.',
      sudo: true,
      fields: {},
      operations: {
        write: {
          outside: true,
          handler: () => ({ status: 204, last: () => lifecycle.seal() }),
        },
      },
    }),
    systemPath({
      pattern: 'step-down',
      summary: 'Gives up leadership, where there is another node to take it.',
      sudo: true,
      fields: {},
      operations: { write: { handler: () => undefined } },
    }),
  ];
}

function factPaths(parts: SystemParts): EnginePath[] {
  const { server, clock } = parts;
  return [
    systemPath({
      pattern: 'host-info',
      summary: 'Shows the machine: processors, memory, disks.',
      sudo: true,
      fields: {},
      operations: { read: { handler: () => ({ data: hostFacts(clock.now()) }) } },
    }),
    systemPath({
      pattern: 'in-flight-req',
      summary: 'Shows the requests under way.',
      sudo: true,
      fields: {},
      operations: { read: { handler: () => ({ data: server.inFlight(), topLevel: 'only' }) } },
    }),
    systemPath({
      pattern: 'quarantine',
      summary: 'Lists stored records that were found damaged since the start.',
      sudo: true,
      fields: {},
      operations: {
        read: {
          handler: () => ({
            data: {
              records: parts.keys.quarantined().map(({ key, atMs }) => ({ key, found: rfc3339(atMs) })),
            },
          }),
        },
      },
    }),
    systemPath({
      pattern: 'ha-status',
      summary: 'Lists the nodes.',
      sudo: true,
      fields: {},
      operations: {
        read: {
          handler: () => ({
            data: {
              nodes: [
                {
                  hostname: hostname(),
                  api_address: server.apiAddress,
                  cluster_address: server.clusterAddress,
                  active_node: true,
                  last_echo: null,
                  version: server.version,
                },
              ],
            },
            topLevel: 'also',
          }),
        },
      },
    }),
  ];
}

function lockedUserPaths(parts: SystemParts): EnginePath[] {
  const { lockouts } = parts;
  return [
    systemPath({
      pattern: 'locked-users',
      summary: 'Lists the users who are locked out.',
      fields: { mount_accessor: text({ description: 'Only those of this auth method.' }) },
      operations: {
        read: {
          handler(context, input) {
            const mounts = mountsOf(parts, context);
            const locked = [...lockouts.locked((accessor) => mounts.byAccessor(accessor))].filter(
              ([accessor]) => !input.mount_accessor || accessor === input.mount_accessor,
            );
            const byAccessor = locked.map(([accessor, names]) => ({
              mount_accessor: accessor,
              counts: names.length,
              alias_identifiers: names,
            }));
            const total = byAccessor.reduce((sum, { counts }) => sum + counts, 0);
            return {
              data: {
                by_namespace:
                  total > 0
                    ? [
                        {
                          namespace_id: context.namespace.id,
                          namespace_path: context.namespace.path,
                          counts: total,
                          mount_accessors: byAccessor,
                        },
                      ]
                    : [],
                total,
              },
            };
          },
        },
      },
    }),
    systemPath({
      pattern: 'locked-users/{mount_accessor}/unlock/{alias_identifier+}',
      summary: 'Lets a locked-out user try again.',
      sudo: true,
      fields: {
        mount_accessor: text({ description: 'The auth method.', required: true }),
        alias_identifier: text({ description: 'The user.', required: true }),
      },
      operations: {
        write: {
          handler(context, input) {
            if (!mountsOf(parts, context).byAccessor(input.mount_accessor))
              throw new InvalidRequest('mount accessor not found');
            lockouts.unlock(input.mount_accessor, input.alias_identifier);
            return undefined;
          },
        },
      },
    }),
  ];
}
