import { unlessCorrupt } from '../base/errors.ts';
import type { TemplateIdentity } from '../policies/templates.ts';
import { groupsAbove } from './groups.ts';
import type { Entity, Group, GroupsStamp, IdentityRecords } from './records.ts';

/** What an entity adds to its tokens' rights: one object as long as neither the entity nor any group changes. */
export class Rights {
  readonly entity: Entity;
  /** Of the entity and of the groups it is in, sorted. */
  readonly policies: readonly string[];
  readonly template: TemplateIdentity;
  readonly #unions = new WeakMap<readonly string[], readonly string[]>();

  constructor(records: IdentityRecords, entity: Entity) {
    const { direct, inherited } = groupsOf(records, entity);
    const groups = [...direct, ...inherited];
    this.entity = entity;
    this.policies = [...new Set([entity, ...groups].flatMap(({ policies }) => policies))].sort();
    this.template = templateOf(records, entity, groups);
  }

  /** A token's policies and these: the same array for the same token's. */
  with(tokenPolicies: readonly string[]): readonly string[] {
    if (this.policies.length === 0) return tokenPolicies;
    let union = this.#unions.get(tokenPolicies);
    if (!union) {
      union = [...new Set([...tokenPolicies, ...this.policies])].sort();
      this.#unions.set(tokenPolicies, union);
    }
    return union;
  }
}

/** Undefined for an entity that is disabled or gone: its tokens are refused. */
export function rightsInForce(rights: Rights | undefined): Rights | undefined {
  return rights?.entity.disabled ? undefined : rights;
}

/** Those the entity is in itself, and those above them. */
export function groupsOf(records: IdentityRecords, { groupIds }: Entity) {
  const direct = groupIds.flatMap((id) => records.group(id) ?? []);
  return { direct, inherited: groupsAbove({ records }, direct) };
}

/** Remembers rights as long as the entity's record is remembered. */
export class RightsCache {
  readonly #known = new WeakMap<Entity, { rights: Rights; stamp: GroupsStamp | undefined }>();

  /** Of a token's entity, which may have been merged into another; undefined when it is gone. */
  find(records: IdentityRecords, entityId: string): Rights | undefined {
    const entity = records.currentEntity(entityId);
    if (!entity) return undefined;
    const stamp = unlessCorrupt<GroupsStamp | 'damaged' | undefined>(() => records.groupsStamp(), 'damaged');
    // Until a group is changed, nothing tells what still holds.
    if (stamp === 'damaged') return new Rights(records, entity);
    const known = this.#known.get(entity);
    if (known && known.stamp === stamp) return known.rights;
    const rights = new Rights(records, entity);
    this.#known.set(entity, { rights, stamp });
    return rights;
  }
}

/** A change of an alias writes its entity too, so these hold as long as the entity's record does. */
function templateOf(records: IdentityRecords, entity: Entity, groups: readonly Group[]): TemplateIdentity {
  const { id, name, metadata } = entity;
  return {
    entity: {
      id,
      name,
      metadata,
      aliases: new Map(
        entity.aliases.flatMap((key) => {
          const alias = records.alias('entity', key.accessor, key.name);
          return alias ? [[key.accessor, alias] as const] : [];
        }),
      ),
    },
    groups: groups.map((group) => ({ id: group.id, name: group.name, metadata: group.metadata })),
  };
}
