import { isIPv6 } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { QuotaExceeded } from '../base/errors.ts';
import { parseCidr, plainAddress } from '../crypto/cidr.ts';

/** Enough for the largest number of shares at once. */
const CALLS = { burst: 300, perSecond: 2 };
/** Beginning is dear: it encrypts something to each PGP key. Who begins one after another also keeps others from it. */
const STARTS = { burst: 20, perSecond: 1 / 30 };
/** Of as many networks the calls are counted; who called longest ago is forgotten first. */
const CALLERS_MAX = 1000;

/** How often ceremonies may be called without a token: by each network, and begun by all together. */
export class CeremonyThrottle {
  readonly #clock: Clock;
  readonly #callers = new Map<string, Allowance>();
  readonly #starts: Allowance;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#starts = new Allowance(STARTS, clock.monotonic());
  }

  /** Throws `QuotaExceeded`. */
  call(address: string): void {
    const network = networkOf(address);
    const nowMs = this.#clock.monotonic();
    const allowance = this.#callers.get(network) ?? new Allowance(CALLS, nowMs);
    if (!allowance.take(nowMs))
      throw new QuotaExceeded('too many key ceremony requests from this address; try again later');
    this.#callers.delete(network);
    this.#callers.set(network, allowance);
    if (this.#callers.size > CALLERS_MAX) this.#callers.delete(this.#callers.keys().next().value!);
  }

  /** Throws `QuotaExceeded`. */
  start(): void {
    if (!this.#starts.take(this.#clock.monotonic()))
      throw new QuotaExceeded(
        'key ceremonies were begun too often without a token; try again later, or with one at sys/rotate/root or sys/generate-root-token',
      );
  }
}

class Allowance {
  readonly #rate: { burst: number; perSecond: number };
  #left: number;
  #atMs: number;

  constructor(rate: { burst: number; perSecond: number }, nowMs: number) {
    this.#rate = rate;
    this.#left = rate.burst;
    this.#atMs = nowMs;
  }

  /** Whether there was one left. */
  take(nowMs: number): boolean {
    const { burst, perSecond } = this.#rate;
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

/** Whoever has one address of IPv6 has all of its /64. */
function networkOf(address: string): string {
  const plain = plainAddress(address);
  return isIPv6(plain) ? `${parseCidr(`${plain}/64`).network.toString(16)}/64` : plain;
}
