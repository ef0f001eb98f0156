import { InvalidRequest } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { EnginePath } from '../engine/engine.ts';
import { text } from '../engine/fields.ts';
import { dataPrefix, type OpenMount } from '../mounts/mounts.ts';
import { systemPath } from '../mounts/system-context.ts';
import type { SystemParts } from './parts.ts';

/** `sys/internal/inspect/*`, where the configuration turns it on: how the server sees its mounts and a request. */
export function inspectPaths(parts: SystemParts): EnginePath[] {
  return parts.server.introspectionEndpoint ? [routerPath(parts), requestPath(parts)] : [];
}

const brief = ({ entry, info }: OpenMount): UnknownRecord => ({
  accessor: entry.accessor,
  mount_namespace: info.namespace.path,
  mount_path: entry.path,
  mount_type: entry.type,
  uuid: entry.uuid,
});
const stored = (mount: OpenMount): UnknownRecord => ({
  ...brief(mount),
  storage_prefix: dataPrefix(mount.entry),
  tainted: false,
});

const SHOWN = new Map([
  ['root', stored],
  ['uuid', brief],
  ['accessor', brief],
  ['storage', stored],
]);

function routerPath({ mounts }: SystemParts): EnginePath {
  return systemPath({
    pattern: 'internal/inspect/router/{tag}',
    summary: 'Shows the mounts as the router knows them.',
    sudo: true,
    fields: { tag: text({ description: 'root, uuid, accessor or storage.', required: true }) },
    operations: {
      read: {
        handler(_, { tag }) {
          const shown = SHOWN.get(tag);
          if (!shown) throw new InvalidRequest('invalid router tag');
          return { data: { [tag]: [...mounts.loaded()].map(shown) } };
        },
      },
    },
  });
}

function requestPath({ lifecycle, server }: SystemParts): EnginePath {
  return systemPath({
    pattern: 'internal/inspect/request',
    summary: 'Shows this request as the server sees it.',
    sudo: true,
    fields: {},
    operations: {
      read: {
        handler({ request, token, mount }) {
          return {
            data: {
              cluster_id: lifecycle.cluster?.id ?? '',
              cluster_id_error: null,
              data: request.data,
              entity: null,
              entity_error: null,
              groups: [],
              groups_error: null,
              plugin_env: { vault_version: server.version },
              plugin_env_error: null,
              req: {
                client_id: token?.entityId ?? '',
                client_token_accessor: token?.accessor ?? '',
                client_token_remaining_uses: token?.numUses ?? 0,
                connection: { remote_addr: request.remoteAddress },
                display_name: token?.displayName ?? '',
                id: request.id,
                mount_accessor: mount.accessor,
                mount_point: mount.path,
                mount_type: mount.type,
                operation: request.operation,
                path: request.path,
                policies: token?.policies ?? [],
                wrap_ttl: request.wrapTtl,
              },
            },
          };
        },
      },
    },
  });
}
