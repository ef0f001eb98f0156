import type { Scope } from './scope.ts';

/** What a rule index needs to know of a quota. */
export interface Rule {
  readonly scope: Scope;
  /** A namespace's: also for its children, where they have none of their own. */
  readonly inheritable: boolean;
}

/** Where something happens; the strings as `Scope` has them. */
export interface Spot {
  readonly namespace: string;
  /** With trailing slash; '' where nothing is mounted. */
  readonly mount: string;
}

/** The rules of one spot, ready for its paths and roles. */
export interface SpotRules<R> {
  /** For paths and roles that have no rule of their own. */
  readonly general: R | undefined;
  /** By path within the mount. */
  readonly exact: ReadonlyMap<string, R> | undefined;
  /** The longest first. */
  readonly prefixes: readonly { readonly prefix: string; readonly rule: R }[] | undefined;
  readonly roles: ReadonlyMap<string, R> | undefined;
}

interface MountRules<R> {
  whole?: R;
  readonly exact: Map<string, R>;
  readonly prefixes: { prefix: string; rule: R }[];
  readonly roles: Map<string, R>;
}

/**
 * Which quota rules: the most specific one, alone. A role's goes before a path's, the longer path before the shorter,
 * those before the mount's, and that before the namespace's, its parents' and the global one.
 */
export class RuleIndex<R extends Rule> {
  readonly #mounts = new Map<string, MountRules<R>>();
  readonly #namespaces = new Map<string, R>();

  constructor(rules: Iterable<R>) {
    for (const rule of rules) this.#add(rule);
  }

  at({ namespace, mount }: Spot): SpotRules<R> {
    const rules = mount === '' ? undefined : this.#mounts.get(namespace + mount);
    return {
      general: rules?.whole ?? this.#ofNamespace(namespace),
      exact: rules && rules.exact.size > 0 ? rules.exact : undefined,
      prefixes: rules && rules.prefixes.length > 0 ? rules.prefixes : undefined,
      roles: rules && rules.roles.size > 0 ? rules.roles : undefined,
    };
  }

  /** The mount that `path` (with its namespace) lies under, of those that have rules. */
  mountOf(path: string): string {
    let found = '';
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      const route = path.slice(0, end + 1);
      if (this.#mounts.has(route)) found = route;
    }
    return found;
  }

  #add(rule: R): void {
    const { namespace, mount, suffix, role } = rule.scope;
    if (mount === '') {
      this.#namespaces.set(namespace, rule);
      return;
    }
    const route = namespace + mount;
    const rules: MountRules<R> = this.#mounts.get(route) ?? {
      exact: new Map(),
      prefixes: [],
      roles: new Map(),
    };
    this.#mounts.set(route, rules);
    if (role !== '') rules.roles.set(role, rule);
    else if (suffix === '') rules.whole = rule;
    else if (suffix.endsWith('*')) {
      rules.prefixes.push({ prefix: suffix.slice(0, -1), rule });
      rules.prefixes.sort((a, b) => b.prefix.length - a.prefix.length);
    } else rules.exact.set(suffix, rule);
  }

  #ofNamespace(namespace: string): R | undefined {
    const own = this.#namespaces.get(namespace);
    if (own) return own;
    for (let path = namespace; path !== ''; ) {
      path = path.slice(0, path.lastIndexOf('/', path.length - 2) + 1);
      const inherited = this.#namespaces.get(path);
      if (inherited?.inheritable) return inherited;
    }
    return undefined;
  }
}

/** The rule for one request there; `path` is relative to the mount, a folder's last slash does not matter. */
export function ruleFor<R>(rules: SpotRules<R>, path: string, role?: string): R | undefined {
  if (rules.roles && role !== undefined) {
    const ofRole = rules.roles.get(role);
    if (ofRole) return ofRole;
  }
  if (rules.exact) {
    const exact = rules.exact.get(path.endsWith('/') ? path.slice(0, -1) : path);
    if (exact) return exact;
  }
  if (rules.prefixes) {
    for (const { prefix, rule } of rules.prefixes) if (path.startsWith(prefix)) return rule;
  }
  return rules.general;
}
