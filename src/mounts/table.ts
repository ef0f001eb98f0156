import { InvalidRequest } from '../base/errors.ts';
import type { NamespaceRef } from '../namespaces/namespace.ts';
import type { OpenMount } from './open-mount.ts';

/** The mounts of one namespace: which of them answers where. Nothing of another namespace can be found in it. */
export class MountTable {
  readonly namespace: NamespaceRef;
  readonly #byRoute = new Map<string, OpenMount>();
  readonly #byAccessor = new Map<string, OpenMount>();
  readonly #byUuid = new Map<string, OpenMount>();
  /** By uuid: still open, so that their leases can be ended, but no request gets to them. */
  readonly #withdrawn = new Set<string>();
  /** The most segments any route has: bounds the search for a match. */
  #depth = 1;

  constructor(namespace: NamespaceRef) {
    this.namespace = namespace;
  }

  /** The mount that `path` (relative to the namespace) falls under, and the rest of the path. */
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

  /** Throws `InvalidRequest` when `route` is at, above or below another mount. */
  checkFree(route: string): void {
    for (const taken of this.#byRoute.keys()) {
      if (taken.startsWith(route) || route.startsWith(taken))
        throw new InvalidRequest(`path is already in use at ${taken}`);
    }
  }

  /** Lets no more requests in, while its leases are being ended before it goes. The returned function lets them in again. */
  withdraw({ entry, info }: OpenMount): () => void {
    if (this.#withdrawn.has(entry.uuid))
      throw new InvalidRequest(`the mount at ${info.path} is being moved or disabled by another request`);
    this.#withdrawn.add(entry.uuid);
    return () => void this.#withdrawn.delete(entry.uuid);
  }

  /** The mount as it is now. Throws `InvalidRequest` when it went elsewhere while its leases were being revoked. */
  stillThere({ entry, info }: OpenMount): OpenMount {
    const current = this.#byUuid.get(entry.uuid);
    if (current?.info.path === info.path) return current;
    throw new InvalidRequest(`the mount at ${info.path} was moved or disabled by another request`);
  }

  /** Some mount is on its way out, so that the table must stay. */
  get inMotion(): boolean {
    return this.#withdrawn.size > 0;
  }

  add(mount: OpenMount): OpenMount {
    this.#byRoute.set(mount.info.path, mount);
    this.#byAccessor.set(mount.entry.accessor, mount);
    this.#byUuid.set(mount.entry.uuid, mount);
    this.#depth = Math.max(this.#depth, mount.info.path.split('/').length - 1);
    return mount;
  }

  forget(mount: OpenMount): void {
    this.#byRoute.delete(mount.info.path);
    this.#byAccessor.delete(mount.entry.accessor);
    this.#byUuid.delete(mount.entry.uuid);
  }

  /** Forgets all; returns what was there. */
  clear(): OpenMount[] {
    const all = [...this.#byRoute.values()];
    this.#byRoute.clear();
    this.#byAccessor.clear();
    this.#byUuid.clear();
    return all;
  }
}
