import type { Clock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { equalSecrets } from '../crypto/compare.ts';
import { collectShares, type ShareCollector } from '../seal/shares.ts';
import type { Proof, Protection } from './protection.ts';

/** An attempt that nobody adds to for so long is forgotten, with the shares that were given. */
const IDLE_MS_MAX = 24 * 60 * 60 * 1000;
/** For so long after the start only who knows the nonce may cancel where anybody may call (as Vault 1.20 has it). */
const CANCEL_BOUND_MS = 10 * 60 * 1000;

export interface Attempt<Settings> {
  readonly nonce: string;
  readonly startedAtMs: number;
  readonly settings: Settings;
  readonly shares: ShareCollector;
}

export interface AttemptsOptions {
  clock: Clock;
  random: Random;
  /** What is attempted, for messages: `rekey`. */
  name: string;
  /** When an attempt ends, however it does. */
  ended?: () => void;
}

/** The one attempt at a ceremony that may be under way: bound to a nonce, and forgotten when nobody goes on with it. */
export class Attempts<Settings> {
  readonly #options: AttemptsOptions;
  #current: Attempt<Settings> | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  get current(): Attempt<Settings> | undefined {
    return this.#current;
  }

  /** Throws `InvalidRequest` while one is under way. */
  begin(settings: Settings, thresholds: readonly number[]): Attempt<Settings> {
    const { clock, random } = this.#options;
    this.assertNone();
    this.#current = {
      nonce: random.uuid(),
      startedAtMs: clock.now(),
      settings,
      shares: collectShares({ thresholds, random }),
    };
    this.touch();
    return this.#current;
  }

  assertNone(): void {
    if (this.#current) throw new InvalidRequest(`${this.#options.name} already in progress`);
  }

  /** The attempt of this nonce. Throws `InvalidRequest` for another one, or none. */
  find(nonce: string | undefined): Attempt<Settings> {
    if (!this.#current) throw new InvalidRequest(`no ${this.#options.name} in progress`);
    if (!equalSecrets(nonce ?? '', this.#current.nonce))
      throw new InvalidRequest(`incorrect nonce supplied for this ${this.#options.name} operation`);
    return this.#current;
  }

  /** Somebody went on with it: the time for forgetting starts anew. */
  touch(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.clock.after(IDLE_MS_MAX, () => this.end());
  }

  /** Ends the attempt, if there is one. A nonce must be the attempt's; `bound`: at first there must be one. */
  cancel(nonce: string | undefined, { bound }: { bound: boolean }): void {
    if (!this.#current) return;
    const young = this.#options.clock.now() - this.#current.startedAtMs < CANCEL_BOUND_MS;
    if (nonce === undefined && bound && young)
      throw new InvalidRequest('a nonce is needed to cancel what was started less than ten minutes ago');
    if (nonce !== undefined) this.find(nonce);
    this.end();
  }

  end(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#current?.shares.reset();
    this.#current = undefined;
    this.#options.ended?.();
  }
}

/** Adds a share; one that was given before is refused, so that nobody takes it for progress. */
export async function giveShare(
  shares: ShareCollector,
  share: string | undefined,
): Promise<Buffer | undefined> {
  if (!share) throw new InvalidRequest("'key' must be specified in request body as JSON");
  const before = shares.progress;
  const key = await shares.submit(share);
  if (!key && shares.progress === before)
    throw new InvalidRequest('given key has already been provided during this operation');
  return key;
}

/** What the key of these shares proves; undefined: it proves nothing, but more shares may. Takes over `key`. */
export async function proveShares(
  shares: ShareCollector,
  key: Buffer,
  protection: Protection,
): Promise<Proof | undefined> {
  try {
    const proof = await protection.prove(key);
    shares.reset();
    return proof;
  } catch (error) {
    if (error instanceof InvalidRequest && shares.progress > 0) return undefined;
    throw error;
  }
}
