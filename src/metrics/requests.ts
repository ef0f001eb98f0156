import type { Operation } from '../engine/engine.ts';
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
  readonly operation: Operation;
  readonly login: boolean;
}

/** Mounts with timings of their own, which carry the mount's path in their names. */
const MOUNTS_MAX = 500;

type Route = Partial<Record<Operation, Timing>>;

/** `core.*` and `route.*`: what requests take. */
export class RequestMetrics {
  readonly #metrics: Metrics;
  readonly #all: Timing;
  readonly #logins: Timing;
  readonly #checks: Timing;
  readonly #routes = new WeakMap<OpenMount, Route>();
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
    if (answeredMs > 0 && request.mount)
      this.#timing(request.mount, request.operation).note(answeredMs - engineMs);
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
