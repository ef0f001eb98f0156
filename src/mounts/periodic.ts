import { persist, type Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { PeriodicWork } from '../engine/engine.ts';
import type { OpenMount } from './mounts.ts';
import { type WorkParts, workContext } from './work.ts';

/** How often the table is looked through for work that is due. */
const TICK_MS = 1000;

export interface PeriodicOptions {
  mounts(): Iterable<OpenMount>;
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
  #cancel: (() => void) | undefined;

  constructor(options: PeriodicOptions) {
    this.#options = options;
  }

  start(): void {
    this.#cancel = this.#options.clock.after(TICK_MS, () => {
      this.#tick();
      this.start();
    });
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    await Promise.allSettled(this.#running.values());
  }

  #tick(): void {
    const nowMs = this.#options.clock.monotonic();
    for (const mount of this.#options.mounts()) {
      for (const work of mount.engine?.periodic ?? []) {
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
