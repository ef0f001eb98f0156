import type { Clock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Store } from '../store/store.ts';
import { forgetRestored, readRestored } from './restored.ts';

export interface ConfirmationOptions {
  store: Store;
  clock: Clock;
  log: Logger;
  /** How many leases would be ended at once if it were confirmed now. */
  countDue(): Promise<number>;
}

const REMIND_EVERY_MS = 60 * 60_000;

/** Holds back all that a server does by itself to its leases, from a restore until an operator confirms it. */
export class Confirmation {
  readonly #options: ConfirmationOptions;
  #waiting: (() => void)[] | undefined;
  #cancelReminder: (() => void) | undefined;

  constructor(options: ConfirmationOptions) {
    this.#options = options;
  }

  /** Runs `work` now, or where a restore is not confirmed when it is. */
  whenConfirmed(work: () => void): void {
    if (!readRestored(this.#options.store.begin())) {
      work();
      return;
    }
    this.#waiting = [work];
    this.#remind();
  }

  get isPending(): boolean {
    return this.#waiting !== undefined;
  }

  /** As `sys/storage/snapshot/confirm` shows it. */
  async status() {
    const restored = readRestored(this.#options.store.begin());
    if (!restored) return { expiry_paused: false };
    const about =
      restored === 'damaged'
        ? {}
        : {
            restored_at: restored.restored_at,
            snapshot_created_at: restored.snapshot.created_at,
            snapshot_cluster_id: restored.snapshot.cluster_id,
            snapshot_version: restored.snapshot.version,
          };
    return { expiry_paused: true, ...about, leases_due: await this.#options.countDue() };
  }

  /** Resolves when it is durable; what was held back has begun then. */
  async confirm(): Promise<void> {
    const { store, log } = this.#options;
    if (!this.#waiting) throw new InvalidRequest('there is no restored snapshot to confirm');
    await forgetRestored(store);
    log.info('the restored snapshot was confirmed: leases expire again');
    this.stop();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    for (const work of waiting ?? []) work();
  }

  stop(): void {
    this.#cancelReminder?.();
    this.#cancelReminder = undefined;
  }

  #remind(): void {
    this.#options.log.warn(
      'this server was restored from a snapshot: no lease expires by itself until "coffer operator snapshot confirm"',
    );
    this.#cancelReminder = this.#options.clock.after(REMIND_EVERY_MS, () => this.#remind());
  }
}
