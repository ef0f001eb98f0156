import { persist, type Session } from '../barrier/session.ts';
import { QuotaExceeded, unlessCorrupt } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { turn } from '../base/turn.ts';
import { getLease, leaseIdOfKey, leaseKeys } from '../leases/records.ts';
import { namespaceIdIn } from '../namespaces/namespace.ts';
import { isBefore } from '../store/keys.ts';
import { type Quota, QuotaRecords } from './records.ts';
import { RuleIndex, ruleFor } from './rules.ts';

export interface LeaseCountQuota extends Quota {
  readonly maxLeases: number;
}

/** What somebody wants a lease for. */
export interface WantedLease {
  readonly namespace: string;
  /** Of the request, within the namespace. */
  readonly path: string;
  /** Of a login; '' for none. */
  readonly role: string;
}

/** As stored, one record for each quota: written in the batch of the leases that it counts. */
interface Counter {
  readonly leases: number;
  /** Of the count that is under way, up to where it has come. */
  readonly recounted: number;
}

export interface LeaseCountsParts {
  openSession(): Session;
  /** Whether there is a record in the store now, the writes of unfinished requests left out. */
  stored(key: string): boolean;
  /** By the namespace's id. */
  namespacePath(id: string): string;
  readonly log: Logger;
}

type Writes = Iterable<readonly [key: string, value: Uint8Array | undefined]>;

const COUNTERS = 'core/quotas/counters/';
const STATE = 'core/quotas/';
/** There while a count is under way: the last key that it has seen. */
const CURSOR = 'count-cursor';
const SLICE = 1000;
const NONE: Counter = { leases: 0, recounted: 0 };

/**
 * How many leases each quota has let come to be. A counter changes in the batch in which a lease's record comes or goes,
 * by what that batch changes, so that it is exact whatever made it, also after a crash; nothing is counted at start.
 * When the quotas change all leases are counted anew, in slices, in the order of their keys: a lease before the place where the
 * count stands is in it already, one after it will be.
 */
