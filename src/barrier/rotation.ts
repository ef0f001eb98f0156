import type { Clock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Store } from '../store/store.ts';
import type { Barrier } from './barrier.ts';
import type { Reencryption } from './reencryption.ts';
import type { Session } from './session.ts';

/** When the key that encrypts is replaced by itself. */
export interface RotationConfig {
  readonly enabled: boolean;
  /** Encryptions after which it is replaced. */
  readonly operationsMax: number;
  /** Seconds after which it is replaced; 0: whatever its age. */
  readonly interval: number;
  /** Whether older records are brought under a new key in the background. */
  readonly reencrypt: boolean;
}

/** Just under 2^32 random nonces of one key (NIST SP 800-38D, 8.3), with room for what happens between two looks. */
export const OPERATIONS_MAX = 3_865_470_566;
const OPERATIONS_MIN = 1_000_000;
const INTERVAL_MIN = 24 * 60 * 60;
const DEFAULTS: RotationConfig = {
  enabled: true,
  operationsMax: OPERATIONS_MAX,
  interval: 0,
  reencrypt: true,
};

const RECORD = { under: 'core/', key: 'key-rotation' } as const;
const LOOK_EVERY_MS = 5 * 60_000;

export interface KeyRotationOptions {
  barrier: Barrier;
  store: Store;
  openSession(): Session;
  reencryption: Reencryption;
  clock: Clock;
  log: Logger;
}

/** Replaces the barrier's key in time, and keeps its count of encryptions over restarts. */
export class KeyRotation {
  readonly #options: KeyRotationOptions;
  #savedEncryptions = 0;
  #cancel: (() => void) | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: KeyRotationOptions) {
    this.#options = options;
  }

  config(session: Session): RotationConfig {
    return { ...DEFAULTS, ...session.view(RECORD.under).get<RotationConfig>(RECORD.key) };
  }

  /** Throws `InvalidRequest` for a limit that is too low or too high. */
  configure(session: Session, change: Partial<RotationConfig>): void {
    const config = { ...this.config(session), ...change };
    if (config.operationsMax < OPERATIONS_MIN || config.operationsMax > OPERATIONS_MAX) {
      throw new InvalidRequest(`max_operations must be between ${OPERATIONS_MIN} and ${OPERATIONS_MAX}`);
    }
    if (config.interval !== 0 && config.interval < INTERVAL_MIN)
      throw new InvalidRequest('interval must be at least 24 hours');
    session.view(RECORD.under).put(RECORD.key, config);
  }

  /** Resolves when the new key is durable. */
  async rotate(): Promise<void> {
    const { barrier, store, reencryption, openSession } = this.#options;
    await store.durable(barrier.rotate(store.begin()));
    if (this.config(openSession()).reencrypt) await reencryption.begin();
  }

  start(): void {
    const { reencryption, openSession } = this.#options;
    reencryption.start({ automatic: this.config(openSession()).reencrypt });
    this.#savedEncryptions = this.#options.barrier.keyStatus.encryptions;
    this.#schedule();
  }

  /** Saves the count, while the barrier is still unsealed. A store that fails now must not keep the server from sealing. */
  async stop(): Promise<void> {
    this.#cancel?.();
    await this.#looking;
    await this.#options.reencryption.stop();
    if (!this.#options.barrier.sealed) await this.#saveCount().catch((error) => this.#failed(error));
  }

  #schedule(): void {
    this.#cancel = this.#options.clock.after(LOOK_EVERY_MS, () => {
      this.#looking = this.#look().catch((error) => this.#failed(error));
      this.#schedule();
    });
  }

  async #look(): Promise<void> {
    const { barrier, clock, log } = this.#options;
    const { enabled, operationsMax, interval } = this.config(this.#options.openSession());
    const { term, encryptions, installTimeMs } = barrier.keyStatus;
    const old = interval > 0 && clock.now() - installTimeMs >= interval * 1000;
    if (!enabled || (!old && encryptions < operationsMax)) return this.#saveCount();
    await this.rotate();
    log.info('rotated the encryption key', { old_term: term, encryptions });
  }

  async #saveCount(): Promise<void> {
    const { barrier, store } = this.#options;
    const { encryptions } = barrier.keyStatus;
    if (encryptions === this.#savedEncryptions) return;
    this.#savedEncryptions = encryptions;
    await store.durable(barrier.saveKeyring(store.begin()));
  }

  #failed(error: unknown): void {
    this.#options.log.error('looking after the encryption key failed', { error });
  }
}
