import { InvalidRequest, orIfCorrupt } from '../base/errors.ts';
import { checkedMetadata, checkedName, checkedPolicies, normalName } from './names.ts';
import type { Entity, Metadata } from './records.ts';
import { freeName, type Scope } from './scope.ts';

/** What is not given stays as it is. */
export interface EntityWrite {
  readonly name?: string | undefined;
  readonly metadata?: Metadata | undefined;
  readonly policies?: readonly string[] | undefined;
  readonly disabled?: boolean | undefined;
}

/** Makes an entity, by default with a name of its own. Throws `InvalidRequest`. */
export function createEntity(scope: Scope, write: EntityWrite = {}): Entity {
  const { records, clock, random } = scope;
  const isTaken = (name: string) => records.entityByName(name) !== undefined;
  const name = write.name ? checkedName(write.name, 'entity') : freeName(scope, 'entity', isTaken);
  if (write.name && isTaken(name)) throw new InvalidRequest('entity name is already in use');
  const nowMs = clock.now();
  const entity: Entity = {
    id: random.uuid(),
    name,
    metadata: checkedMetadata(write.metadata ?? {}),
    policies: checkedPolicies(write.policies ?? []),
    disabled: write.disabled ?? false,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    mergedIds: [],
    aliases: [],
    groupIds: [],
  };
  records.putEntity(entity);
  return entity;
}

/** Throws `InvalidRequest`. */
export function updateEntity(scope: Scope, before: Entity, write: EntityWrite): Entity {
  const name = write.name ? checkedName(write.name, 'entity') : before.name;
  if (normalName(name) !== normalName(before.name) && scope.records.entityByName(name))
    throw new InvalidRequest('entity name is already in use');
  return changeEntity(scope, before, {
    name,
    metadata: write.metadata ? checkedMetadata(write.metadata) : before.metadata,
    policies: write.policies ? checkedPolicies(write.policies) : before.policies,
    disabled: write.disabled ?? before.disabled,
  });
}

export function changeEntity(scope: Scope, before: Entity, change: Partial<Entity>): Entity {
  const entity: Entity = { ...before, ...change, updatedAtMs: scope.clock.now() };
  scope.records.putEntity(entity, before);
  return entity;
}

/** With its aliases and memberships; its tokens are refused from then on. No error when there is none. */
export function deleteEntity(scope: Scope, entity: Entity): void {
  const { records } = scope;
  for (const alias of entity.aliases) records.deleteAlias('entity', alias);
  for (const groupId of entity.groupIds) records.removeMember(groupId, entity.id);
  for (const id of [entity.id, ...entity.mergedIds]) records.deleteFactors(id);
  records.deleteEntity(entity);
}

/** As `deleteEntity`; of one whose record is damaged, what can be found. */
export function deleteEntityById(scope: Scope, id: string): void {
  const { records } = scope;
  orIfCorrupt(
    () => {
      const entity = records.currentEntity(id);
      if (entity) deleteEntity(scope, entity);
    },
    () => records.deleteUnreadableEntity(id),
  );
}

export function joinGroup(scope: Scope, entity: Entity, groupId: string): Entity {
  if (entity.groupIds.includes(groupId)) return entity;
  scope.records.addMember(groupId, entity.id);
  return changeEntity(scope, entity, { groupIds: [...entity.groupIds, groupId] });
}

export function leaveGroup(scope: Scope, entity: Entity, groupId: string): Entity {
  scope.records.removeMember(groupId, entity.id);
  if (!entity.groupIds.includes(groupId)) return entity;
  return changeEntity(scope, entity, { groupIds: entity.groupIds.filter((id) => id !== groupId) });
}