export class LeaseCounts {
  readonly records = new QuotaRecords<LeaseCountQuota>('lease-count');
  /** There is a quota. */
  any = false;
  readonly #parts: LeaseCountsParts;
  #quotas = new Map<string, LeaseCountQuota>();
  #index = new RuleIndex<LeaseCountQuota>([]);
  /** Where the count stands; undefined while none is under way. */
  #cursor: string | undefined;
  #counting: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: LeaseCountsParts) {
    this.#parts = parts;
  }

  /** At unseal. */
  start(session: Session): void {
    this.#stopped = false;
    this.#load(session);
    this.#cursor = session.view(STATE).get<string>(CURSOR);
    if (this.#cursor !== undefined) this.#count();
  }
  stop(): void {
    this.#stopped = true;
  }

  /** Definitions changed in `session`: everything is counted anew. */
  changed(session: Session): void {
    session.view(STATE).put(CURSOR, '');
    for (const name of [...session.view(COUNTERS).keys('')]) {
      if (!this.records.get(session, name)) session.view(COUNTERS).delete(name);
    }
    session.afterApply(() => {
      this.#load(this.#parts.openSession());
      this.#recount();
    });
  }

  /** Resolves when no count is under way. */
  async counted(): Promise<void> {
    while (this.#counting) await this.#counting;
  }

  /** Why there is no lease left for it; undefined when there is one. */
  refusal(session: Session, wanted: WantedLease): LeaseQuotaExceeded | undefined {
    if (!this.any) return undefined;
    const rule = this.#ruleOf(wanted.namespace, wanted.path, () => wanted.role);
    if (!rule) return undefined;
    if (this.leases(session, rule.name) < rule.maxLeases) return undefined;
    return new LeaseQuotaExceeded(rule.name, wanted.path);
  }

  /** The same by the namespace's id. */
  refusalIn(
    session: Session,
    { namespaceId, ...wanted }: Omit<WantedLease, 'namespace'> & { namespaceId: string },
  ): LeaseQuotaExceeded | undefined {
    if (!this.any) return undefined;
    return this.refusal(session, { ...wanted, namespace: this.#parts.namespacePath(namespaceId) });
  }

  /** How many leases a quota has let come to be. */
  leases(session: Session, name: string): number {
    return this.#counter(session, name).leases;
  }

  *all(): Iterable<LeaseCountQuota> {
    yield* this.#quotas.values();
  }

  /** Called with what a session is about to apply: adds the counters that it changes. */
  note(session: Session, writes: Writes): void {
    if (!this.any) return;
    const changes = new Map<string, { leases: number; recounted: number }>();
    let before: Session | undefined;
    for (const [key, value] of writes) {
      const id = leaseIdOfKey(key);
      if (id === undefined) continue;
      const by = Number(value !== undefined) - Number(this.#parts.stored(key));
      if (by === 0) continue;
      if (by < 0) before ??= this.#parts.openSession();
      const rule = this.#ruleOfLease(before && by < 0 ? before : session, id, () =>
        this.#countAgain('a lease cannot be read, nor what counts it'),
      );
      if (!rule) continue;
      const change = changes.get(rule.name) ?? { leases: 0, recounted: 0 };
      changes.set(rule.name, change);
      change.leases += by;
      if (this.#cursor !== undefined && !isBefore(this.#cursor, key)) change.recounted += by;
    }
    for (const [name, change] of changes) this.#add(session, name, change);
  }

  #add(session: Session, name: string, { leases, recounted }: Counter): void {
    const counter = this.#counter(session, name);
    session.view(COUNTERS).put(name, {
      leases: Math.max(0, counter.leases + leases),
      recounted: counter.recounted + recounted,
    });
  }

  /** A damaged one is no reason to refuse anything: it is made anew by the count that begins now. */
  #counter(session: Session, name: string): Counter {
    const counter = unlessCorrupt(() => session.view(COUNTERS).get<Counter>(name) ?? NONE, undefined);
    if (!counter) this.#countAgain('a counter of leases cannot be read');
    return counter ?? NONE;
  }

  #load(session: Session): void {
    this.#quotas = new Map();
    for (const quota of this.records.all(session)) this.#quotas.set(quota.name, quota);
    this.#index = new RuleIndex(this.#quotas.values());
    this.any = this.#quotas.size > 0;
  }

  /** A role stands in the lease's record. */
  #ruleOfLease(session: Session, id: string, unreadable: () => void): LeaseCountQuota | undefined {
    const { namespace, path } = this.#placeOf(id);
    return this.#ruleOf(namespace, path, () => {
      const lease = unlessCorrupt(() => getLease(session, id), undefined);
      if (!lease) unreadable();
      return lease?.of.what === 'token' ? (lease.of.role ?? '') : '';
    });
  }

  #placeOf(id: string): { namespace: string; path: string } {
    const namespace = this.#parts.namespacePath(namespaceIdIn(id));
    return { namespace, path: id.slice(0, id.lastIndexOf('/')) };
  }

  #ruleOf(namespace: string, path: string, role: () => string): LeaseCountQuota | undefined {
    const mount = this.#index.mountOf(`${namespace}${path}/`).slice(namespace.length);
    const rules = this.#index.at({ namespace, mount });
    return ruleFor(rules, path.slice(mount.length), rules.roles ? role() : undefined);
  }

  #countAgain(why: string): void {
    if (this.#cursor === '' || this.#stopped) return;
    this.#parts.log.warn('leases are counted anew', { why });
    this.#recount();
  }

  /** From the beginning; a count that is under way goes on from there. */
  #recount(): void {
    this.#cursor = '';
    this.#count();
  }

  #count(): void {
    if (this.#counting || this.#stopped) return;
    this.#counting = this.#run()
      .then(
        () => true,
        (error) => {
          this.#parts.log.warn('counting leases was cut short; it goes on at the next start', { error });
          return false;
        },
      )
      .then((more) => {
        this.#counting = undefined;
        if (more && this.#cursor !== undefined) this.#count();
      });
  }

  async #run(): Promise<void> {
    while (this.#cursor !== undefined && !this.#stopped) {
      const session = this.#parts.openSession();
      if (this.#cursor === '') this.#begin(session);
      const keys = this.any ? [...leaseKeys(session, this.#cursor || undefined, SLICE)] : [];
      this.#addSlice(session, keys);
      if (keys.length < SLICE) this.#end(session);
      else {
        this.#cursor = keys.at(-1)!;
        session.view(STATE).put(CURSOR, this.#cursor);
      }
      await persist(session);
      await turn();
    }
  }

  #addSlice(session: Session, keys: readonly string[]): void {
    const found = new Map<string, number>();
    for (const key of keys) {
      const id = leaseIdOfKey(key);
      const rule = id === undefined ? undefined : this.#ruleOfLease(session, id, () => {});
      if (rule) found.set(rule.name, (found.get(rule.name) ?? 0) + 1);
    }
    for (const [name, recounted] of found) this.#add(session, name, { leases: 0, recounted });
  }

  #begin(session: Session): void {
    for (const name of this.#quotas.keys()) {
      const leases = this.leases(session, name);
      session.view(COUNTERS).put(name, { leases, recounted: 0 } satisfies Counter);
    }
  }

  #end(session: Session): void {
    for (const name of this.#quotas.keys()) {
      const { recounted } = this.#counter(session, name);
      session.view(COUNTERS).put(name, { leases: recounted, recounted: 0 } satisfies Counter);
    }
    session.view(STATE).delete(CURSOR);
    this.#cursor = undefined;
  }
}

/** The words are those of the API, line break and all. */
export class LeaseQuotaExceeded extends QuotaExceeded {
  readonly quota: string;
  constructor(quota: string, path: string) {
    super(`1 error occurred:\n\t* request path ${JSON.stringify(path)}: lease count quota exceeded\n\n`);
    this.quota = quota;
  }
}
