import { InvalidRequest } from '../../base/errors.ts';
import type { EnginePath } from '../../engine/engine.ts';
import { type Input, text } from '../../engine/fields.ts';
import type { Alias, Kind } from '../../identity/records.ts';
import { authMount, canonicalAliasName, type Scope } from '../../identity/scope.ts';
import { systemPath } from '../../mounts/system-context.ts';
import type { SystemParts } from '../parts.ts';
import { scopeOf, shownEntity, shownGroup } from './shown.ts';

const fields = {
  name: text({ description: 'Its name.' }),
  id: text({ description: 'Its id.' }),
  alias_id: text({ description: 'Id of an alias of it.' }),
  alias_name: text({ description: 'Name of an alias of it; with alias_mount_accessor.' }),
  alias_mount_accessor: text({ description: 'Accessor of the mount that the alias is at.' }),
};
type Criteria = Input<typeof fields>;

/** Looking somebody up; an empty reply where there is nobody. */
export function lookupPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'lookup/entity',
      summary: 'Finds an entity by id, name or alias.',
      fields,
      operations: {
        write: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            const { records } = scope;
            const entity = find(scope, 'entity', input, {
              byId: (id) => records.currentEntity(id),
              byName: (name) => records.entityByName(name),
            });
            return entity && { data: shownEntity(scope, entity) };
          },
        },
      },
    }),
    systemPath({
      pattern: 'lookup/group',
      summary: 'Finds a group by id, name or alias.',
      fields,
      operations: {
        write: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            const { records } = scope;
            const group = find(scope, 'group', input, {
              byId: (id) => records.group(id),
              byName: (name) => records.groupByName(name),
            });
            return group && shownGroup(scope, group);
          },
        },
      },
    }),
  ];
}

function find<T>(
  scope: Scope,
  kind: Kind,
  criteria: Criteria,
  { byId, byName }: { byId(id: string): T | undefined; byName(name: string): T | undefined },
): T | undefined {
  if (criteria.id) return byId(criteria.id);
  if (criteria.name) return byName(criteria.name);
  const alias = aliasOf(scope, kind, criteria);
  return alias && byId(alias.canonicalId);
}

function aliasOf(scope: Scope, kind: Kind, criteria: Criteria): Alias | undefined {
  const { alias_id: id, alias_name: name, alias_mount_accessor: accessor } = criteria;
  if (id) return scope.records.aliasById(kind, id);
  if (!name && !accessor) throw new InvalidRequest('query parameters not supplied');
  if (!name || !accessor)
    throw new InvalidRequest('alias_name and alias_mount_accessor must be given together');
  const mount = authMount(scope, accessor);
  const spelled = kind === 'entity' ? canonicalAliasName(mount, name) : name;
  return mount && scope.records.alias(kind, accessor, spelled);
}
