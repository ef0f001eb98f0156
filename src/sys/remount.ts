import { InvalidRequest } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { text } from '../engine/fields.ts';
import type { MountTable, OpenMount } from '../mounts/mounts.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import type { Namespace } from '../namespaces/namespace.ts';
import { withoutLeases } from './mount-ending.ts';
import type { SystemParts } from './parts.ts';

interface Migration {
  readonly namespaceId: string;
  readonly source: string;
  readonly target: string;
  status: 'in-progress' | 'success' | 'failure';
}

const REMEMBERED_MAX = 100;

/** `sys/remount`: moves a mount to another path. Its leases are revoked first: their ids name the old path. */
export function remountPaths(parts: SystemParts): EnginePath[] {
  const migrations = new Map<string, Migration>();
  return [
    systemPath({
      pattern: 'remount',
      summary: 'Moves a mount to another path.',
      sudo: true,
      fields: {
        from: text({ description: 'Where it is.' }),
        to: text({ description: 'Where it shall be.' }),
      },
      operations: {
        write: {
          outside: true,
          async handler(context, input) {
            const from = normal(input.from);
            const to = normal(input.to);
            const source = place(parts, context, from);
            const target = place(parts, context, to);
            const mount = source.table.get(source.path);
            if (!mount) throw new InvalidRequest(`no matching mount at ${JSON.stringify(from)}`);
            if (mount.singleton) throw new InvalidRequest(`cannot remount ${JSON.stringify(from)}`);
            if (source.path.startsWith('auth/') !== target.path.startsWith('auth/'))
              throw new InvalidRequest('cannot move between secrets engines and auth methods');
            const id = parts.random.uuid();
            const namespaceId = context.namespace.id;
            const migration: Migration = { namespaceId, source: from, target: to, status: 'in-progress' };
            migrations.set(id, migration);
            if (migrations.size > REMEMBERED_MAX) migrations.delete(migrations.keys().next().value!);
            await move(parts, context, mount, target, migration);
            return { data: { migration_id: id }, topLevel: 'also' };
          },
        },
      },
    }),
    systemPath({
      pattern: 'remount/status/{migration_id}',
      summary: 'Shows how far a move has come.',
      fields: { migration_id: text({ description: 'As the move gave it.', required: true }) },
      operations: {
        read: {
          handler(context, input) {
            const migration = migrations.get(input.migration_id);
            if (migration?.namespaceId !== context.namespace.id)
              throw new InvalidRequest('migration status not found');
            const { source, target, status } = migration;
            return {
              data: {
                migration_id: input.migration_id,
                migration_info: { source_mount: source, target_mount: target, status },
              },
            };
          },
        },
      },
    }),
  ];
}

async function move(
  parts: SystemParts,
  context: SystemContext,
  mount: OpenMount,
  to: Place,
  migration: Migration,
): Promise<void> {
  try {
    const target = { table: to.table, path: to.path.replace(/^auth\//, '') };
    parts.mounts.checkedPath(target.table, target.path, mount.entry.class);
    await withoutLeases(parts, context.session, mount, () =>
      parts.mounts.move(context.session, mount, target),
    );
    migration.status = 'success';
  } catch (error) {
    migration.status = 'failure';
    throw error;
  }
}

interface Place {
  readonly table: MountTable;
  readonly path: string;
}

/** A path may begin with namespaces below the request's. */
function place({ mounts, namespaces }: SystemParts, context: SystemContext, path: string): Place {
  let namespace: Namespace = context.namespace;
  let rest = path;
  for (;;) {
    const slash = rest.indexOf('/');
    const child = namespaces.child(namespace, rest.slice(0, slash));
    if (!child || !namespaces.isOpen(child) || namespaces.lockOver(child)) break;
    namespace = child;
    rest = rest.slice(slash + 1);
  }
  return { table: mounts.table(context.session, namespace.id), path: rest };
}

function normal(path: string | undefined): string {
  const trimmed = (path ?? '').replace(/^\/+|\/+$/g, '');
  if (trimmed === '') throw new InvalidRequest('both from and to path are required');
  return `${trimmed}/`;
}
