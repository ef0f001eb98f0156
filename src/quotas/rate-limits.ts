import type { Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import { PathSet } from './exempt.ts';
import { type Quota, QuotaRecords } from './records.ts';
import { RuleIndex, type SpotRules } from './rules.ts';
import { QUOTA_SETTINGS_DEFAULT, type QuotaSettings, readQuotaSettings } from './settings.ts';
import { ClientRoom, ClientWindows, type Window } from './windows.ts';

/** Whose requests share one limit. */
export const GROUPINGS = ['ip', 'none', 'entity_then_ip', 'entity_then_none'] as const;
export type Grouping = (typeof GROUPINGS)[number];

export interface RateLimitQuota extends Quota {
  /** Requests in an interval; may be a fraction. */
  readonly rate: number;
  readonly intervalSeconds: number;
  /** How long who goes over is shut out; 0: until the interval is over. */
  readonly blockSeconds: number;
  readonly groupBy: Grouping;
  /** For requests without an entity where `groupBy` goes by entities; 0: the same rate. */
  readonly secondaryRate: number;
}

/** Clients that are remembered one by one; each takes some 150 bytes. */
const CLIENTS_MAX = 100_000;
/** All of a quota's requests that are grouped together. */
const EVERYBODY = '';

/** A quota at work. */
export class RateLimit {
  readonly quota: RateLimitQuota;
  readonly #primary: Allowance;
  readonly #secondary: Allowance;

  constructor(quota: RateLimitQuota, room: ClientRoom) {
    this.quota = quota;
    this.#primary = new Allowance(quota, quota.rate, room);
    this.#secondary = new Allowance(quota, quota.secondaryRate || quota.rate, room);
  }

  get scope(): Quota['scope'] {
    return this.quota.scope;
  }
  get inheritable(): boolean {
    return this.quota.inheritable;
  }
  get byEntity(): boolean {
    return this.quota.groupBy !== 'ip' && this.quota.groupBy !== 'none';
  }

  /** Counts a request of `entityId` ('' for none, or where entities do not matter) from `address`. */
  take(entityId: string, address: string, nowMs: number): Allowance {
    const { groupBy } = this.quota;
    if (entityId !== '' && this.byEntity) return this.#primary.take(entityId, nowMs);
    const client = groupBy === 'ip' || groupBy === 'entity_then_ip' ? address : EVERYBODY;
    return (this.byEntity ? this.#secondary : this.#primary).take(client, nowMs);
  }

  clear(): void {
    this.#primary.clear();
    this.#secondary.clear();
  }
}

/** A limit with its clients. After `take` it tells how that client stands. */
export class Allowance {
  readonly limit: number;
  readonly #windows: ClientWindows;
  #window: Window = { endsAtMs: 0, used: 0 };
  #nowMs = 0;

  /** A rate of 0.5 is one request in twice the interval, one of 2.5 two in four fifths of it. */
  constructor(quota: RateLimitQuota, rate: number, room: ClientRoom) {
    this.limit = Math.max(1, Math.floor(rate));
    const windowMs = (quota.intervalSeconds * 1000 * this.limit) / rate;
    this.#windows = new ClientWindows(
      { limit: this.limit, windowMs, blockMs: quota.blockSeconds * 1000 },
      room,
    );
  }

  take(client: string, nowMs: number): this {
    this.#window = this.#windows.take(client, nowMs);
    this.#nowMs = nowMs;
    return this;
  }

  get exceeded(): boolean {
    return this.#window.used > this.limit;
  }
  get remaining(): number {
    return Math.max(0, this.limit - this.#window.used);
  }
  /** Until the window, or the time of being shut out, is over. */
  get resetSeconds(): number {
    return Math.max(1, Math.ceil((this.#window.endsAtMs - this.#nowMs) / 1000));
  }

  clear(): void {
    this.#windows.clear();
  }
}

/**
 * Rate limits: which one rules for a request, and whether there is any of it left. Each node counts for itself, in
 * memory; what is stored is the definitions. The pipeline asks `any` on every request and the rest only where there is one.
 */
export class RateLimits {
  readonly records = new QuotaRecords<RateLimitQuota>('rate-limit');
  /** There is a rate limit. */
  any = false;
  /** There is one for a role. */
  anyForRole = false;
  settings: QuotaSettings = QUOTA_SETTINGS_DEFAULT;
  readonly #clock: Clock;
  readonly #room: ClientRoom;
  #limits = new Map<string, RateLimit>();
  #index = new RuleIndex<RateLimit>([]);
  #byMount = new WeakMap<OpenMount, SpotRules<RateLimit>>();
  #exempt = new PathSet([]);
  #exemptAbsolute = new PathSet([]);

  constructor(parts: { clock: Clock; random: Random; clientsMax?: number }) {
    this.#clock = parts.clock;
    this.#room = new ClientRoom(parts.clientsMax ?? CLIENTS_MAX, parts.random.below(2 ** 32));
  }

  /** Takes up what is stored now. A quota that did not change goes on counting where it was. */
  load(session: Session): void {
    const before = this.#limits;
    this.#limits = new Map();
    for (const quota of this.records.all(session)) {
      const old = before.get(quota.name);
      const same = old !== undefined && JSON.stringify(old.quota) === JSON.stringify(quota);
      if (same) before.delete(quota.name);
      this.#limits.set(quota.name, same ? old : new RateLimit(quota, this.#room));
    }
    for (const gone of before.values()) gone.clear();
    this.#index = new RuleIndex(this.#limits.values());
    this.#byMount = new WeakMap();
    this.any = this.#limits.size > 0;
    this.anyForRole = [...this.#limits.values()].some(({ scope }) => scope.role !== '');
    this.settings = readQuotaSettings(session);
    this.#exempt = new PathSet(this.settings.rate_limit_exempt_paths);
    this.#exemptAbsolute = new PathSet(this.settings.absolute_rate_limit_exempt_paths);
  }

  /** Definitions or settings were written: they hold from the moment that others see them. */
  changed(session: Session): void {
    session.afterApply(() => this.load(session));
  }

  rulesAt(mount: OpenMount | undefined, namespace: string): SpotRules<RateLimit> {
    if (!mount) return this.#index.at({ namespace, mount: '' });
    let rules = this.#byMount.get(mount);
    if (!rules) {
      rules = this.#index.at({ namespace, mount: mount.info.path });
      this.#byMount.set(mount, rules);
    }
    return rules;
  }

  /** `path` is within the namespace. */
  exempts(namespace: string, path: string): boolean {
    return this.#exempt.has(path) || this.#exemptAbsolute.has(namespace === '' ? path : namespace + path);
  }

  take(limit: RateLimit, entityId: string, address: string): Allowance {
    return limit.take(entityId, address, this.#clock.monotonic());
  }
}
