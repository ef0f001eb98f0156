import type { EnginePath, Operation } from '../engine/engine.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import type { Metrics } from './metrics.ts';
import type { Timing } from './timing.ts';

/** Readings of the monotonic clock in milliseconds, as a request passed by. One that ended early has the earlier ones only. */
export interface RequestTimes {
  readonly startedMs: number;
  /** Namespace, mount, token and policy are settled. */
  readonly checkedMs: number;
  /** The request is audited; its engine begins. */
  readonly engineMs: number;
  readonly answeredMs: number;
  readonly endedMs: number;
}

export interface MeasuredRequest {
  readonly mount: OpenMount | undefined;
  readonly path: EnginePath | undefined;
  readonly operation: Operation;
  readonly login: boolean;
}

/** Mounts with timings of their own, which carry the mount's path in their names. */
const MOUNTS_MAX = 500;

const POLICY = {
  read: 'policy.get_policy',
  update: 'policy.set_policy',
  delete: 'policy.delete_policy',
} as const;
const POLICIES = { list: 'policy.list_policies', read: 'policy.list_policies' } as const;
const CREATE = { update: 'token.create' } as const;
const LOOKUP = { read: 'token.lookup', update: 'token.lookup' } as const;
const REVOKE = { update: 'token.revoke' } as const;
const REVOKE_LEASE = { update: 'expire.revoke' } as const;
const RENEW = { update: 'expire.renew' } as const;
const RENEW_TOKEN = { update: 'expire.renew-token' } as const;
const LEASE_TIMES = { update: 'expire.fetch-lease-times' } as const;

/** What the host does that has a documented name of its own, by the type of the mount and the path's pattern. */
const NAMED: Readonly<Record<string, Partial<Record<Operation, string>>>> = {
  'system/policies/acl': POLICIES,
  'system/policy': POLICIES,
  'system/policies/acl/{name...}': POLICY,
  'system/policy/{name...}': POLICY,
  'system/leases/lookup': LEASE_TIMES,
  'system/leases/renew': RENEW,
  'system/leases/renew/{url_lease_id...}': RENEW,
  'system/leases/revoke': REVOKE_LEASE,
  'system/leases/revoke/{url_lease_id...}': REVOKE_LEASE,
  'system/leases/revoke-prefix/{prefix...}': { update: 'expire.revoke-prefix' },
  'system/leases/revoke-force/{prefix...}': { update: 'expire.revoke-force' },
  'token/create': CREATE,
  'token/create-orphan': CREATE,
  'token/create/{role_name}': CREATE,
  'token/lookup': LOOKUP,
  'token/lookup-self': LOOKUP,
  'token/lookup-accessor': LOOKUP,
  'token/renew': RENEW_TOKEN,
  'token/renew-self': RENEW_TOKEN,
  'token/renew-accessor': RENEW_TOKEN,
  'token/revoke': REVOKE,
  'token/revoke-self': REVOKE,
  'token/revoke-accessor': REVOKE,
  'token/revoke-orphan': { update: 'token.revoke' },
};

type Route = Partial<Record<Operation, Timing>>;

/** `core.*` and `route.*`: what requests take. */
export class RequestMetrics {
  readonly #metrics: Metrics;
  readonly #all: Timing;
  readonly #logins: Timing;
  readonly #checks: Timing;
  readonly #routes = new WeakMap<OpenMount, Route>();
  readonly #namedByPath = new WeakMap<EnginePath, Route>();
  readonly #names = new Set<string>();
  #lastMount: OpenMount | undefined;
  #lastRoute: Route = {};

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.#all = metrics.timing('core.handle_request');
    this.#logins = metrics.timing('core.handle_login_request');
    this.#checks = metrics.timing('core.check_token');
  }

  /** On the way of every request. */
  note(request: MeasuredRequest, times: RequestTimes): void {
    const { startedMs, checkedMs, engineMs, answeredMs, endedMs } = times;
    (request.login ? this.#logins : this.#all).note(endedMs - startedMs);
    if (checkedMs > 0) this.#checks.note(checkedMs - startedMs);
    const { mount, path, operation } = request;
    if (answeredMs === 0 || !mount) return;
    const ms = answeredMs - engineMs;
    this.#timing(mount, operation).note(ms);
    if (mount.host && path) this.#named(mount, path, operation)?.note(ms);
  }

  #timing(mount: OpenMount, operation: Operation): Timing {
    if (mount !== this.#lastMount) {
      this.#lastMount = mount;
      this.#lastRoute = this.#route(mount);
    }
    const known = this.#lastRoute[operation];
    if (known) return known;
    const timing = this.#metrics.timing(`route.${operation}.${this.#nameOf(mount)}`);
    this.#lastRoute[operation] = timing;
    return timing;
  }

  #named(mount: OpenMount, path: EnginePath, operation: Operation): Timing | undefined {
    let named = this.#namedByPath.get(path);
    if (!named) {
      named = this.#timingsOf(NAMED[`${mount.entry.type}/${path.pattern}`]);
      this.#namedByPath.set(path, named);
    }
    return named[operation === 'create' ? 'update' : operation];
  }

  #timingsOf(names: Partial<Record<Operation, string>> = {}): Route {
    return Object.fromEntries(
      Object.entries(names).map(([operation, name]) => [operation, this.#metrics.timing(name)]),
    );
  }

  #route(mount: OpenMount): Route {
    let route = this.#routes.get(mount);
    if (!route) {
      route = {};
      this.#routes.set(mount, route);
    }
    return route;
  }

  /** As Vault's: the mount's path with `-` for `/`. */
  #nameOf({ info }: OpenMount): string {
    const name = (info.namespace.path + info.path).replaceAll('/', '-');
    if (!this.#names.has(name)) {
      if (this.#names.size >= MOUNTS_MAX) return 'other';
      this.#names.add(name);
    }
    return name;
  }
}
