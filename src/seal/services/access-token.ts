import type { Clock } from '../../base/clock.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { SealUnavailable } from '../seal.ts';
import { Refused } from '../service.ts';

/** So long before its end a token is not used any more. */
const MARGIN_MS = 60_000;
const UNAUTHORIZED = 401;

/** An OAuth access token for a service, kept until shortly before it expires. */
export class AccessToken {
  readonly #fetch: (signal: AbortSignal) => Promise<UnknownRecord>;
  readonly #clock: Clock;
  #token: { text: string; untilMs: number } | undefined;

  /** `fetch` gives the token endpoint's reply: `access_token`, `expires_in` in seconds. */
  constructor(clock: Clock, fetch: (signal: AbortSignal) => Promise<UnknownRecord>) {
    this.#clock = clock;
    this.#fetch = fetch;
  }

  /** Runs `call` with the headers that authorise it. A token that the service does not take is not kept. */
  async use<T>(signal: AbortSignal, call: (headers: Record<string, string>) => Promise<T>): Promise<T> {
    const text = await this.#current(signal);
    try {
      return await call({ Authorization: `Bearer ${text}`, 'Content-Type': 'application/json' });
    } catch (error) {
      if (error instanceof Refused && error.status === UNAUTHORIZED) this.#token = undefined;
      throw error;
    }
  }

  async #current(signal: AbortSignal): Promise<string> {
    if (this.#token && this.#clock.now() < this.#token.untilMs) return this.#token.text;
    const reply = await this.#fetch(signal).catch((error: unknown) => {
      if (error instanceof SealUnavailable) throw new SealUnavailable(`no access token: ${error.message}`);
      throw error;
    });
    const { access_token: text, expires_in: seconds } = reply;
    if (typeof text !== 'string' || text === '') throw new SealUnavailable('no access token in the answer');
    const lifeMs = Number(seconds ?? 0) * 1000;
    this.#token = { text, untilMs: this.#clock.now() + lifeMs - MARGIN_MS };
    return text;
  }
}
