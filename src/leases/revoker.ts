import { persist, type Session } from '../barrier/session.ts';
import { Unavailable } from '../base/errors.ts';
import { turn } from '../base/turn.ts';
import type { Counter } from '../metrics/timing.ts';
import { workContext } from '../mounts/work.ts';
import { isIrrevocable, type Lease, placeOf, type TokenLease } from './lease.ts';
import type { LeasesOptions } from './leases.ts';
import {
  type Due,
  deleteLease,
  deleteUnreadable,
  dropDue,
  dueLeases,
  getLease,
  nextDueMs,
  postpone,
  saveLease,
} from './records.ts';

/** Due leases taken in one go before other requests are let in. */
const SLICE = 128;
/** How far past busy mounts a pass looks for work; the next one goes on from there. */
const PASS_SLICES_MAX = 80;
/** Revocations under way at one mount, so that one slow target holds up nobody else. */
const PER_MOUNT_MAX = 8;
const BACKOFF_SECONDS_FIRST = 5;
const BACKOFF_SECONDS_MAX = 86_400;
/** A damaged record, which somebody may repair, is looked at again after this. */
const UNREADABLE_LOOK_AGAIN_MS = 86_400_000;
/** While revocations wait for a busy mount, expiry looks again after this. */
const BUSY_LOOK_AGAIN_MS = 250;

/** Takes credentials back: when they fall due, and when asked. A failure is retried with back-off, never forgotten. */
export class Revoker {
  readonly #options: LeasesOptions;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #slots = new Map<string, Slots>();
  readonly #expired: Counter;
  readonly #failures: Counter;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #cancelWake: (() => void) | undefined;
  #passing = false;
  /** Where a pass left off that found too much waiting for busy mounts. */
  #resumeAfter: string | undefined;
  #state: 'new' | 'running' | 'stopped' = 'new';

  constructor(options: LeasesOptions) {
    this.#options = options;
    this.#expired = options.metrics.counter('expire.lease_expiration');
    this.#failures = options.metrics.counter('expire.lease_expiration.error');
    options.metrics.observed('expire.job_manager.queue_length', () => this.#waiting());
    options.metrics.observed('expire.job_manager.total_jobs', () => this.#underWay.size);
  }

  start(): void {
    this.#state = 'running';
    const next = nextDueMs(this.#options.openSession());
    if (next !== undefined) this.wakeBy(next);
  }
  /** Begins nothing more. What is under way outside is not waited for: its lease stays, and is ended after the next start. */
  stop(): void {
    this.#state = 'stopped';
    this.#cancelWake?.();
  }

  /** Makes sure that a pass happens at `atMs` or before. */
  wakeBy(atMs: number): void {
    if (this.#state !== 'running' || atMs >= this.#wakeAtMs) return;
    this.#cancelWake?.();
    this.#wakeAtMs = atMs;
    this.#cancelWake = this.#options.clock.after(atMs - this.#options.clock.now(), () => {
      this.#wakeAtMs = Number.POSITIVE_INFINITY;
      void this.#pass();
    });
  }

  /** Ends one lease and waits for it. */
  async end(id: string, options: { force: boolean }): Promise<void> {
    const session = this.#options.openSession();
    const ending = this.endIn(session, id, options);
    await persist(session);
    await ending;
  }

  /** Whether ending it touches nothing outside. */
  isLocal(session: Session, { id, of }: Lease): boolean {
    if (of.what === 'token') return true;
    const kind = this.#options.mountByUuid(session, placeOf(id, of))?.engine?.leases?.[of.kind];
    return kind !== undefined && !kind.outside;
  }

  /**
   * Ends a lease within `session` where that is local; else in a session of its own: then a promise. Rejects when it
   * failed (and will be retried); need not be awaited.
   */
  endIn(session: Session, id: string, options: { force: boolean }): Promise<void> | undefined {
    const running = this.#underWay.get(id);
    if (running) return options.force ? running.catch(() => this.end(id, options)) : running;
    let lease: Lease | undefined;
    try {
      lease = getLease(session, id);
    } catch (error) {
      if (!options.force) return failure(error);
      this.#options.log.warn('a damaged lease was forgotten by force', { lease: id });
      deleteUnreadable(session, id);
    }
    if (!lease) return undefined;
    if (lease.of.what === 'token') return this.#endToken(session, lease, lease.of);
    if (this.isLocal(session, lease)) return this.#endLocal(session, lease, options.force);
    const work = this.#endOutside(id, lease.of.mountUuid, options.force).finally(() =>
      this.#underWay.delete(id),
    );
    work.catch(() => {});
    this.#underWay.set(id, work);
    return work;
  }

  #endLocal(session: Session, lease: Lease, force: boolean): Promise<void> | undefined {
    try {
      void this.#revokeByEngine(session, lease);
      deleteLease(session, lease);
      return undefined;
    } catch (error) {
      this.#failed(session, lease, error, force);
      return force ? undefined : failure(error);
    }
  }

