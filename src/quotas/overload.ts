/**
 * Overload: whether the node has more to do than it can. Looked at ten times a second, so that a request pays no more than
 * a look at `shedding`; what is refused then is the pipeline's.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';

export interface OverloadLimits {
  readonly disabled: boolean;
  /** How late the event loop may run, over about half a second; 0 in these: no limit. */
  readonly eventLoopDelayMs: number;
  readonly requestsInFlight: number;
  /** How long writes may wait to be durable. */
  readonly commitDelayMs: number;
}

export const OVERLOAD_LIMITS_DEFAULT: OverloadLimits = {
  disabled: false,
  eventLoopDelayMs: 1000,
  requestsInFlight: 10_000,
  commitDelayMs: 5000,
};

export type Overload = 'event_loop' | 'in_flight' | 'commits';

/** What there is to look at. */
export interface Load {
  requestsInFlight(): number;
  /** The newest revision handed out, and the newest on disk. */
  revisions(): { readonly newest: number; readonly durable: number };
}

const SAMPLE_MS = 100;
/** Of each sample in the average. */
const SMOOTHING = 0.2;
/** What a sample counts for at most, in parts of the limit: one stop, however long, is no overload; two in a row are. */
const SAMPLE_MAX = 4;
/** Shedding goes on until the load is well under the limit, or it would come and go with every sample. */
const RELIEF = 0.5;

export class OverloadGuard {
  /** Why new work is refused; undefined while all is well. */
  shedding: Overload | undefined;
  /** Requests refused since shedding began. */
  shed = 0;
  readonly #limits: OverloadLimits;
  readonly #load: Load;
  readonly #clock: Clock;
  readonly #log: Logger;
  #cancel: (() => void) | undefined;
  #delayMs = 0;
  /** Commits: what is being waited for, and for how many samples: time in which the process stood still is none. */
  #awaited = 0;
  #awaitedSamples = 0;

  constructor(parts: { limits: OverloadLimits; load: Load; clock: Clock; log: Logger }) {
    this.#limits = parts.limits;
    this.#load = parts.load;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  start(): void {
    if (this.#limits.disabled) return;
    const dueMs = this.#clock.monotonic() + SAMPLE_MS;
    this.#cancel = this.#clock.after(SAMPLE_MS, () => {
      const nowMs = this.#clock.monotonic();
      this.#sample(Math.max(0, nowMs - dueMs));
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  #sample(lateMs: number): void {
    const counted = Math.min(lateMs, SAMPLE_MAX * this.#limits.eventLoopDelayMs);
    this.#delayMs += SMOOTHING * (counted - this.#delayMs);
    const loads: Readonly<Record<Overload, number>> = {
      event_loop: part(this.#delayMs, this.#limits.eventLoopDelayMs),
      in_flight: part(this.#load.requestsInFlight(), this.#limits.requestsInFlight),
      commits: part(this.#commitDelay(), this.#limits.commitDelayMs),
    };
    const limit = (of: Overload) => (this.shedding === of ? RELIEF : 1);
    const reason = (['event_loop', 'in_flight', 'commits'] as const).find((of) => loads[of] > limit(of));
    if (reason === this.shedding) return;
    if (reason) {
      this.#log.warn('overloaded: new work is refused', { reason, ...rounded(loads) });
    } else {
      this.#log.info('no longer overloaded', { reason: this.shedding, shed: this.shed });
      this.shed = 0;
    }
    this.shedding = reason;
  }

  #commitDelay(): number {
    const { newest, durable } = this.#load.revisions();
    if (durable < this.#awaited) this.#awaitedSamples++;
    else {
      this.#awaited = newest;
      this.#awaitedSamples = 0;
    }
    return this.#awaitedSamples * SAMPLE_MS;
  }
}

function part(load: number, limit: number): number {
  return limit === 0 ? 0 : load / limit;
}

/** As parts of their limits. */
function rounded(loads: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(loads).map(([name, load]) => [name, Math.round(load * 100) / 100]),
  );
}
