/**
 * Time as the rest of Coffer sees it. Handed in everywhere, so that expiry, failover and crash recovery can be
 * tested by simulation; only this file may call `Date.now` or `setTimeout`.
 */
export interface Clock {
  /** Wall time in milliseconds since the Unix epoch. */
  now(): number;
  /** A monotonic reading in milliseconds, for durations. */
  monotonic(): number;
  /** Runs `work` once after `delayMs`; the returned function cancels it. Does not keep the process alive. */
  after(delayMs: number, work: () => void): () => void;
}

/** Node's largest timer; a longer one fires at once, so `after` is cut to it and callers look again. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, work) {
    const timer = setTimeout(work, Math.min(Math.max(delayMs, 0), DELAY_MS_MAX));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** The system's time for the command line, where a wait is all there is to do: its timers keep the process alive. */
export const foregroundClock: Clock = {
  ...systemClock,
  after(delayMs, work) {
    const timer = setTimeout(work, Math.min(Math.max(delayMs, 0), DELAY_MS_MAX));
    return () => clearTimeout(timer);
  },
};

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #nowMs: number;
  #timers: { atMs: number; work: () => void }[] = [];

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
  }
  now(): number {
    return this.#nowMs;
  }
  monotonic(): number {
    return this.#nowMs;
  }
  after(delayMs: number, work: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(delayMs, 0), work };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
  /** Moves time on by `ms` and runs nothing, as a machine that slept: what fell due runs with the next `advance`. */
  skip(ms: number): void {
    this.#nowMs += ms;
  }
  /** Moves time on by `ms` and runs what falls due, in order. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#timers.filter((t) => t.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.work();
    }
    this.#nowMs = endMs;
  }
}

const TIMES_KEPT_MAX = 4096;
const times = new Map<number, string>();

/** RFC 3339 with nanoseconds, as the API prints times. The same ones are printed over and over, so they are kept. */
export function rfc3339(ms: number): string {
  let text = times.get(ms);
  if (text === undefined) {
    text = `${new Date(ms).toISOString().slice(0, -1)}000000Z`;
    if (times.size >= TIMES_KEPT_MAX) times.clear();
    times.set(ms, text);
  }
  return text;
}
