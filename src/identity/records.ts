/**
 * Who somebody is across auth methods: entities, the aliases they have at methods, and groups of them. This folder owns
 * their records and the rules between them; tokens, policies and the API's paths are others'.
 *
 * Each thing is one record with indexes beside it, by namespace; nothing is held in memory but what is derived from
 * records that are remembered anyway, so neither start nor memory depends on how many there are.
 */
import type { Session } from '../barrier/session.ts';
import type { Page, View } from '../barrier/view.ts';
import { unlessCorrupt } from '../base/errors.ts';
import { namespacedPrefix } from '../namespaces/namespace.ts';
import { nameKey } from './names.ts';

export type Metadata = Readonly<Record<string, string>>;

/** A person or machine. */
export interface Entity {
  readonly id: string;
  /** As it was given; unique without regard to case. */
  readonly name: string;
  readonly metadata: Metadata;
  readonly policies: readonly string[];
  /** Its tokens are refused. */
  readonly disabled: boolean;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Entities that became this one. */
  readonly mergedIds: readonly string[];
  /** At most one for each mount. */
  readonly aliases: readonly AliasKey[];
  /** Groups it is itself a member of. */
  readonly groupIds: readonly string[];
}

/** Where an alias lies: names are unique within a mount. */
export interface AliasKey {
  readonly id: string;
  readonly accessor: string;
  readonly name: string;
}

/** What an entity, or an external group, is called at an auth method. */
export interface Alias extends AliasKey {
  /** The entity or group that it belongs to. */
  readonly canonicalId: string;
  /** As the method said at the last login. */
  readonly metadata: Metadata;
  /** As operators have set it. */
  readonly customMetadata: Metadata;
  readonly local: boolean;
  readonly mergedFrom: readonly string[];
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export type GroupType = 'internal' | 'external';

/** Its member entities are records of their own: there may be very many. */
export interface Group {
  readonly id: string;
  readonly name: string;
  readonly type: GroupType;
  readonly metadata: Metadata;
  readonly policies: readonly string[];
  readonly memberGroupIds: readonly string[];
  readonly parentIds: readonly string[];
  /** Of an external group: what it is called at an auth method. */
  readonly alias: AliasKey | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Rises with each change. */
  readonly modifyIndex: number;
}

/** Made anew with every change of any group, so that one look tells whether what was derived from groups still holds. */
export interface GroupsStamp {
  readonly revision: number;
}

/** Entities or groups: the aliases of both have the same shape. */
export type Kind = 'entity' | 'group';

/** One namespace's records, as one request sees them. */
export class IdentityRecords {
  readonly #view: View;

  constructor(session: Session, namespaceId: string) {
    this.#view = session.view(namespacedPrefix('identity', namespaceId));
  }

  entity(id: string): Entity | undefined {
    return this.#view.get<Entity>(`entity/id/${id}`);
  }

  /** The entity of that id, or the one it was merged into. */
  currentEntity(id: string): Entity | undefined {
    const entity = this.entity(id);
    if (entity) return entity;
    const successor = this.#view.getIndex(`entity/merged/${id}`);
    const merged = successor === undefined ? undefined : this.entity(successor);
    return merged?.mergedIds.includes(id) ? merged : undefined;
  }

  entityByName(name: string): Entity | undefined {
    const id = this.#idByName('entity', name);
    const entity = id === undefined ? undefined : this.entity(id);
    return entity && nameKey(entity.name) === nameKey(name) ? entity : undefined;
  }

  putEntity(entity: Entity, before?: Entity): void {
    this.#view.put(`entity/id/${entity.id}`, entity);
    if (before?.name === entity.name) return;
    if (before) this.#view.delete(`entity/name/${nameKey(before.name)}`);
    else this.#countEntities(1);
    this.#indexName('entity', entity);
  }

  deleteEntity(entity: Entity): void {
    this.#view.delete(`entity/id/${entity.id}`);
    this.#view.delete(`entity/name/${nameKey(entity.name)}`);
    for (const id of entity.mergedIds) this.#view.delete(`entity/merged/${id}`);
    this.#countEntities(-1);
  }

