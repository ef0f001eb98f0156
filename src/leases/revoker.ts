import { persist, type Session } from '../barrier/session.ts';
import { turn } from '../base/turn.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import { workContext } from '../mounts/work.ts';
import { isIrrevocable, type Lease, type SecretLease } from './lease.ts';
import type { LeasesOptions } from './leases.ts';
import { deleteLease, dropDue, dueLeases, getLease, nextDueMs, saveLease } from './records.ts';

/** Due leases taken in one go before other requests are let in. */
const SLICE = 128;
/** How far past busy mounts a pass looks for work. */
const SCAN_MAX = 10_000;
/** Revocations under way at one mount, so that one slow target holds up nobody else. */
const PER_MOUNT_MAX = 8;
const BACKOFF_SECONDS_FIRST = 5;
const BACKOFF_SECONDS_MAX = 86_400;
/** While revocations wait for a busy mount, expiry looks again after this. */
const BUSY_LOOK_AGAIN_MS = 250;

/** Takes credentials back: when they fall due, and when asked. A failure is retried with back-off, never forgotten. */
export class Revoker {
  readonly #options: LeasesOptions;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #slots = new Map<string, Slots>();
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #cancelWake: (() => void) | undefined;
  #passing = false;
  #stopped = true;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    const next = nextDueMs(this.#options.openSession());
    if (next !== undefined) this.wakeBy(next);
  }
  stop(): void {
    this.#stopped = true;
    this.#cancelWake?.();
  }

  /** Makes sure that a pass happens at `atMs` or before. */
  wakeBy(atMs: number): void {
    if (this.#stopped || atMs >= this.#wakeAtMs) return;
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

  /** Ends a lease within `session` where that is local; else in a session of its own: then a promise. Rejects when it failed (and will be retried). */
  endIn(session: Session, id: string, options: { force: boolean }): Promise<void> | undefined {
    const running = this.#underWay.get(id);
    if (running) return running;
    const lease = getLease(session, id);
    if (!lease) return undefined;
    if (lease.of.what === 'token') return this.#endToken(session, lease, lease.of.tokenKey);
    const of = lease.of;
    const mount = this.#options.mountByUuid(of.mountUuid);
    const kind = mount?.engine?.leases?.[of.kind];
    if (mount && kind && !kind.outside) {
      this.#endLocal(session, lease, of, () =>
        kind.revoke(workContext(this.#options.work, session, mount), of.internal),
      );
      return undefined;
    }
    const work = this.#endOutside(id, mount, options.force).finally(() => this.#underWay.delete(id));
    this.#underWay.set(id, work);
    return work;
  }

  #endLocal(session: Session, lease: Lease, of: SecretLease, revoke: () => unknown): void {
    try {
      revoke();
      deleteLease(session, lease);
    } catch (error) {
      this.#failed(session, lease, of, error instanceof Error ? error : new Error(String(error)), false);
    }
  }

  #endToken(session: Session, lease: Lease, tokenKey: string): Promise<void> | undefined {
    const rest = this.#options.revokeToken(session, tokenKey);
    deleteLease(session, lease);
    return rest ?? undefined;
  }

  async #endOutside(id: string, mount: OpenMount | undefined, force: boolean): Promise<void> {
    const slots = this.#slotsOf(mount?.entry.uuid ?? '');
    await slots.take();
    try {
      await this.#tryOutside(id, mount, force);
    } finally {
      slots.give();
    }
  }

  async #tryOutside(id: string, mount: OpenMount | undefined, force: boolean): Promise<void> {
    const session = this.#options.openSession();
    const lease = getLease(session, id);
    if (lease?.of.what !== 'secret') return;
    try {
      const kind = mount?.engine?.leases?.[lease.of.kind];
      if (!mount || !kind) throw new Error('the mount that issued this lease is not there');
      await kind.revoke(workContext(this.#options.work, session, mount), lease.of.internal);
    } catch (error) {
      session.discard();
      this.#failed(
        session,
        lease,
        lease.of,
        error instanceof Error ? error : new Error(String(error)),
        force,
      );
      await persist(session);
      if (!force) throw error;
      return;
    }
    const now = getLease(session, id);
    if (now) deleteLease(session, now);
    await persist(session);
  }

  #failed(session: Session, lease: Lease, of: SecretLease, error: Error, force: boolean): void {
    const { clock, random, log } = this.#options;
    if (force) {
      log.warn('a lease was forgotten by force; its credential may live on', { lease: lease.id, error });
      deleteLease(session, lease);
      return;
    }
    const attempts = (lease.attempts ?? 0) + 1;
    const seconds = Math.min(BACKOFF_SECONDS_FIRST * 2 ** (attempts - 1), BACKOFF_SECONDS_MAX);
    const dueAtMs = clock.now() + seconds * (750 + random.below(500));
    const failed: Lease = { ...lease, of, attempts, lastError: error.message.slice(0, 500), dueAtMs };
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
    if (this.#passing || this.#stopped) return;
    this.#passing = true;
    try {
      while (!this.#stopped && (await this.#slice()));
    } catch (error) {
      this.#options.log.error('expiry stopped for now', { error });
      this.wakeBy(this.#options.clock.now() + 1000);
    } finally {
      this.#passing = false;
    }
    if (!this.#stopped) this.#wakeForNext();
  }

  /** Ends up to a slice of what is due; true when there is more to do at once. */
  async #slice(): Promise<boolean> {
    const session = this.#options.openSession();
    const due: { id: string; key: string }[] = [];
    let scanned = 0;
    for (const entry of dueLeases(session, this.#options.clock.now())) {
      if (++scanned > SCAN_MAX || due.length >= SLICE) break;
      if (!this.#underWay.has(entry.id)) due.push(entry);
    }
    let ended = 0;
    for (const { id, key } of due) {
      if (!getLease(session, id)) dropDue(session, key);
      else if (!this.#hasRoom(session, id)) continue;
      else this.endIn(session, id, { force: false })?.catch(() => {});
      ended++;
    }
    await persist(session);
    await turn();
    return due.length >= SLICE && ended > 0;
  }

  #wakeForNext(): void {
    const nowMs = this.#options.clock.now();
    const next = nextDueMs(this.#options.openSession());
    if (next !== undefined) this.wakeBy(next <= nowMs ? nowMs + BUSY_LOOK_AGAIN_MS : next);
  }

  #hasRoom(session: Session, id: string): boolean {
    const lease = getLease(session, id);
    return lease?.of.what !== 'secret' || this.#slotsOf(lease.of.mountUuid).free;
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

/** A counting lock. */
class Slots {
  #left: number;
  readonly #waiting: (() => void)[] = [];
  constructor(count: number) {
    this.#left = count;
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
