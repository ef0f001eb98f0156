import { PermissionDenied } from '../base/errors.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import { addAlias, setAliasMetadata } from './aliases.ts';
import { createEntity, joinGroup, leaveGroup } from './entities.ts';
import { sameMetadata } from './names.ts';
import type { Entity, Metadata } from './records.ts';
import type { Scope } from './scope.ts';

/** Who an auth method, or a token role, says somebody is. */
export interface Claim {
  /** In the method's own spelling. */
  readonly aliasName: string;
  readonly aliasMetadata?: Metadata | undefined;
  /** Undefined: the method knows nothing of groups. */
  readonly groupAliases?: readonly string[] | undefined;
}

/**
 * The entity that has this alias, made where there is none; its metadata and external groups as the claim has them.
 * Writes nothing when nothing changed. Throws `PermissionDenied` for a disabled entity.
 */
export function entityForLogin(scope: Scope, mount: OpenMount, claim: Claim): Entity {
  const { records } = scope;
  const { accessor } = mount.entry;
  const alias = records.alias('entity', accessor, claim.aliasName);
  let entity = alias && records.currentEntity(alias.canonicalId);
  const metadata = claim.aliasMetadata ?? {};
  if (!alias || !entity) {
    // One that leads nowhere is what is left of a damaged record.
    if (alias) records.deleteAlias('entity', alias);
    entity = addAlias(scope, createEntity(scope), { mount, name: claim.aliasName, metadata }).entity;
  } else {
    if (entity.disabled) throw new PermissionDenied();
    if (!sameMetadata(alias.metadata, metadata))
      entity = setAliasMetadata(scope, alias, entity, { metadata });
  }
  return claim.groupAliases ? syncGroups(scope, entity, accessor, claim.groupAliases) : entity;
}

/** In the external groups that the method at `accessor` names, and in no other of that method. */
export function syncGroups(scope: Scope, entity: Entity, accessor: string, names: readonly string[]): Entity {
  const { records } = scope;
  const wanted = new Set(names.flatMap((name) => records.alias('group', accessor, name)?.canonicalId ?? []));
  let synced = entity;
  for (const id of entity.groupIds) {
    const group = wanted.has(id) ? undefined : records.group(id);
    if (group?.type === 'external' && group.alias?.accessor === accessor)
      synced = leaveGroup(scope, synced, id);
  }
  for (const id of wanted) if (records.group(id)) synced = joinGroup(scope, synced, id);
  return synced;
}
