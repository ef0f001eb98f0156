import { QuotaExceeded } from '../base/errors.ts';
import { RootGeneration, type RootGenerationOptions } from './generate-root.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { ShareKind } from './protection.ts';
import { Rekey } from './rekey.ts';

export interface CeremoniesOptions extends Omit<RootGenerationOptions, 'protection'> {
  lifecycle: Lifecycle;
}

/**
 * What holders of shares do together while the server is unsealed. Those that anybody may call and those for callers
 * with a token are apart, so that nobody without a token can disturb who has one.
 */
export class Ceremonies {
  readonly open: CeremonySet;
  readonly authenticated: CeremonySet;
  readonly #options: CeremoniesOptions;
  readonly #callers = new Map<string, { left: number; atMs: number }>();

  constructor(options: CeremoniesOptions) {
    this.#options = options;
    this.open = this.#set();
    this.authenticated = this.#set();
  }

  /** Runs one step of a ceremony; no other, no sealing and no unsealing goes on meanwhile. */
  step<T>(work: () => T | Promise<T>): Promise<T> {
    return this.#options.lifecycle.whileUnsealed(async () => work());
  }

  /** A new root key without the shares, which stay as they are. */
  rotateRoot(): Promise<void> {
    const { lifecycle, log } = this.#options;
    return this.step(async () => {
      await lifecycle.protection.rotateRoot();
      log.info('the root key was replaced');
      this.close();
    });
  }

  /** Counts a call from this address that may have needed no token. Throws `QuotaExceeded` for too many. */
  throttle(address: string): void {
    const nowMs = this.#options.clock.monotonic();
    const known = this.#callers.get(address) ?? { left: CALLS_BURST, atMs: nowMs };
    const left = Math.min(CALLS_BURST, known.left + ((nowMs - known.atMs) / 1000) * CALLS_PER_SECOND);
    if (left < 1)
      throw new QuotaExceeded('too many key ceremony requests from this address; try again later');
    this.#callers.delete(address);
    this.#callers.set(address, { left: left - 1, atMs: nowMs });
    if (this.#callers.size > CALLERS_MAX) this.#callers.delete(this.#callers.keys().next().value!);
  }

  /** Overwrites everything that is kept of attempts. */
  close(): void {
    for (const { unseal, recovery, rootToken } of [this.open, this.authenticated])
      for (const ceremony of [unseal, recovery, rootToken]) ceremony.end();
  }

  #set(): CeremonySet {
    const { lifecycle } = this.#options;
    const options = { ...this.#options, protection: lifecycle.protection, replaced: () => this.close() };
    return {
      unseal: new Rekey({ ...options, kind: 'unseal' }),
      recovery: new Rekey({ ...options, kind: 'recovery' }),
      rootToken: new RootGeneration(options),
    };
  }
}

export type CeremonySet = Readonly<Record<ShareKind, Rekey>> & { readonly rootToken: RootGeneration };

/** Enough for the largest number of shares at once. */
const CALLS_BURST = 300;
const CALLS_PER_SECOND = 2;
/** Of as many addresses the calls are counted; whoever called longest ago is forgotten first. */
const CALLERS_MAX = 1000;
