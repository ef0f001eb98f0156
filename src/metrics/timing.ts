/** A number that only grows. */
export class Counter {
  value = 0;
  add(by = 1): void {
    this.value += by;
  }
}

/** Four buckets to each doubling, of microseconds from 1 to 2^31: a quantile is right to an eighth. */
const STEPS_BITS = 2;
const STEPS = 1 << STEPS_BITS;
const BUCKETS = 30 * STEPS;
const MICROSECONDS_MAX = 2 ** 31 - 1;

/** Durations in milliseconds. Noting one costs an addition to an array; quantiles are worked out when somebody looks. */
export class Timing {
  count = 0;
  /** Milliseconds. */
  sum = 0;
  min = Number.POSITIVE_INFINITY;
  max = 0;
  /** How many durations fell into each bucket since the start. */
  readonly buckets = new Float64Array(BUCKETS);
  #windowStart: Float64Array | undefined;
  #nextStart: Float64Array | undefined;

  note(ms: number): void {
    this.noteAll(ms, 1);
  }

  /** `times` durations of `ms` each. */
  noteAll(ms: number, times: number): void {
    this.count += times;
    this.sum += ms * times;
    if (ms < this.min) this.min = ms;
    if (ms > this.max) this.max = ms;
    const microseconds = Math.min(ms * 1000, MICROSECONDS_MAX) | 0;
    const power = 31 - Math.clz32(microseconds);
    const bucket =
      microseconds < STEPS
        ? Math.max(microseconds, 0)
        : ((power - STEPS_BITS + 1) << STEPS_BITS) + ((microseconds >> (power - STEPS_BITS)) & (STEPS - 1));
    this.buckets[bucket]! += times;
  }

  /** Quantiles are those of what came after the last call but one. */
  turnWindow(): void {
    this.#windowStart = this.#nextStart;
    this.#nextStart = this.buckets.slice();
  }

  /** Milliseconds; NaN where the window is empty. */
  quantiles(wanted: readonly number[]): number[] {
    const start = this.#windowStart;
    const within = start ? this.buckets.map((count, bucket) => count - start[bucket]!) : this.buckets;
    const total = within.reduce((sum, count) => sum + count, 0);
    return wanted.map((quantile) => {
      if (total === 0) return Number.NaN;
      let left = Math.max(1, Math.ceil(quantile * total));
      const bucket = within.findIndex((count) => {
        left -= count;
        return left <= 0;
      });
      return Math.min(Math.max(bucketMs(bucket), this.min), this.max);
    });
  }
}

/** The middle of a bucket in milliseconds. */
export function bucketMs(bucket: number): number {
  if (bucket < STEPS) return (bucket + 0.5) / 1000;
  const width = 2 ** ((bucket >> STEPS_BITS) - 1);
  return ((STEPS + (bucket & (STEPS - 1))) * width + width / 2) / 1000;
}
