import { persist } from '../../barrier/session.ts';
import { InvalidRequest } from '../../base/errors.ts';
import { turn } from '../../base/turn.ts';
import type { EnginePath } from '../../engine/engine.ts';
import { boolean, list, name, pairs, restOfPath, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, listReply, type Reply } from '../../engine/reply.ts';
import {
  createEntity,
  deleteEntity,
  deleteEntityById,
  type EntityWrite,
  updateEntity,
} from '../../identity/entities.ts';
import { mergeEntities } from '../../identity/merge.ts';
import { normalName } from '../../identity/names.ts';
import type { Entity } from '../../identity/records.ts';
import type { Scope } from '../../identity/scope.ts';
import { type SystemContext, systemPath } from '../../mounts/system-context.ts';
import type { SystemParts } from '../parts.ts';
import { idList, scopeOf, shownEntity, shownMount } from './shown.ts';

/** Entities that are deleted in one turn of the event loop. */
const SLICE = 200;

const writeFields = {
  metadata: pairs({ description: 'What else is known of it; replaces what was there.' }),
  policies: list({ description: 'Policies that its tokens have beside their own.' }),
  disabled: boolean({ description: 'Refuses its tokens, without revoking them, and its logins.' }),
};
const entityName = text({ description: 'Its name; unique, whatever the case.' });

export function entityPaths(parts: SystemParts): EnginePath[] {
  return [...writePaths(parts), ...byId(parts), ...byName(parts), ...manyPaths(parts)];
}

function writePaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'entity',
      summary: 'Makes an entity, or changes the one of that id or name.',
      fields: { id: text({ description: 'An entity to change.' }), name: entityName, ...writeFields },
      operations: {
        write: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            const before = input.id
              ? existing(scope, input.id)
              : input.name
                ? scope.records.entityByName(input.name)
                : undefined;
            return write(scope, before, named(before, input, input.name));
          },
        },
      },
    }),
  ];
}

function byId(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'entity/id',
      summary: 'Lists the entities by their ids.',
      fields: pageFields,
      operations: {
        list: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            return idList(scope, 'entity', pageOf(input), (id) => brief(scope, scope.records.entity(id)));
          },
        },
      },
    }),
    systemPath({
      pattern: 'entity/id/{id}',
      summary: 'Shows, changes or deletes an entity.',
      fields: { id: name('The entity.'), name: entityName, ...writeFields },
      operations: {
        read: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            const entity = scope.records.currentEntity(input.id);
            return dataReply(entity && shownEntity(scope, entity));
          },
        },
        write: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            return write(scope, existing(scope, input.id), input);
          },
        },
        delete: { handler: (context, input) => void deleteEntityById(scopeOf(parts, context), input.id) },
      },
    }),
  ];
}

function byName(parts: SystemParts): EnginePath[] {
  const pattern = 'entity/name/{name...}';
  return [
    systemPath({
      pattern: 'entity/name',
      summary: 'Lists the entities by their names.',
      fields: pageFields,
      operations: {
        list: {
          handler: (context, input) =>
            listReply(scopeOf(parts, context).records.names('entity', pageOf(input))),
        },
      },
    }),
    systemPath({
      pattern,
      summary: 'Makes, shows, changes or deletes an entity by its name.',
      fields: {
        name: restOfPath('The name; case does not matter.', { canonical: normalName }),
        id: text({ description: 'An entity to change, its name with it.' }),
        ...writeFields,
      },
      operations: {
        read: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            const entity = scope.records.entityByName(input.name);
            return dataReply(entity && shownEntity(scope, entity));
          },
        },
        write: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            const given = context.request.path.slice('entity/name/'.length);
            const before = input.id ? existing(scope, input.id) : scope.records.entityByName(input.name);
            return write(scope, before, named(before, input, given));
          },
        },
        delete: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            const entity = scope.records.entityByName(input.name);
            if (entity) deleteEntity(scope, entity);
            return undefined;
          },
        },
      },
    }),
  ];
}

function manyPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'entity/batch-delete',
      summary: 'Deletes entities.',
      fields: { entity_ids: list({ description: 'Their ids.' }) },
      operations: {
        write: {
          outside: true,
          handler(context, input) {
            const ids = input.entity_ids ?? [];
            if (ids.length === 0) throw new InvalidRequest('missing entity ids to delete');
            return deleteMany(parts, context, ids);
          },
        },
      },
    }),
    systemPath({
      pattern: 'entity/merge',
      summary: 'Makes entities part of another: their aliases, groups and tokens become its own.',
      fields: {
        to_entity_id: text({ description: 'The entity that stays.', default: '' }),
        from_entity_ids: list({ description: 'Those that become part of it.' }),
        force: boolean({ description: 'Where both have MFA secrets, keeps those of the entity that stays.' }),
        conflicting_alias_ids_to_keep: list({
          description:
            'Where both have an alias at one mount, the one that stays; only with one entity to merge from.',
        }),
      },
      operations: {
        write: {
          handler(context, input) {
            mergeEntities(scopeOf(parts, context), {
              toId: input.to_entity_id,
              fromIds: input.from_entity_ids ?? [],
              aliasIdsToKeep: input.conflicting_alias_ids_to_keep ?? [],
            });
            return undefined;
          },
        },
      },
    }),
  ];
}

/** Data only for a new one: Terraform takes an empty reply for "it is there already". */
function write(scope: Scope, before: Entity | undefined, input: EntityWrite): Reply | undefined {
  if (before) {
    updateEntity(scope, before, input);
    return undefined;
  }
  const { id, name: given } = createEntity(scope, input);
  return { data: { aliases: null, id, name: given } };
}

/** In slices that commit one by one, so that others are served meanwhile. */
async function deleteMany(
  parts: SystemParts,
  { mount }: SystemContext,
  ids: readonly string[],
): Promise<undefined> {
  for (let at = 0; at < ids.length; at += SLICE) {
    const session = parts.openSession();
    const scope = parts.identity.within(session, mount.namespace.id);
    for (const id of ids.slice(at, at + SLICE)) deleteEntityById(scope, id);
    await persist(session);
    await turn();
  }
}

/** A name that only served to find it does not change its spelling. */
function named<I extends { id?: string | undefined }>(
  before: Entity | undefined,
  input: I,
  given: string | undefined,
) {
  return { ...input, name: before && !input.id ? before.name : given };
}

function existing(scope: Scope, id: string): Entity {
  const entity = scope.records.currentEntity(id);
  if (!entity) throw new InvalidRequest('invalid entity ID');
  return entity;
}

function brief(scope: Scope, entity: Entity | undefined) {
  return (
    entity && {
      name: entity.name,
      aliases: entity.aliases.map((alias) => ({
        id: alias.id,
        ...shownMount(scope, alias),
        name: alias.name,
      })),
    }
  );
}
