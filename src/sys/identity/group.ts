import { InvalidRequest, NotFound } from '../../base/errors.ts';
import type { EnginePath } from '../../engine/engine.ts';
import { type Input, list, name, pairs, restOfPath, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { listReply, type Reply } from '../../engine/reply.ts';
import { createGroup, deleteGroup, deleteGroupById, updateGroup } from '../../identity/groups.ts';
import { normalName } from '../../identity/names.ts';
import type { Group } from '../../identity/records.ts';
import type { Scope } from '../../identity/scope.ts';
import { systemPath } from '../../mounts/system-context.ts';
import type { SystemParts } from '../parts.ts';
import { idList, scopeOf, shownGroup, shownMount } from './shown.ts';

const writeFields = {
  type: text({
    description: 'internal (filled by operators) or external (filled by what an auth method says at logins).',
    choices: ['internal', 'external'],
  }),
  metadata: pairs({ description: 'What else is known of it; replaces what was there.' }),
  policies: list({ description: 'Policies that its members’ tokens have beside their own.' }),
  member_entity_ids: list({ description: 'The entities in it; replaces those that were.' }),
  member_group_ids: list({ description: 'The groups in it; replaces those that were.' }),
};
const groupName = text({ description: 'Its name; unique, whatever the case.' });

type GroupInput = Partial<Input<typeof writeFields>> & { name?: string | undefined };

export function groupPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'group',
      summary: 'Makes a group, or changes the one of that id or name.',
      fields: { id: text({ description: 'A group to change.' }), name: groupName, ...writeFields },
      operations: {
        write: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            const before = input.id
              ? existing(scope, input.id)
              : input.name
                ? scope.records.groupByName(input.name)
                : undefined;
            return write(scope, before, named(before, input, input.name));
          },
        },
      },
    }),
    ...byId(parts),
    ...byName(parts),
  ];
}

function byId(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'group/id',
      summary: 'Lists the groups by their ids.',
      fields: pageFields,
      operations: {
        list: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            return idList(scope, 'group', pageOf(input), (id) => brief(scope, scope.records.group(id)));
          },
        },
      },
    }),
    systemPath({
      pattern: 'group/id/{id}',
      summary: 'Shows, changes or deletes a group.',
      fields: { id: name('The group.'), name: groupName, ...writeFields },
      operations: {
        read: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            return shown(scope, scope.records.group(input.id));
          },
        },
        write: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            return write(scope, existing(scope, input.id), input);
          },
        },
        delete: {
          handler: (context, input) => void deleteGroupById(scopeOf(parts, context), input.id),
        },
      },
    }),
  ];
}

function byName(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'group/name',
      summary: 'Lists the groups by their names.',
      fields: pageFields,
      operations: {
        list: {
          handler: (context, input) =>
            listReply(scopeOf(parts, context).records.names('group', pageOf(input))),
        },
      },
    }),
    systemPath({
      pattern: 'group/name/{name...}',
      summary: 'Makes, shows, changes or deletes a group by its name.',
      fields: {
        name: restOfPath('The name; case does not matter.', { canonical: normalName }),
        id: text({ description: 'A group to change, its name with it.' }),
        ...writeFields,
      },
      operations: {
        read: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            return shown(scope, scope.records.groupByName(input.name));
          },
        },
        write: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            const given = context.request.path.slice('group/name/'.length);
            const before = input.id ? existing(scope, input.id) : scope.records.groupByName(input.name);
            return write(scope, before, named(before, input, given));
          },
        },
        delete: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            const group = scope.records.groupByName(input.name);
            if (group) deleteGroup(scope, group);
            return undefined;
          },
        },
      },
    }),
  ];
}

function write(scope: Scope, before: Group | undefined, input: GroupInput): Reply {
  const wanted = {
    name: input.name,
    type: input.type === 'external' || input.type === 'internal' ? input.type : undefined,
    metadata: input.metadata,
    policies: input.policies,
    memberEntityIds: input.member_entity_ids,
    memberGroupIds: input.member_group_ids,
  } as const;
  const group = before ? updateGroup(scope, before, wanted) : createGroup(scope, wanted);
  return { data: { id: group.id, name: group.name } };
}

function shown(scope: Scope, group: Group | undefined): Reply {
  if (!group) throw new NotFound();
  return shownGroup(scope, group);
}

/** A name that only served to find it does not change its spelling. */
function named<I extends { id?: string | undefined }>(
  before: Group | undefined,
  input: I,
  given: string | undefined,
) {
  return { ...input, name: before && !input.id ? before.name : given };
}

function existing(scope: Scope, id: string): Group {
  const group = scope.records.group(id);
  if (!group) throw new InvalidRequest('invalid group ID');
  return group;
}

function brief(scope: Scope, group: Group | undefined) {
  return (
    group && {
      name: group.name,
      num_member_groups: group.memberGroupIds.length,
      num_parent_groups: group.parentIds.length,
      ...(group.alias && {
        alias: { ...shownMount(scope, group.alias), id: group.alias.id, name: group.alias.name },
      }),
    }
  );
}
