import type { Page } from '../../barrier/view.ts';
import { rfc3339 } from '../../base/clock.ts';
import { unlessCorrupt } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { listReply, type Reply } from '../../engine/reply.ts';
import { MEMBER_ENTITIES_MAX } from '../../identity/groups.ts';
import type { Alias, AliasKey, Entity, Group, Kind, Metadata } from '../../identity/records.ts';
import { groupsOf } from '../../identity/rights.ts';
import type { Scope } from '../../identity/scope.ts';
import type { SystemContext } from '../../mounts/system-context.ts';
import type { SystemParts } from '../parts.ts';

/** A list with what belongs to each key reads a record for each. */
const KEY_INFO_MAX = 1000;

/** The identities of the namespace that the request is in. */
export function scopeOf(parts: SystemParts, { session, mount }: SystemContext): Scope {
  return parts.identity.within(session, mount.namespace.id);
}

/** As the API has them: what is empty is null in some members, and a list in others. */
export function shownEntity(scope: Scope, entity: Entity): UnknownRecord {
  const { direct, inherited } = groupsOf(scope.records, entity);
  const directIds = direct.map(({ id }) => id);
  const inheritedIds = inherited.map(({ id }) => id);
  return {
    aliases: entity.aliases.flatMap((key) => {
      const alias = scope.records.alias('entity', key.accessor, key.name);
      return alias ? [shownAlias(scope, alias)] : [];
    }),
    creation_time: rfc3339(entity.createdAtMs),
    direct_group_ids: directIds,
    disabled: entity.disabled,
    group_ids: [...directIds, ...inheritedIds],
    id: entity.id,
    inherited_group_ids: inheritedIds,
    last_update_time: rfc3339(entity.updatedAtMs),
    merged_entity_ids: filled(entity.mergedIds),
    metadata: filledMetadata(entity.metadata),
    name: entity.name,
    namespace_id: scope.namespaceId,
    policies: filled(entity.policies),
  };
}

export function shownAlias(scope: Scope, alias: Alias): UnknownRecord {
  return {
    canonical_id: alias.canonicalId,
    creation_time: rfc3339(alias.createdAtMs),
    custom_metadata: filledMetadata(alias.customMetadata),
    id: alias.id,
    last_update_time: rfc3339(alias.updatedAtMs),
    local: alias.local,
    merged_from_canonical_ids: filled(alias.mergedFrom),
    metadata: filledMetadata(alias.metadata),
    ...shownMount(scope, alias),
    name: alias.name,
    namespace_id: scope.namespaceId,
  };
}

export function shownGroup(scope: Scope, group: Group): Reply {
  const { records } = scope;
  const alias = group.alias && records.alias('group', group.alias.accessor, group.alias.name);
  const members = records.memberIds(group.id, { limit: MEMBER_ENTITIES_MAX + 1 });
  const data = {
    alias: alias ? shownAlias(scope, alias) : {},
    creation_time: rfc3339(group.createdAtMs),
    id: group.id,
    last_update_time: rfc3339(group.updatedAtMs),
    member_entity_ids: members.slice(0, MEMBER_ENTITIES_MAX),
    member_group_ids: filled(group.memberGroupIds),
    metadata: filledMetadata(group.metadata),
    modify_index: group.modifyIndex,
    name: group.name,
    namespace_id: scope.namespaceId,
    parent_group_ids: filled(group.parentIds),
    policies: filled(group.policies),
    type: group.type,
  };
  if (members.length <= MEMBER_ENTITIES_MAX) return { data };
  return { data, warnings: [`only the first ${MEMBER_ENTITIES_MAX} member entities are shown`] };
}

/** Ids with what each stands for, as long as they are few; lists that go on can be read page by page. */
export function idList(
  scope: Scope,
  of: Kind | 'entity-alias' | 'group-alias',
  page: Page,
  info: (id: string) => UnknownRecord | undefined,
): Reply {
  const ids = scope.records.ids(of, page);
  if (ids.length > KEY_INFO_MAX)
    return {
      ...listReply(ids),
      warnings: [`key_info is left out of lists of more than ${KEY_INFO_MAX} keys; see after and limit`],
    };
  const known = ids.flatMap((id) => {
    const shown = unlessCorrupt(() => info(id), undefined);
    return shown ? [[id, shown] as const] : [];
  });
  return listReply(ids, Object.fromEntries(known));
}

export function aliasInfo(scope: Scope, alias: Alias): UnknownRecord {
  return {
    canonical_id: alias.canonicalId,
    custom_metadata: filledMetadata(alias.customMetadata),
    local: alias.local,
    ...shownMount(scope, alias),
    name: alias.name,
  };
}

/** Where the alias's mount is now. */
export function shownMount({ mounts }: Scope, { accessor }: Pick<AliasKey, 'accessor'>): UnknownRecord {
  const mount = mounts.byAccessor(accessor);
  return {
    mount_accessor: accessor,
    mount_path: mount?.info.path ?? '',
    mount_type: mount?.entry.type ?? '',
  };
}

function filled(items: readonly string[]): readonly string[] | null {
  return items.length > 0 ? items : null;
}

function filledMetadata(metadata: Metadata): Metadata | null {
  return Object.keys(metadata).length > 0 ? metadata : null;
}
