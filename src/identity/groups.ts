import { InvalidRequest, orIfCorrupt } from '../base/errors.ts';
import { checkedAliasName } from './aliases.ts';
import { joinGroup, leaveGroup } from './entities.ts';
import { checkedMetadata, checkedName, checkedPolicies, normalName } from './names.ts';
import type { Alias, Group, GroupType, Metadata } from './records.ts';
import { existingMount, freeName, type Scope } from './scope.ts';

/** Of a group that operators fill; logins may make an external one larger. */
export const MEMBER_ENTITIES_MAX = 25_000;
const MEMBER_GROUPS_MAX = 1000;
/** Groups above a group, counted each once: what a request of a member's token has to look at. */
const ANCESTORS_MAX = 1000;

/** What is not given stays as it is. */
export interface GroupWrite {
  readonly name?: string | undefined;
  readonly type?: GroupType | undefined;
  readonly metadata?: Metadata | undefined;
  readonly policies?: readonly string[] | undefined;
  readonly memberEntityIds?: readonly string[] | undefined;
  readonly memberGroupIds?: readonly string[] | undefined;
}

/** Makes a group, by default with a name of its own. Throws `InvalidRequest`. */
export function createGroup(scope: Scope, write: GroupWrite): Group {
  const { records } = scope;
  const isTaken = (name: string) => records.groupByName(name) !== undefined;
  const name = write.name ? checkedName(write.name, 'group') : freeName(scope, 'group', isTaken);
  if (write.name && isTaken(name)) throw new InvalidRequest('group name is already in use');
  const nowMs = scope.clock.now();
  const group: Group = {
    id: scope.random.uuid(),
    name,
    type: write.type ?? 'internal',
    metadata: {},
    policies: [],
    memberGroupIds: [],
    parentIds: [],
    alias: null,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    modifyIndex: 0,
  };
  records.putGroup(group);
  return updateGroup(scope, group, { ...write, name });
}

/** Throws `InvalidRequest`. */
export function updateGroup(scope: Scope, before: Group, write: GroupWrite): Group {
  const { records } = scope;
  if (write.type && write.type !== before.type) throw new InvalidRequest('group type cannot be changed');
  if (before.type === 'external' && write.memberEntityIds?.length)
    throw new InvalidRequest("member entities can't be set manually for external groups");
  if (before.type === 'external' && write.memberGroupIds?.length)
    throw new InvalidRequest("member groups can't be set for external groups");
  const name = write.name ? checkedName(write.name, 'group') : before.name;
  if (normalName(name) !== normalName(before.name) && records.groupByName(name))
    throw new InvalidRequest('group name is already in use');
  const group = changeGroup(scope, before, {
    name,
    metadata: write.metadata ? checkedMetadata(write.metadata) : before.metadata,
    policies: write.policies ? checkedPolicies(write.policies) : before.policies,
  });
  if (before.type === 'external') return group;
  if (write.memberEntityIds) setMembers(scope, group, write.memberEntityIds);
  return write.memberGroupIds ? setSubgroups(scope, group, write.memberGroupIds) : group;
}

/** With its alias; its members stay. No error when there is none. */
export function deleteGroupById(scope: Scope, id: string): void {
  const { records } = scope;
  orIfCorrupt(
    () => {
      const group = records.group(id);
      if (group) deleteGroup(scope, group);
    },
    () => {
      for (const member of records.memberIds(id)) removeEntity(scope, id, member);
      records.deleteUnreadableGroup(id);
    },
  );
}

export function deleteGroup(scope: Scope, group: Group): void {
  const { records } = scope;
  for (const id of records.memberIds(group.id)) removeEntity(scope, group.id, id);
  for (const id of group.memberGroupIds) dropLink(scope, id, 'parentIds', group.id);
  for (const id of group.parentIds) dropLink(scope, id, 'memberGroupIds', group.id);
  if (group.alias) records.deleteAlias('group', group.alias);
  records.deleteGroup(group);
}

export interface GroupAliasWrite {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly accessor?: string | undefined;
  readonly canonicalId?: string | undefined;
}

/** Says what an external group is called at an auth method. Throws `InvalidRequest`. */
export function writeGroupAlias(scope: Scope, write: GroupAliasWrite): Alias {
  const { records, clock } = scope;
  const known = write.id ? records.aliasById('group', write.id) : undefined;
  if (write.id && !known) throw new InvalidRequest('invalid group alias ID');
  const accessor = write.accessor || known?.accessor;
  const mount = existingMount(scope, accessor);
  const name = write.name || !known ? checkedGroupAliasName(write.name) : known.name;
  const there = records.alias('group', mount.entry.accessor, name);
  if (known && there && there.id !== known.id)
    throw new InvalidRequest('group alias with combination of mount accessor and name already exists');
  const before = known ?? there;
  const group = groupToName(scope, write.canonicalId || before?.canonicalId);
  if (group.alias && group.alias.id !== before?.id)
    throw new InvalidRequest('an external group can have only one alias');
  const nowMs = clock.now();
  const alias: Alias = {
    id: before?.id ?? scope.random.uuid(),
    accessor: mount.entry.accessor,
    name,
    canonicalId: group.id,
    metadata: {},
    customMetadata: {},
    local: mount.info.local,
    mergedFrom: [],
    createdAtMs: before?.createdAtMs ?? nowMs,
    updatedAtMs: nowMs,
  };
  if (before) deleteGroupAlias(scope, before);
  records.putAlias('group', alias);
  const current = records.group(group.id) ?? group;
  changeGroup(scope, current, { alias: { id: alias.id, accessor: alias.accessor, name } });
  return alias;
}

