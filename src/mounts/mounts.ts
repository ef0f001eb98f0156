/**
 * The mount table: which engine answers under which path. Owns the records, the open engines and the routing; what a
 * request may do there, and what happens to a disabled mount's leases, are others' business.
 */
import type { Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import { KeyedLock } from '../base/keyed-lock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Engine, EngineType, MountInfo } from '../engine/engine.ts';
import { PathTable } from '../engine/router.ts';
import {
  CONFIG_UNSET,
  type MountClass,
  type MountConfig,
  type MountEntry,
  mountInfo,
  routePath,
  type TtlLimits,
} from './entry.ts';

/** One mount, ready to serve. */
export interface OpenMount {
  readonly entry: MountEntry;
  readonly info: MountInfo;
  /** Undefined when opening it failed; `failure` says why and only this mount suffers. */
  readonly engine: Engine | undefined;
  readonly failure: Error | undefined;
  readonly table: PathTable;
  /** `sys` or `token`: the host's own. */
  readonly host: boolean;
  /** There is one, always and only here. */
  readonly singleton: boolean;
  readonly locks: KeyedLock;
}

export interface NewMount {
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
  limits: TtlLimits;
  /** A mount is somewhere else now, or nowhere: for what is set on its path. */
  moved?(session: Session, from: MountInfo, to: MountInfo | undefined): void;
  clock: Clock;
  random: Random;
  log: Logger;
}

export type EngineRegistry = ReadonlyMap<MountClass, readonly EngineType[]>;

const RECORDS = 'core/mounts/';
const PATH_LENGTH_MAX = 512;

export class Mounts {
  readonly #options: MountsOptions;
  readonly #byRoute = new Map<string, OpenMount>();
  readonly #byAccessor = new Map<string, OpenMount>();
  readonly #byUuid = new Map<string, OpenMount>();
  /** By uuid: still open, so that their leases can be ended, but no request gets to them. */
  readonly #withdrawn = new Set<string>();
  /** The most segments any route has: bounds the search for a match. */
  #depth = 1;

  constructor(options: MountsOptions) {
    this.#options = options;
  }

  /** Opens every stored mount; damaged records and failing engines are reported and left out. Returns those that were being disabled. */
  load(session: Session): MountEntry[] {
    const records = session.view(RECORDS);
    const leaving: MountEntry[] = [];
    for (const key of records.keys('')) {
      try {
        const entry = records.get<MountEntry>(key);
        if (entry?.leaving) leaving.push(entry);
        else if (entry) this.#add(this.#open(entry));
      } catch (error) {
        this.#options.log.error('a mount record cannot be read; the mount is left out', {
          record: key,
          error,
        });
      }
    }
    return leaving;
  }

  /** The mount that `path` (without `v1/`) falls under, and the rest of the path. */
  match(path: string): { mount: OpenMount; relative: string } | undefined {
    let end = -1;
    let found: { mount: OpenMount; relative: string } | undefined;
    for (let depth = 0; depth < this.#depth; depth++) {
      end = path.indexOf('/', end + 1);
      const route = end < 0 ? `${path}/` : path.slice(0, end + 1);
      const mount = this.#byRoute.get(route);
      if (mount && !this.#withdrawn.has(mount.entry.uuid))
        found = { mount, relative: end < 0 ? '' : path.slice(end + 1) };
      if (end < 0) break;
    }
    return found;
  }

  /** By route: `secret/`, `auth/approle/`. */
  get(route: string): OpenMount | undefined {
    return this.#byRoute.get(route);
  }
  byAccessor(accessor: string): OpenMount | undefined {
    return this.#byAccessor.get(accessor);
  }
  byUuid(uuid: string): OpenMount | undefined {
    return this.#byUuid.get(uuid);
  }
  /** Sorted by path; `auth` are the auth methods, `secret` everything else. */
  list(kind: 'secret' | 'auth'): OpenMount[] {
    return [...this.#byRoute.values()]
      .filter(({ entry }) => (entry.class === 'auth') === (kind === 'auth'))
      .sort((a, b) => (a.entry.path < b.entry.path ? -1 : 1));
  }
  all(): Iterable<OpenMount> {
    return this.#byRoute.values();
  }
  /** Types that can be mounted, with their aliases resolved. */
  types(kind: MountClass): readonly EngineType[] {
    return this.#options.registry.get(kind) ?? [];
  }

  enable(session: Session, mount: NewMount): OpenMount {
    const path = this.checkedPath(mount.path, mount.class);
    const { type, options } = this.#resolve(mount);
    if (
      type.singleton &&
      this.list(mount.class === 'auth' ? 'auth' : 'secret').some(({ entry }) => entry.type === type.type)
    ) {
      throw new InvalidRequest(`mount type of ${JSON.stringify(type.type)} is not mountable`);
    }
    const random = this.#options.random;
    const prefix = mount.class === 'auth' ? `auth_${type.type}` : type.type;
    const entry: MountEntry = {
      path,
      class: mount.class,
      type: type.type,
      uuid: mount.uuid ?? random.uuid(),
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
    const opened = usable(this.#open(entry));
    this.#save(session, entry);
    return this.#add(opened);
  }

  /** Description, options or config change; the engine is opened anew where its options changed. */
  tune(
    session: Session,
    mount: OpenMount,
    change: Partial<Pick<MountEntry, 'description' | 'options' | 'config'>>,
  ): OpenMount {
    const entry: MountEntry = { ...mount.entry, ...change };
    this.#checkTtls(entry.config);
    if (change.options)
      this.#typeOf(entry.class, entry.type)?.checkOptions?.(change.options, mount.entry.options);
    const opened = change.options && usable(this.#open(entry));
    this.#save(session, entry);
    if (opened) {
      this.#forget(mount);
      return this.#add({ ...opened, locks: mount.locks });
    }
    return this.#add({ ...mount, entry, info: mountInfo(entry, this.#options.limits) });
  }

  /** The path in its one spelling, where a mount can be made or moved to. Throws `InvalidRequest`. */
  checkedPath(raw: string, kind: MountClass): string {
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
    for (const taken of this.#byRoute.keys()) {
      if (taken.startsWith(route) || route.startsWith(taken))
        throw new InvalidRequest(`path is already in use at ${taken}`);
    }
    return path;
  }

  /** Lets no more requests in, while its leases are being ended before it goes. The returned function lets them in again. */
  withdraw({ entry, info }: OpenMount): () => void {
    if (this.#withdrawn.has(entry.uuid))
      throw new InvalidRequest(`the mount at ${info.path} is being moved or disabled by another request`);
    this.#withdrawn.add(entry.uuid);
    return () => void this.#withdrawn.delete(entry.uuid);
  }

  /** Takes the mount out of the routes; the caller then ends its leases, clears its data and calls `remove`. */
  leave(session: Session, mount: OpenMount): void {
    const current = this.#stillThere(mount);
    this.#save(session, { ...current.entry, leaving: true });
    this.#forget(current);
    this.#options.moved?.(session, current.info, undefined);
  }

  remove(session: Session, entry: MountEntry): void {
    session.view(RECORDS).delete(entry.uuid);
  }

  move(session: Session, mount: OpenMount, path: string): OpenMount {
    const current = this.#stillThere(mount);
    const entry = { ...current.entry, path: this.checkedPath(path, current.entry.class) };
    this.#save(session, entry);
    this.#forget(current);
    const moved = this.#add({ ...this.#open(entry), locks: current.locks });
    this.#options.moved?.(session, current.info, moved.info);
    return moved;
  }

  async close(): Promise<void> {
    const open = [...this.#byRoute.values()];
    this.#byRoute.clear();
    this.#byAccessor.clear();
    this.#byUuid.clear();
    await Promise.all(open.map((mount) => this.#closeEngine(mount)));
  }

  /** The mount as it is now. Throws `InvalidRequest` when it went elsewhere while its leases were being revoked. */
  #stillThere({ entry, info }: OpenMount): OpenMount {
    const current = this.#byUuid.get(entry.uuid);
    if (current?.info.path === info.path) return current;
    throw new InvalidRequest(`the mount at ${info.path} was moved or disabled by another request`);
  }

  #save(session: Session, entry: MountEntry): void {
    session.view(RECORDS).put(entry.uuid, entry);
  }

  /** With a failure instead of an engine where that cannot be opened. */
  #open(entry: MountEntry): OpenMount {
    const info = mountInfo(entry, this.#options.limits);
    const log = this.#options.log.named(`${entry.type}.${entry.accessor}`);
    let engine: Engine | undefined;
    let failure: Error | undefined;
    const type = this.#typeOf(entry.class, entry.type);
    try {
      if (!type) throw new Error(`unknown backend type: ${JSON.stringify(entry.type)}`);
      engine = type.open({ mount: info, clock: this.#options.clock, random: this.#options.random, log });
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      this.#options.log.error('a mount cannot be opened; the others go on', {
        path: info.path,
        error: failure,
      });
    }
    const table = new PathTable(engine?.paths ?? []);
    return {
      entry,
      info,
      engine,
      failure,
      table,
      host: type?.host ?? false,
      singleton: type?.singleton ?? false,
      locks: new KeyedLock(),
    };
  }

  #add(mount: OpenMount): OpenMount {
    this.#byRoute.set(mount.info.path, mount);
    this.#byAccessor.set(mount.entry.accessor, mount);
    this.#byUuid.set(mount.entry.uuid, mount);
    this.#depth = Math.max(this.#depth, mount.info.path.split('/').length - 1);
    return mount;
  }

  #forget(mount: OpenMount): void {
    this.#byRoute.delete(mount.info.path);
    this.#byAccessor.delete(mount.entry.accessor);
    this.#byUuid.delete(mount.entry.uuid);
    void this.#closeEngine(mount);
  }

  async #closeEngine({ engine, info }: OpenMount): Promise<void> {
    try {
      await engine?.close?.();
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
function usable(mount: OpenMount): OpenMount {
  if (mount.failure)
    throw new InvalidRequest(`the mount at ${mount.info.path} could not be opened; see the server log`);
  return mount;
}

/** Where a mount's own data lies. */
export function dataPrefix(entry: Pick<MountEntry, 'uuid'>): string {
  return `logical/${entry.uuid}/`;
}

export { routePath };
