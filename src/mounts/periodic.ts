import { persist, type Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { PeriodicWork } from '../engine/engine.ts';
import type { Mounts, OpenMount } from './mounts.ts';
import type { MountPlace } from './records.ts';
import { type WorkParts, workContext } from './work.ts';

/** How often the table is looked through for work that is due. */
const TICK_MS = 1000;
/** Mounts opened in one look because they have work though nobody uses them. */
const WOKEN_MAX = 20;

export interface PeriodicOptions {
  mounts: Pick<Mounts, 'loaded' | 'waking' | 'byUuid'>;
  openSession(): Session;
  work: WorkParts;
  clock: Clock;
  log: Logger;
}

/** Runs what mounts want done now and then, one piece of work of a mount at a time. */
export class Periodic {
  readonly #options: PeriodicOptions;
  /** When each piece is next due, by mount and name. */
  readonly #dueAtMs = new Map<string, number>();
  readonly #running = new Map<string, Promise<void>>();
  /** Not yet opened since the start. */
  #asleep: MountPlace[] = [];
  #cancel: (() => void) | undefined;

  constructor(options: PeriodicOptions) {
    this.#options = options;
  }

  start(): void {
    this.#asleep = this.#options.mounts.waking(this.#options.openSession());
    this.#wait();
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    await Promise.allSettled(this.#running.values());
  }

  #wait(): void {
    this.#cancel = this.#options.clock.after(TICK_MS, () => {
      this.#wake();
      this.#tick();
      this.#wait();
    });
  }

  /** Opens a few of the mounts that have work to do though nobody has asked for them since the start. */
  #wake(): void {
    const session = this.#options.openSession();
    for (const place of this.#asleep.splice(0, WOKEN_MAX)) {
      void this.#options.mounts.byUuid(session, place)?.engine;
    }
  }

  #tick(): void {
    const nowMs = this.#options.clock.monotonic();
    for (const mount of this.#options.mounts.loaded()) {
      for (const work of mount.inUse?.periodic ?? []) {
        const key = `${mount.entry.uuid}/${work.name}`;
        if (this.#running.has(key) || nowMs < (this.#dueAtMs.get(key) ?? 0)) continue;
        this.#dueAtMs.set(key, nowMs + work.everySeconds * 1000);
        const running = this.#run(mount, work).finally(() => this.#running.delete(key));
        this.#running.set(key, running);
      }
    }
  }

  async #run(mount: OpenMount, work: PeriodicWork): Promise<void> {
    try {
      const session = this.#options.openSession();
      await work.run(workContext(this.#options.work, session, mount));
      await persist(session);
    } catch (error) {
      this.#options.log.warn('periodic work failed; it will be tried again', {
        mount: mount.info.path,
        work: work.name,
        error,
      });
    }
  }
}
