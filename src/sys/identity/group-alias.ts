import type { EnginePath } from '../../engine/engine.ts';
import { name, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, type Reply } from '../../engine/reply.ts';
import { deleteGroupAliasById, writeGroupAlias } from '../../identity/groups.ts';
import { type SystemContext, systemPath } from '../../mounts/system-context.ts';
import type { SystemParts } from '../parts.ts';
import { aliasInfo, idList, scopeOf, shownAlias } from './shown.ts';

const fields = {
  name: text({ description: 'What the group is called at the auth method.' }),
  mount_accessor: text({ description: 'Accessor of the auth method’s mount.' }),
  canonical_id: text({ description: 'The external group; without one a new one is made.' }),
};

interface GroupAliasInput {
  name?: string | undefined;
  mount_accessor?: string | undefined;
  canonical_id?: string | undefined;
}

export function groupAliasPaths(parts: SystemParts): EnginePath[] {
  const write = (context: SystemContext, id: string | undefined, input: GroupAliasInput): Reply => {
    const alias = writeGroupAlias(scopeOf(parts, context), {
      id,
      name: input.name,
      accessor: input.mount_accessor,
      canonicalId: input.canonical_id,
    });
    return { data: { canonical_id: alias.canonicalId, id: alias.id } };
  };
  return [
    systemPath({
      pattern: 'group-alias',
      summary: 'Says what an external group is called at an auth method.',
      fields: { ...fields, id: text({ description: 'An alias to change.' }) },
      operations: { write: { handler: (context, input) => write(context, input.id, input) } },
    }),
    systemPath({
      pattern: 'group-alias/id',
      summary: 'Lists the aliases of groups by their ids.',
      fields: pageFields,
      operations: {
        list: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            return idList(scope, 'group-alias', pageOf(input), (id) => {
              const alias = scope.records.aliasById('group', id);
              return alias && aliasInfo(scope, alias);
            });
          },
        },
      },
    }),
    systemPath({
      pattern: 'group-alias/id/{id}',
      summary: 'Shows, changes or deletes an alias of a group.',
      fields: { ...fields, id: name('The alias.') },
      operations: {
        read: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            const alias = scope.records.aliasById('group', input.id);
            return dataReply(alias && shownAlias(scope, alias));
          },
        },
        write: { handler: (context, input) => write(context, input.id, input) },
        delete: {
          handler: (context, input) => void deleteGroupAliasById(scopeOf(parts, context), input.id),
        },
      },
    }),
  ];
}
