/**
 * The mount table: which engine answers under which path. Owns the records, the open engines and the routing; what a
 * request may do there, and what happens to a disabled mount's leases, are others' business.
 */
import type { Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { EngineType, MountInfo } from '../engine/engine.ts';
import { type NamespaceRef, ROOT_ID, ROOT_NAMESPACE } from '../namespaces/namespace.ts';
import type { Namespaces } from '../namespaces/namespaces.ts';
import {
  CONFIG_UNSET,
  type MountClass,
  type MountConfig,
  type MountEntry,
  mountInfo,
  routePath,
  type TtlLimits,
} from './entry.ts';
import { Mount, Opening, type OpenMount } from './open-mount.ts';
import { OWN_MOUNTS, ownEntry } from './own.ts';
import {
  deleteMount,
  leavingMounts,
  type MountPlace,
  mountRecords,
  mountsOfType,
  saveMount,
} from './records.ts';
import { MountTable } from './table.ts';

export type { OpenMount } from './open-mount.ts';
export type { MountTable } from './table.ts';

export interface NewMount {
  /** Absent: the root. */
  namespace?: NamespaceRef;
  path: string;
  class: MountClass;
  type: string;
  description?: string;
  options?: Readonly<Record<string, string>>;
  config?: Partial<MountConfig>;
  local?: boolean;
  sealWrap?: boolean;
  externalEntropyAccess?: boolean;
  /** Fixed by the host for its own mounts, so that one whose record is damaged can be made anew over the same data. */
  uuid?: string;
}

export interface MountsOptions {
  /** By class, then by type or alias. */
  registry: EngineRegistry;
  namespaces: Pick<Namespaces, 'byId' | 'child'>;
  limits: TtlLimits;
  /** A mount is somewhere else now, or nowhere: for what is set on its path. */
  moved?(session: Session, from: MountInfo, to: MountInfo | undefined): void;
  clock: Clock;
  random: Random;
  log: Logger;
}

export type EngineRegistry = ReadonlyMap<MountClass, readonly EngineType[]>;

const PATH_LENGTH_MAX = 512;
/** Namespaces whose tables stay in memory however long nobody uses them. */
const TABLES_KEPT = 500;
/** Longer than any request: what was found in a table is not used after this. */
const TABLE_IDLE_MS = 600_000;

interface KeptTable {
  readonly table: MountTable;
  usedAtMs: number;
}

export class Mounts {
  readonly #options: MountsOptions;
  /** The root's, always there. */
  readonly root = new MountTable(ROOT_NAMESPACE);
  /** Of the other namespaces those that were used lately, by id. */
  readonly #tables = new Map<string, KeptTable>();
  #nextSweepMs = 0;

  constructor(options: MountsOptions) {
    this.#options = options;
  }

  /**
   * Opens every mount of the root; other namespaces' are read when they are first used. Damaged records and failing engines
   * are reported and left out. Returns those of all namespaces that were being disabled.
   */
  load(session: Session): MountEntry[] {
    const leaving = this.#fill(session, this.root);
    // Opened at once, so that what is wrong with a mount is in the log of the start.
    for (const mount of this.root.all()) void mount.engine;
    for (const { namespaceId, uuid } of leavingMounts(session)) {
      const entry = this.#readable(session, namespaceId, uuid);
      if (entry?.leaving) leaving.push(entry);
    }
    return leaving;
  }

  /** The mounts of a namespace. Throws when there is no such namespace. */
  table(session: Session, namespaceId: string): MountTable {
    if (namespaceId === ROOT_ID) return this.root;
    const nowMs = this.#options.clock.monotonic();
    const known = this.#tables.get(namespaceId);
    if (known) {
      known.usedAtMs = nowMs;
      return known.table;
    }
    const namespace = this.#options.namespaces.byId(namespaceId);
    if (!namespace) throw new Error(`there is no namespace ${namespaceId}`);
    const table = new MountTable({ id: namespace.id, path: namespace.path });
    this.#fill(session, table);
    for (const own of OWN_MOUNTS) {
      const entry = { ...ownEntry(own, namespace), namespaceId };
      if (this.#typeOf(entry.class, entry.type) && !table.byUuid(entry.uuid))
        table.add(this.#mount(entry, table));
    }
    this.#tables.set(namespaceId, { table, usedAtMs: nowMs });
    this.#sweep(nowMs);
    return table;
  }

  /** In a namespace; undefined also when that is gone. */
  byUuid(session: Session, { namespaceId, uuid }: MountPlace): OpenMount | undefined {
    if (namespaceId === ROOT_ID) return this.root.byUuid(uuid);
    return this.#options.namespaces.byId(namespaceId) && this.table(session, namespaceId).byUuid(uuid);
  }

  /** Those that are in memory now; of other namespaces than the root not all. */
  *loaded(): Generator<OpenMount, void, undefined> {
    yield* this.root.all();
    for (const { table } of this.#tables.values()) yield* table.all();
  }

  /** By path within a namespace, if that is in memory. For metrics, which are about all namespaces. */
  loadedAt(namespaceId: string, path: string): OpenMount | undefined {
    const table = namespaceId === ROOT_ID ? this.root : this.#tables.get(namespaceId)?.table;
    return table?.match(path)?.mount;
  }

  /** Of whichever namespace, if that is in memory. For metrics; what answers a request looks in its own namespace. */
  loadedByAccessor(accessor: string): OpenMount | undefined {
    const tables = [this.root, ...[...this.#tables.values()].map(({ table }) => table)];
    return tables.map((table) => table.byAccessor(accessor)).find((mount) => mount !== undefined);
  }

  /** Mounts outside the root that have work to do though nobody uses them. */
  waking(session: Session): MountPlace[] {
    return [...this.#options.registry.values()]
      .flat()
      .filter(({ wakes }) => wakes)
      .flatMap((type) => mountsOfType(session, type.class, type.type));
  }

  /** Types that can be mounted, with their aliases resolved. */
  types(kind: MountClass): readonly EngineType[] {
    return this.#options.registry.get(kind) ?? [];
  }

  enable(session: Session, mount: NewMount): OpenMount {
    const namespace = mount.namespace ?? ROOT_NAMESPACE;
    const table = this.table(session, namespace.id);
    const path = this.checkedPath(table, mount.path, mount.class);
    const { type, options } = this.#resolve(mount);
    if (type.singleton && [...table.all()].some(({ entry }) => entry.type === type.type))
      throw new InvalidRequest(`mount type of ${JSON.stringify(type.type)} is not mountable`);
    const random = this.#options.random;
    const prefix = mount.class === 'auth' ? `auth_${type.type}` : type.type;
    const entry: MountEntry = {
      path,
      class: mount.class,
      type: type.type,
      uuid: mount.uuid ?? random.uuid(),
      ...(namespace.id === ROOT_ID ? {} : { namespaceId: namespace.id }),
      accessor: `${prefix}_${random.bytes(4).toString('hex')}`,
      description: mount.description ?? '',
      options,
      config: { ...CONFIG_UNSET, ...mount.config },
      local: mount.local ?? false,
      sealWrap: mount.sealWrap ?? false,
      externalEntropyAccess: mount.externalEntropyAccess ?? false,
    };
    this.#checkTtls(entry.config);
    type.checkOptions?.(options);
    const opened = usable(this.#mount(entry, table));
    saveMount(session, entry);
    return table.add(opened);
  }

  /** Description, options or config change; the engine is opened anew where its options changed. */
  tune(
    session: Session,
    mount: OpenMount,
    change: Partial<Pick<MountEntry, 'description' | 'options' | 'config'>>,
  ): OpenMount {
    const table = this.#tableOf(session, mount);
    const current = table.stillThere(mount);
    const entry: MountEntry = { ...current.entry, ...change };
    this.#checkTtls(entry.config);
    if (change.options)
      this.#typeOf(entry.class, entry.type)?.checkOptions?.(change.options, current.entry.options);
    const opened = change.options && usable(this.#mount(entry, table, current));
    saveMount(session, entry);
    if (opened) {
      this.#forget(table, current);
      return table.add(opened);
    }
    const { opening, locks } = current as Mount;
    const info = mountInfo(entry, this.#options.limits, table.namespace);
    return table.add(new Mount({ entry, info, type: this.#typeOf(entry.class, entry.type), opening, locks }));
  }

  /** The path in its one spelling, where a mount can be made or moved to. Throws `InvalidRequest`. */
  checkedPath(table: MountTable, raw: string, kind: MountClass): string {
    const path = `${raw.replace(/^\/+|\/+$/g, '')}/`;
    if (path === '/' || path.length > PATH_LENGTH_MAX || !/^[^\s/\p{Cc}][^\p{Cc}]*$/u.test(path)) {
      throw new InvalidRequest('invalid mount path');
    }
    const segments = path.slice(0, -1).split('/');
    if (segments.some((segment) => /^\.{0,2}$/.test(segment) || segment.trim() !== segment)) {
      throw new InvalidRequest('invalid mount path');
    }
    const route = kind === 'auth' ? `auth/${path}` : path;
    if (kind === 'secret' && /^(auth|sys|audit|identity)\//.test(route)) {
      throw new InvalidRequest(`cannot mount "${route}": path is reserved`);
    }
    table.checkFree(route);
    if (kind !== 'auth' && this.#options.namespaces.child(table.namespace, segments[0]!))
      throw new InvalidRequest(`path is already in use by the namespace ${segments[0]}/`);
    return path;
  }

  /** Lets no more requests in, while its leases are being ended before it goes. The returned function lets them in again. */
  withdraw(session: Session, mount: OpenMount): () => void {
    return this.#tableOf(session, mount).withdraw(mount);
  }

  /** Takes the mount out of the routes; the caller then ends its leases, clears its data and calls `remove`. */
  leave(session: Session, mount: OpenMount): void {
    const table = this.#tableOf(session, mount);
    const current = table.stillThere(mount);
    saveMount(session, { ...current.entry, leaving: true });
    this.#forget(table, current);
    this.#options.moved?.(session, current.info, undefined);
  }

  /** Puts a mount with data of its own where `before` was, or nothing; what that one had, the caller clears. */
  put(session: Session, entry: MountEntry, before: OpenMount | undefined): OpenMount {
    const table = this.table(session, entry.namespaceId ?? ROOT_ID);
    if (!before) this.checkedPath(table, entry.path, entry.class);
    const opened = usable(this.#mount(entry, table, before));
    if (before) {
      saveMount(session, { ...before.entry, leaving: true });
      this.#forget(table, before);
    }
    saveMount(session, entry);
    return table.add(opened);
  }

  remove(session: Session, entry: MountEntry): void {
    deleteMount(session, entry);
  }

  /** To a path of another namespace or of its own. */
  move(session: Session, mount: OpenMount, to: { table: MountTable; path: string }): OpenMount {
    const from = this.#tableOf(session, mount);
    const current = from.stillThere(mount);
    const { namespaceId: _, ...kept } = current.entry;
    const { id } = to.table.namespace;
    const entry: MountEntry = {
      ...kept,
      path: this.checkedPath(to.table, to.path, kept.class),
      ...(id === ROOT_ID ? {} : { namespaceId: id }),
    };
    deleteMount(session, current.entry);
    saveMount(session, entry);
    this.#forget(from, current);
    const moved = to.table.add(this.#mount(entry, to.table, current));
    this.#options.moved?.(session, current.info, moved.info);
    return moved;
  }

  /** A namespace is gone: so are its mounts. */
  dropTable(namespaceId: string): void {
    const kept = this.#tables.get(namespaceId);
    this.#tables.delete(namespaceId);
    for (const mount of kept?.table.clear() ?? []) void this.#closeEngine(mount);
  }

  async close(): Promise<void> {
    const open = [this.root, ...[...this.#tables.values()].map(({ table }) => table)].flatMap((table) =>
      table.clear(),
    );
    this.#tables.clear();
    await Promise.all(open.map((mount) => this.#closeEngine(mount)));
  }

  /** Reads the records of one namespace; returns those of mounts that are being disabled. */
  #fill(session: Session, table: MountTable): MountEntry[] {
    const leaving: MountEntry[] = [];
    for (const uuid of mountRecords(session, table.namespace.id).keys('')) {
      const entry = this.#readable(session, table.namespace.id, uuid);
      if (entry?.leaving) leaving.push(entry);
      else if (entry) table.add(this.#mount(entry, table));
    }
    return leaving;
  }

  #readable(session: Session, namespaceId: string, uuid: string): MountEntry | undefined {
    try {
      return mountRecords(session, namespaceId).get<MountEntry>(uuid);
    } catch (error) {
      this.#options.log.error('a mount record cannot be read; the mount is left out', {
        record: uuid,
        error,
      });
      return undefined;
    }
  }

  #tableOf(session: Session, { info }: OpenMount): MountTable {
    return this.table(session, info.namespace.id);
  }

  /** Lets go of tables that nobody used for long, where there are many. */
  #sweep(nowMs: number): void {
    if (this.#tables.size <= TABLES_KEPT || nowMs < this.#nextSweepMs) return;
    this.#nextSweepMs = nowMs + TABLE_IDLE_MS / 10;
    for (const [id, { table, usedAtMs }] of this.#tables) {
      if (nowMs - usedAtMs < TABLE_IDLE_MS || table.inMotion) continue;
      if ([...table.all()].some(({ wakes, inUse }) => wakes && inUse)) continue;
      this.dropTable(id);
    }
  }

  /** With a failure instead of an engine where that cannot be opened. */
  #mount(entry: MountEntry, table: MountTable, before?: OpenMount): Mount {
    const { clock, random, log: logger, limits } = this.#options;
    const info = mountInfo(entry, limits, table.namespace);
    const log = logger.named(`${entry.type}.${entry.accessor}`);
    const type = this.#typeOf(entry.class, entry.type);
    const opening = new Opening(
      () => {
        if (!type) throw new Error(`unknown backend type: ${JSON.stringify(entry.type)}`);
        return type.open({ mount: info, clock, random, log });
      },
      (failure) =>
        logger.error('a mount cannot be opened; the others go on', {
          path: table.namespace.path + info.path,
          error: failure,
        }),
    );
    return new Mount({ entry, info, type, opening, ...(before ? { locks: before.locks } : {}) });
  }

  #forget(table: MountTable, mount: OpenMount): void {
    table.forget(mount);
    void this.#closeEngine(mount);
  }

  async #closeEngine({ inUse, info }: OpenMount): Promise<void> {
    try {
      await inUse?.close?.();
    } catch (error) {
      this.#options.log.warn('closing a mount failed', { path: info.path, error });
    }
  }

  #typeOf(kind: MountClass, name: string): EngineType | undefined {
    return this.types(kind).find((type) => type.type === name);
  }

  #resolve(mount: NewMount): { type: EngineType; options: Readonly<Record<string, string>> } {
    const options = mount.options ?? {};
    for (const type of this.types(mount.class)) {
      if (type.type === mount.type) return { type, options };
      const implied = type.aliases?.get(mount.type);
      if (implied) return { type, options: { ...implied, ...options } };
    }
    throw new InvalidRequest(`plugin not found in the catalog: ${mount.type}`);
  }

  #checkTtls(config: MountConfig): void {
    const max = config.max_lease_ttl || this.#options.limits.maxLeaseTtl;
    if (config.default_lease_ttl < 0 || config.max_lease_ttl < 0)
      throw new InvalidRequest('lease TTL cannot be negative');
    if (config.default_lease_ttl > max) {
      throw new InvalidRequest('given default lease TTL greater than system max lease TTL');
    }
  }
}

/** A mount that never worked is not made. */
function usable(mount: Mount): Mount {
  if (mount.failure)
    throw new InvalidRequest(`the mount at ${mount.info.path} could not be opened; see the server log`);
  return mount;
}

/** Where a mount's own data lies. */
export function dataPrefix(entry: Pick<MountEntry, 'uuid'>): string {
  return `logical/${entry.uuid}/`;
}

export { routePath };