/** The group stays, with the members it has. No error when there is none. */
export function deleteGroupAliasById(scope: Scope, id: string): void {
  const { records } = scope;
  orIfCorrupt(
    () => {
      const alias = records.aliasById('group', id);
      if (alias) deleteGroupAlias(scope, alias);
    },
    () => records.deleteUnreadableAlias('group', id),
  );
}

export function deleteGroupAlias(scope: Scope, alias: Alias): void {
  const group = scope.records.group(alias.canonicalId);
  if (group?.alias?.id === alias.id) changeGroup(scope, group, { alias: null });
  scope.records.deleteAlias('group', alias);
}

/** The groups above a set of groups, without these, nearest first. */
export function groupsAbove({ records }: Pick<Scope, 'records'>, groups: readonly Group[]): Group[] {
  const seen = new Set(groups.map(({ id }) => id));
  const above: Group[] = [];
  const visit = ({ parentIds }: Group) => {
    for (const id of parentIds) {
      const parent = seen.has(id) ? undefined : records.group(id);
      seen.add(id);
      if (parent) above.push(parent);
    }
  };
  for (const group of groups) visit(group);
  for (let at = 0; at < above.length; at++) visit(above[at]!);
  return above;
}

function checkedGroupAliasName(given: string | undefined): string {
  return checkedAliasName(undefined, given);
}

/** Without an id, a new one. Throws `InvalidRequest`. */
function groupToName(scope: Scope, id: string | undefined): Group {
  if (!id) return createGroup(scope, { type: 'external' });
  const group = scope.records.group(id);
  if (!group) throw new InvalidRequest('invalid group ID');
  if (group.type !== 'external')
    throw new InvalidRequest('alias can be set only on a group of type external');
  return group;
}

function changeGroup(scope: Scope, before: Group, change: Partial<Group>): Group {
  const group: Group = {
    ...before,
    ...change,
    updatedAtMs: scope.clock.now(),
    modifyIndex: before.modifyIndex + 1,
  };
  scope.records.putGroup(group, before);
  return group;
}

function setMembers(scope: Scope, group: Group, entityIds: readonly string[]): void {
  const { records } = scope;
  const wanted = new Map<string, string>();
  for (const id of entityIds) {
    const entity = records.currentEntity(id);
    if (!entity) throw new InvalidRequest(`invalid entity ID ${JSON.stringify(id)}`);
    wanted.set(entity.id, id);
  }
  if (wanted.size > MEMBER_ENTITIES_MAX)
    throw new InvalidRequest(`a group can have at most ${MEMBER_ENTITIES_MAX} member entities`);
  const before = new Set(records.memberIds(group.id));
  for (const id of before) if (!wanted.has(id)) removeEntity(scope, group.id, id);
  for (const id of wanted.keys()) {
    const entity = before.has(id) ? undefined : records.entity(id);
    if (entity) joinGroup(scope, entity, group.id);
  }
}

function removeEntity(scope: Scope, groupId: string, entityId: string): void {
  const entity = scope.records.entity(entityId);
  if (entity) leaveGroup(scope, entity, groupId);
  else scope.records.removeMember(groupId, entityId);
}

function setSubgroups(scope: Scope, group: Group, ids: readonly string[]): Group {
  const wanted = new Set(ids);
  if (wanted.size > MEMBER_GROUPS_MAX)
    throw new InvalidRequest(`a group can have at most ${MEMBER_GROUPS_MAX} member groups`);
  const above = new Set([group, ...groupsAbove(scope, [group])].map(({ id }) => id));
  for (const id of wanted) {
    const member = scope.records.group(id);
    if (!member) throw new InvalidRequest(`invalid group ID ${JSON.stringify(id)}`);
    if (above.has(id))
      throw new InvalidRequest(`cyclic relationship detected for member group ID ${JSON.stringify(id)}`);
  }
  for (const id of group.memberGroupIds) if (!wanted.has(id)) dropLink(scope, id, 'parentIds', group.id);
  for (const id of wanted) {
    const member = scope.records.group(id);
    if (!member || member.parentIds.includes(group.id)) continue;
    const changed = changeGroup(scope, member, { parentIds: [...member.parentIds, group.id] });
    if (groupsAbove(scope, [changed]).length > ANCESTORS_MAX)
      throw new InvalidRequest(`a group can be within at most ${ANCESTORS_MAX} others`);
  }
  return changeGroup(scope, group, { memberGroupIds: [...wanted] });
}

function dropLink(scope: Scope, id: string, list: 'parentIds' | 'memberGroupIds', other: string): void {
  const group = scope.records.group(id);
  if (group) changeGroup(scope, group, { [list]: group[list].filter((each) => each !== other) });
}
