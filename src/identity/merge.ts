import { InvalidRequest } from '../base/errors.ts';
import { aliasKey } from './aliases.ts';
import { changeEntity } from './entities.ts';
import type { AliasKey, Entity } from './records.ts';
import type { Scope } from './scope.ts';

export interface EntityMerge {
  readonly toId: string;
  readonly fromIds: readonly string[];
  /** Of two aliases at one mount, the one that stays; then there can be but one entity to merge from. */
  readonly aliasIdsToKeep: readonly string[];
}

/**
 * Makes other entities part of one: their aliases and group memberships become its own, their tokens are its tokens.
 * Their policies and metadata go: whoever merges should not give anybody more by the way. Throws `InvalidRequest`.
 */
export function mergeEntities(scope: Scope, merge: EntityMerge): Entity {
  const { records } = scope;
  if (merge.toId === '') throw new InvalidRequest('missing entity id to merge to');
  const to = records.currentEntity(merge.toId);
  if (!to) throw new InvalidRequest('entity id to merge to is invalid');
  const from = entitiesToMerge(scope, merge, to);
  const kept = resolveConflicts(to, from, merge.aliasIdsToKeep);
  for (const entity of from) takeApart(scope, entity, to, kept);
  for (const alias of to.aliases) if (!kept.has(alias.id)) records.deleteAlias('entity', alias);
  const groupIds = new Set([...to.groupIds, ...from.flatMap((entity) => entity.groupIds)]);
  for (const groupId of groupIds) records.addMember(groupId, to.id);
  return changeEntity(scope, to, {
    aliases: [to, ...from].flatMap((entity) => entity.aliases.filter(({ id }) => kept.has(id))),
    groupIds: [...groupIds],
    mergedIds: [...to.mergedIds, ...from.flatMap((entity) => [entity.id, ...entity.mergedIds])],
  });
}

/** Each once, however often it is given. */
function entitiesToMerge({ records }: Scope, { fromIds }: EntityMerge, to: Entity): Entity[] {
  if (fromIds.length === 0) throw new InvalidRequest('missing entity ids to merge from');
  return [...new Set(fromIds)].map((id) => {
    const entity = records.entity(id);
    if (!entity) throw new InvalidRequest('entity id to merge from is invalid');
    if (entity.id === to.id)
      throw new InvalidRequest('to_entity_id should not be present in from_entity_ids');
    return entity;
  });
}

/** The ids of the aliases that stay. Throws `InvalidRequest` with all conflicts that nobody has decided. */
function resolveConflicts(
  to: Entity,
  from: readonly Entity[],
  aliasIdsToKeep: readonly string[],
): ReadonlySet<string> {
  const byMount = Map.groupBy(
    [to, ...from].flatMap((entity) => entity.aliases.map((alias) => ({ alias, entity }))),
    ({ alias }) => alias.accessor,
  );
  const clashes = [...byMount.values()].filter((claims) => claims.length > 1);
  const chosen = new Set(aliasIdsToKeep);
  const ids = new Set([...byMount.values()].flat().map(({ alias }) => alias.id));
  const stranger = aliasIdsToKeep.find((id) => !ids.has(id));
  if (stranger !== undefined)
    throw new InvalidRequest('conflicting_alias_ids_to_keep has an alias of none of the entities');
  const open = clashes.filter((claims) => claims.filter(({ alias }) => chosen.has(alias.id)).length !== 1);
  if (open.length > 0 || (clashes.length > 0 && from.length > 1))
    throw new InvalidRequest(conflictText(open.length > 0 ? open : clashes));
  for (const { alias } of clashes.flat()) if (!chosen.has(alias.id)) ids.delete(alias.id);
  return ids;
}

function conflictText(clashes: readonly (readonly { alias: AliasKey; entity: Entity }[])[]): string {
  const shown = clashes.map((claims) => {
    const sides = claims.map(({ alias, entity }) => `entity ${entity.id} has alias ${alias.id}`);
    return `mount accessor ${claims[0]?.alias.accessor}: ${sides.join(', ')}`;
  });
  return `entities have aliases with the same mount accessor; repeat the request with exactly one from_entity_ids and, in conflicting_alias_ids_to_keep, one alias of each pair: ${shown.join('; ')}`;
}

function takeApart({ records, clock }: Scope, entity: Entity, to: Entity, kept: ReadonlySet<string>): void {
  for (const key of entity.aliases) {
    const alias = records.alias('entity', key.accessor, key.name);
    if (!alias || !kept.has(alias.id)) records.deleteAlias('entity', key);
    else
      records.putAlias('entity', {
        ...alias,
        ...aliasKey(alias),
        canonicalId: to.id,
        mergedFrom: [...alias.mergedFrom, entity.id],
        updatedAtMs: clock.now(),
      });
  }
  for (const groupId of entity.groupIds) records.removeMember(groupId, entity.id);
  records.deleteEntity(entity);
  for (const id of [entity.id, ...entity.mergedIds]) records.putMerged(id, to.id);
}
