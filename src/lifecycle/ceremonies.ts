import { RootGeneration, type RootGenerationOptions } from './generate-root.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { ShareKind } from './protection.ts';
import { Rekey } from './rekey.ts';
import { CeremonyThrottle } from './throttle.ts';

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
  readonly throttle: CeremonyThrottle;
  readonly #options: CeremoniesOptions;

  constructor(options: CeremoniesOptions) {
    this.#options = options;
    this.throttle = new CeremonyThrottle(options.clock);
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