  /** The keys of second factors (mfa/), which are nobody's then. */
  deleteFactors(entityId: string): void {
    for (const key of [...this.#view.keys(`mfa/totp/${entityId}/`)]) this.#view.delete(key);
  }

  /** One whose record is damaged: its name and aliases lead nowhere then, and whoever takes them takes them over. */
  deleteUnreadableEntity(id: string): void {
    this.#view.delete(`entity/id/${id}`);
    this.#countEntities(-1);
  }

  /** What was `from` is `to` from now on, for tokens that still name it. */
  putMerged(from: string, to: string): void {
    this.#view.putIndex(`entity/merged/${from}`, to);
  }

  entityCount(): number {
    return Number(this.#view.getIndex('entity/count') ?? 0);
  }

  alias(kind: Kind, accessor: string, name: string): Alias | undefined {
    return this.#view.get<Alias>(`${kind}-alias/name/${aliasPlace({ accessor, name })}`);
  }

  aliasById(kind: Kind, id: string): Alias | undefined {
    const key = this.#view.getIndex(`${kind}-alias/id/${id}`);
    const found = key === undefined ? undefined : this.#view.get<Alias>(`${kind}-alias/name/${key}`);
    return found?.id === id ? found : undefined;
  }

  putAlias(kind: Kind, alias: Alias): void {
    this.rewriteAlias(kind, alias);
    this.#view.putIndex(`${kind}-alias/id/${alias.id}`, aliasPlace(alias));
  }

  /** For a change that leaves the alias where it is. */
  rewriteAlias(kind: Kind, alias: Alias): void {
    this.#view.put(`${kind}-alias/name/${aliasPlace(alias)}`, alias);
  }

  deleteAlias(kind: Kind, alias: AliasKey): void {
    this.#view.delete(`${kind}-alias/name/${aliasPlace(alias)}`);
    this.#view.delete(`${kind}-alias/id/${alias.id}`);
  }

  /** One whose record is damaged: what it was an alias of keeps its id and is none the worse. */
  deleteUnreadableAlias(kind: Kind, id: string): void {
    const place = this.#view.getIndex(`${kind}-alias/id/${id}`);
    if (place !== undefined) this.#view.delete(`${kind}-alias/name/${place}`);
    this.#view.delete(`${kind}-alias/id/${id}`);
  }

  /** Some of a mount's aliases; a damaged one is removed on the way. */
  aliasesOfMount(kind: Kind, accessor: string, limit: number): Alias[] {
    const view = this.#view.under(`${kind}-alias/name/${accessor}/`);
    return [...view.keys('', { limit })].flatMap((key) => {
      const alias = unlessCorrupt(() => view.get<Alias>(key), undefined);
      if (!alias) view.delete(key);
      return alias ?? [];
    });
  }

  hasAliases(kind: Kind, accessor: string): boolean {
    return !this.#view.keys(`${kind}-alias/name/${accessor}/`, { limit: 1 })[Symbol.iterator]().next().done;
  }

  group(id: string): Group | undefined {
    return this.#view.get<Group>(`group/id/${id}`);
  }

  groupByName(name: string): Group | undefined {
    const id = this.#idByName('group', name);
    const group = id === undefined ? undefined : this.group(id);
    return group && nameKey(group.name) === nameKey(name) ? group : undefined;
  }

  putGroup(group: Group, before?: Group): void {
    this.#view.put(`group/id/${group.id}`, group);
    this.#stampGroups();
    if (before?.name === group.name) return;
    if (before) this.#view.delete(`group/name/${nameKey(before.name)}`);
    this.#indexName('group', group);
  }

  deleteGroup(group: Group): void {
    this.#view.delete(`group/id/${group.id}`);
    this.#view.delete(`group/name/${nameKey(group.name)}`);
    this.#stampGroups();
  }

  /** One whose record is damaged; links of other groups to it lead nowhere then. */
  deleteUnreadableGroup(id: string): void {
    this.#view.delete(`group/id/${id}`);
    this.#stampGroups();
  }

  groupsStamp(): GroupsStamp | undefined {
    return this.#view.get<GroupsStamp>('group/stamp');
  }

  memberIds(groupId: string, page?: Page): string[] {
    return this.#view.list(`group/member/${groupId}/`, page);
  }

  isMember(groupId: string, entityId: string): boolean {
    return this.#view.getIndex(`group/member/${groupId}/${entityId}`) !== undefined;
  }

  addMember(groupId: string, entityId: string): void {
    this.#view.putIndex(`group/member/${groupId}/${entityId}`);
  }

  removeMember(groupId: string, entityId: string): void {
    this.#view.delete(`group/member/${groupId}/${entityId}`);
  }

  ids(of: Kind | 'entity-alias' | 'group-alias', page: Page): string[] {
    return this.#view.list(`${of}/id/`, page);
  }

  /** Names as given, in the order of their normal forms. `after` need not exist. */
  names(kind: Kind, { after, limit }: Page): string[] {
    const view = this.#view.under(`${kind}/name/`);
    const page = { after: after === undefined ? undefined : nameKey(after), limit };
    return view.list('', page).flatMap((key) => {
      const target = view.getIndex(key);
      return target === undefined ? [] : target.slice(target.indexOf('/') + 1);
    });
  }

  #idByName(kind: Kind, name: string): string | undefined {
    return this.#view.getIndex(`${kind}/name/${nameKey(name)}`)?.split('/', 1)[0];
  }

  #indexName(kind: Kind, { id, name }: { readonly id: string; readonly name: string }): void {
    this.#view.putIndex(`${kind}/name/${nameKey(name)}`, `${id}/${name}`);
  }

  #countEntities(change: number): void {
    this.#view.putIndex('entity/count', String(Math.max(0, this.entityCount() + change)));
  }

  #stampGroups(): void {
    const before = unlessCorrupt(() => this.groupsStamp(), undefined);
    this.#view.put('group/stamp', { revision: (before?.revision ?? 0) + 1 } satisfies GroupsStamp);
  }
}

function aliasPlace({ accessor, name }: Pick<AliasKey, 'accessor' | 'name'>): string {
  return `${accessor}/${nameKey(name, 'exact')}`;
}