  #endToken(session: Session, lease: Lease, token: TokenLease): Promise<void> | undefined {
    const rest = this.#options.revokeToken(session, token);
    deleteLease(session, lease);
    return rest ?? undefined;
  }

  async #endOutside(id: string, mountUuid: string, force: boolean): Promise<void> {
    const slots = this.#slotsOf(mountUuid);
    await slots.take();
    try {
      if (this.#state === 'stopped') throw new Unavailable('the server is being sealed');
      await this.#tryOutside(id, force);
    } finally {
      slots.give();
    }
  }

  async #tryOutside(id: string, force: boolean): Promise<void> {
    const session = this.#options.openSession();
    const lease = getLease(session, id);
    if (!lease) return;
    try {
      await this.#revokeByEngine(session, lease);
    } catch (error) {
      session.discard();
      const now = getLease(session, id);
      if (now) this.#failed(session, now, error, force);
      await persist(session);
      if (!force) throw error;
      return;
    }
    const now = getLease(session, id);
    if (now) deleteLease(session, now);
    await persist(session);
  }

  #revokeByEngine(session: Session, { id, of }: Lease): void | Promise<void> {
    if (of.what !== 'secret') throw new Error('a token ends by the token store');
    const mount = this.#options.mountByUuid(session, placeOf(id, of));
    const kind = mount?.engine?.leases?.[of.kind];
    if (!mount || !kind) throw new Error('the mount that issued this lease is not there');
    return kind.revoke(workContext(this.#options.work, session, mount), of.internal);
  }

  #failed(session: Session, lease: Lease, cause: unknown, force: boolean): void {
    const { clock, random, log } = this.#options;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    if (force) {
      log.warn('a lease was forgotten by force; its credential may live on', { lease: lease.id, error });
      deleteLease(session, lease);
      return;
    }
    this.#failures.add();
    const attempts = (lease.attempts ?? 0) + 1;
    const seconds = Math.min(BACKOFF_SECONDS_FIRST * 2 ** (attempts - 1), BACKOFF_SECONDS_MAX);
    const dueAtMs = clock.now() + seconds * (750 + random.below(500));
    const failed: Lease = { ...lease, attempts, lastError: error.message.slice(0, 500), dueAtMs };
    saveLease(session, failed, lease);
    session.afterApply(() => this.wakeBy(dueAtMs));
    const level = isIrrevocable(failed) ? 'error' : 'warn';
    log[level]('revoking a lease failed; it will be retried', {
      lease: lease.id,
      attempts,
      retrySeconds: seconds,
      error,
    });
  }

  async #pass(): Promise<void> {
    if (this.#passing || this.#state !== 'running') return;
    this.#passing = true;
    try {
      for (let slices = 0; slices < PASS_SLICES_MAX && this.#state === 'running'; slices++) {
        this.#resumeAfter = await this.#slice(this.#resumeAfter);
        if (this.#resumeAfter === undefined) break;
      }
      if (this.#state === 'running') this.#wakeForNext();
    } catch (error) {
      this.#options.log.error('expiry stopped for now', { error });
      this.wakeBy(this.#options.clock.now() + 1000);
    } finally {
      this.#passing = false;
    }
  }

  /** Ends what is due in one slice of the index; where to go on, or undefined at its end. */
  async #slice(after: string | undefined): Promise<string | undefined> {
    const session = this.#options.openSession();
    const due = [...dueLeases(session, this.#options.clock.now(), { after, limit: SLICE })];
    for (const entry of due) this.#endDue(session, entry);
    await persist(session);
    await turn();
    return due.length < SLICE ? undefined : due.at(-1)?.key;
  }

  #endDue(session: Session, { id, dueAtMs, key }: Due): void {
    if (this.#underWay.has(id)) return;
    const nowMs = this.#options.clock.now();
    let lease: Lease | undefined;
    try {
      lease = getLease(session, id);
    } catch (error) {
      this.#options.log.error('a lease that is due cannot be read', { lease: id, error });
      postpone(session, { id, key }, nowMs + UNREADABLE_LOOK_AGAIN_MS);
      return;
    }
    if (lease?.dueAtMs !== dueAtMs) dropDue(session, key);
    if (!lease || lease.dueAtMs > nowMs || !this.#hasRoom(session, lease)) return;
    if (!lease.attempts) this.#expired.add();
    try {
      void this.endIn(session, id, { force: false });
    } catch (error) {
      this.#failed(session, lease, error, false);
    }
  }

  #wakeForNext(): void {
    const nowMs = this.#options.clock.now();
    const next = nextDueMs(this.#options.openSession());
    if (next !== undefined) this.wakeBy(next <= nowMs ? nowMs + BUSY_LOOK_AGAIN_MS : next);
  }

  /** Revocations that wait for others at their mount. */
  #waiting(): number {
    let waiting = 0;
    for (const slots of this.#slots.values()) waiting += slots.waiting;
    return waiting;
  }

  #hasRoom(session: Session, lease: Lease): boolean {
    return (
      lease.of.what !== 'secret' || this.isLocal(session, lease) || this.#slotsOf(lease.of.mountUuid).free
    );
  }

  #slotsOf(mountUuid: string): Slots {
    let slots = this.#slots.get(mountUuid);
    if (!slots) {
      slots = new Slots(PER_MOUNT_MAX);
      this.#slots.set(mountUuid, slots);
    }
    return slots;
  }
}

/** A rejection that nobody has to look at. */
function failure(error: unknown): Promise<void> {
  const rejected = Promise.reject(error);
  rejected.catch(() => {});
  return rejected;
}

/** A counting lock. */
class Slots {
  #left: number;
  readonly #waiting: (() => void)[] = [];
  constructor(count: number) {
    this.#left = count;
  }
  get waiting(): number {
    return this.#waiting.length;
  }
  get free(): boolean {
    return this.#left > 0;
  }
  async take(): Promise<void> {
    if (this.#left > 0) this.#left--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#left++;
  }
}
