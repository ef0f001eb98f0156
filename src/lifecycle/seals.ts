import type { Seal } from '../seal/seal.ts';

/** An automatic seal of the configuration. */
export interface ConfiguredSeal {
  readonly seal: Seal;
  /** Being left: it still unwraps, and wraps nothing new. */
  readonly disabled: boolean;
  readonly checks: SealCheckSettings;
}

/** When a seal is tried out, though nothing is asked of it. */
export interface SealCheckSettings {
  readonly enabled: boolean;
  readonly intervalMs: number;
  /** As long as it does not work. */
  readonly intervalUnhealthyMs: number;
  readonly timeoutMs: number;
}

export const SEAL_CHECKS: SealCheckSettings = {
  enabled: true,
  intervalMs: 600_000,
  intervalUnhealthyMs: 60_000,
  timeoutMs: 60_000,
};

/** A seal that is checked as usual. */
export function configuredSeal(seal: Seal, { disabled = false } = {}): ConfiguredSeal {
  return { seal, disabled, checks: SEAL_CHECKS };
}

/** The automatic seals that count now, in the order in which they are tried; none: key shares alone. */
export class Seals {
  #configured: readonly ConfiguredSeal[];

  constructor(configured: readonly ConfiguredSeal[] = []) {
    this.#configured = configured;
  }

  get configured(): readonly ConfiguredSeal[] {
    return this.#configured;
  }

  /** Those that wrap. */
  get enabled(): readonly Seal[] {
    return this.#configured.filter(({ disabled }) => !disabled).map(({ seal }) => seal);
  }

  /** Those that unwrap: also the disabled ones, last. */
  get all(): readonly Seal[] {
    const disabled = this.#configured.filter((each) => each.disabled).map(({ seal }) => seal);
    return [...this.enabled, ...disabled];
  }

  /** Others count from now on; the keys of the former are overwritten. */
  replace(configured: readonly ConfiguredSeal[]): void {
    const former = this.#configured;
    this.#configured = configured;
    for (const { seal } of former) seal.close();
  }
}
