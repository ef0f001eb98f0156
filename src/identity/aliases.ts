import { InvalidRequest, orIfCorrupt } from '../base/errors.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import { changeEntity, createEntity } from './entities.ts';
import { checkedMetadata } from './names.ts';
import type { Alias, AliasKey, Entity, Metadata } from './records.ts';
import { canonicalAliasName, existingMount, type Scope } from './scope.ts';

/** Characters; subjects of certificates can be long. */
const NAME_LENGTH_MAX = 4096;

/** What is not given stays as it is. */
export interface AliasWrite {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly accessor?: string | undefined;
  readonly canonicalId?: string | undefined;
  readonly customMetadata?: Metadata | undefined;
  readonly metadata?: Metadata | undefined;
}

/** Makes an entity's alias, or changes the one of that id, mount or name. Throws `InvalidRequest`. */
export function writeAlias(scope: Scope, write: AliasWrite): Alias {
  const { records } = scope;
  if (write.id) {
    const before = records.aliasById('entity', write.id);
    if (!before) throw new InvalidRequest('invalid alias ID');
    return updateAlias(scope, before, write);
  }
  const mount = existingMount(scope, write.accessor);
  const name = checkedAliasName(mount, write.name);
  const before = records.alias('entity', mount.entry.accessor, name);
  if (before) return updateAlias(scope, before, write);
  const entity = write.canonicalId ? existingEntity(scope, write.canonicalId) : createEntity(scope);
  const { customMetadata } = write;
  const metadata = write.metadata && checkedMetadata(write.metadata);
  return addAlias(scope, entity, { mount, name, metadata, customMetadata }).alias;
}

export interface NewAlias {
  readonly mount: OpenMount;
  /** Canonical. */
  readonly name: string;
  readonly metadata?: Metadata | undefined;
  readonly customMetadata?: Metadata | undefined;
}

/** Throws `InvalidRequest` when the entity has one at that mount. */
export function addAlias(
  scope: Scope,
  entity: Entity,
  { mount, name, metadata, customMetadata }: NewAlias,
): { alias: Alias; entity: Entity } {
  const { accessor } = mount.entry;
  refuseSecond(scope, entity, accessor);
  const nowMs = scope.clock.now();
  const alias: Alias = {
    id: scope.random.uuid(),
    accessor,
    name,
    canonicalId: entity.id,
    metadata: metadata ?? {},
    customMetadata: checkedMetadata(customMetadata ?? {}, 'custom_metadata'),
    local: mount.info.local,
    mergedFrom: [],
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  };
  scope.records.putAlias('entity', alias);
  const aliases = [...entity.aliases.filter((other) => other.accessor !== accessor), aliasKey(alias)];
  return { alias, entity: changeEntity(scope, entity, { aliases }) };
}

/** No error when there is none. The entity stays. */
export function deleteAliasById(scope: Scope, id: string): void {
  const { records } = scope;
  orIfCorrupt(
    () => {
      const alias = records.aliasById('entity', id);
      if (alias) deleteAlias(scope, alias);
    },
    () => records.deleteUnreadableAlias('entity', id),
  );
}

export function deleteAlias(scope: Scope, alias: Alias): void {
  forgetAlias(scope, alias);
  scope.records.deleteAlias('entity', alias);
}

/** Takes it off its entity's list. */
export function forgetAlias(scope: Scope, alias: Alias): void {
  const entity = scope.records.currentEntity(alias.canonicalId);
  if (!entity) return;
  changeEntity(scope, entity, { aliases: entity.aliases.filter(({ id }) => id !== alias.id) });
}

/** Metadata alone: the entity's record is written too, so that what was derived from it is derived again. */
export function setAliasMetadata(
  scope: Scope,
  alias: Alias,
  entity: Entity,
  metadata: Pick<Partial<Alias>, 'metadata' | 'customMetadata'>,
): Entity {
  scope.records.rewriteAlias('entity', { ...alias, ...metadata, updatedAtMs: scope.clock.now() });
  return changeEntity(scope, entity, {});
}

export function aliasKey({ id, accessor, name }: AliasKey): AliasKey {
  return { id, accessor, name };
}

/** In the mount's spelling. Throws `InvalidRequest`. */
export function checkedAliasName(mount: OpenMount | undefined, given: string | undefined): string {
  if (!given) throw new InvalidRequest('missing alias name');
  const name = canonicalAliasName(mount, given);
  if (name.length > NAME_LENGTH_MAX) throw new InvalidRequest(`alias name is longer than ${NAME_LENGTH_MAX}`);
  if (/\p{Cc}/u.test(name) || name.trim() !== name)
    throw new InvalidRequest('alias name begins or ends with a space, or holds a control character');
  return name;
}

/** Throws `InvalidRequest`. */
export function existingEntity(scope: Scope, id: string): Entity {
  const entity = scope.records.currentEntity(id);
  if (!entity) throw new InvalidRequest('invalid canonical ID');
  return entity;
}

function updateAlias(scope: Scope, before: Alias, write: AliasWrite): Alias {
  const { records } = scope;
  const accessor = write.accessor || before.accessor;
  const mount = existingMount(scope, accessor);
  const name = write.name ? checkedAliasName(mount, write.name) : before.name;
  const moves = accessor !== before.accessor || name !== before.name;
  if (moves && records.alias('entity', accessor, name))
    throw new InvalidRequest('alias with combination of mount accessor and name already exists');
  const from = records.currentEntity(before.canonicalId);
  const to = write.canonicalId ? existingEntity(scope, write.canonicalId) : from;
  if (!to) throw new InvalidRequest('invalid canonical ID');
  if (to.id !== from?.id || accessor !== before.accessor) refuseSecond(scope, to, accessor, before.id);
  const alias: Alias = {
    ...before,
    accessor,
    name,
    local: mount.info.local,
    canonicalId: to.id,
    metadata: write.metadata ? checkedMetadata(write.metadata) : before.metadata,
    customMetadata: write.customMetadata
      ? checkedMetadata(write.customMetadata, 'custom_metadata')
      : before.customMetadata,
    updatedAtMs: scope.clock.now(),
  };
  if (moves) records.deleteAlias('entity', before);
  records.putAlias('entity', alias);
  if (from && from.id !== to.id) forgetAlias(scope, before);
  const others = to.aliases.filter((other) => other.id !== alias.id && other.accessor !== accessor);
  changeEntity(scope, to, { aliases: [...others, aliasKey(alias)] });
  return alias;
}

/** Whoever has two names at one method could not be told apart in templates. */
function refuseSecond({ records }: Scope, entity: Entity, accessor: string, except?: string): void {
  const taken = entity.aliases.some(
    (alias) => alias.accessor === accessor && alias.id !== except && records.aliasById('entity', alias.id),
  );
  if (taken) throw new InvalidRequest('Alias already exists for requested entity and mount accessor');
}
