import { type Clock, rfc3339 } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { type Seal, wrapProven } from '../seal/seal.ts';
import { withinTime } from '../seal/service.ts';
import type { ConfiguredSeal, Seals } from './seals.ts';

/** What is known of one seal. */
interface Condition {
  /** Why it did not pass its last check; names no address. */
  checkError: string | undefined;
  /** Why it did not give the root key when it was last asked to. */
  useError: string | undefined;
  checkedAtMs: number | undefined;
  unhealthySinceMs: number | undefined;
  cancel?: () => void;
}

export interface SealCheck {
  readonly name: string;
  readonly type: string;
  readonly healthy: boolean;
  readonly durationMs: number;
}

export interface SealHealthOptions {
  readonly seals: Seals;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly checked: (check: SealCheck) => void;
}

const PROBE_BYTES = 32;

/**
 * Tries every seal from time to time, so that one that is broken is known long before it is needed. A check wraps and
 * unwraps random bytes with the real key.
 */
export class SealHealth {
  readonly #options: SealHealthOptions;
  #conditions = new Map<ConfiguredSeal, Condition>();
  #started = false;

  constructor(options: SealHealthOptions) {
    this.#options = options;
  }

  /** Begins with a check of every seal. */
  start(): void {
    this.#started = true;
    this.update();
  }

  /** The configuration has other seals now. */
  update(): void {
    const { configured } = this.#options.seals;
    for (const [seal, { cancel }] of this.#conditions) if (!configured.includes(seal)) cancel?.();
    const known = this.#conditions;
    this.#conditions = new Map(configured.map((each) => [each, known.get(each) ?? untried()]));
    if (!this.#started) return;
    for (const each of configured) if (!known.has(each) && each.checks.enabled) void this.#check(each);
  }

  stop(): void {
    this.#started = false;
    for (const { cancel } of this.#conditions.values()) cancel?.();
  }

  /** A seal was asked for the root key, and this came of it. */
  note(name: string, error?: Error): void {
    const found = [...this.#conditions].find(([{ seal }]) => seal.name === name);
    if (found) this.#change(...found, { useError: error?.message });
  }

  /** As `sys/seal-backend-status` shows it. */
  report() {
    const all = [...this.#conditions];
    const enabled = all.filter(([{ disabled }]) => !disabled);
    const since = enabled.flatMap(([, { unhealthySinceMs }]) => unhealthySinceMs ?? []);
    const working = enabled.length - since.length;
    return {
      healthy: since.length === 0,
      ...(since.length > 0 && { unhealthy_since: rfc3339(Math.min(...since)) }),
      backends: all.map(([{ seal, disabled }, condition]) => shown(seal, disabled, condition)),
      working,
      ...(working <= 1 && enabled.length > 1 && { warning: warningOf(working, enabled.length) }),
    };
  }

  async #check(each: ConfiguredSeal): Promise<void> {
    const { clock, random, checked } = this.#options;
    const { seal, checks } = each;
    const startMs = clock.monotonic();
    let error: Error | undefined;
    try {
      await withinTime(clock, checks.timeoutMs, () => wrapProven(seal, random.bytes(PROBE_BYTES)));
    } catch (thrown) {
      error = thrown instanceof Error ? thrown : new Error(String(thrown));
    }
    const condition = this.#conditions.get(each);
    if (!condition || !this.#started) return;
    const delayMs = error ? checks.intervalUnhealthyMs : checks.intervalMs;
    condition.cancel = clock.after(delayMs, () => void this.#check(each));
    this.#change(each, condition, { checkError: error?.message, checkedAtMs: clock.now() });
    checked({
      name: seal.name,
      type: seal.type,
      healthy: error === undefined,
      durationMs: clock.monotonic() - startMs,
    });
  }

  #change({ seal }: ConfiguredSeal, condition: Condition, news: Partial<Condition>): void {
    const { clock, log } = this.#options;
    const before = errorOf(condition);
    Object.assign(condition, news);
    const error = errorOf(condition);
    if (error === before) return;
    const about = { seal: seal.name, type: seal.type };
    condition.unhealthySinceMs =
      error === undefined ? undefined : (condition.unhealthySinceMs ?? clock.now());
    if (error === undefined) log.info('a seal works again', about);
    else log.warn('a seal does not work', { ...about, error });
    const { warning } = this.report();
    if (warning) log.error(warning);
  }
}

function errorOf({ checkError, useError }: Condition): string | undefined {
  return checkError ?? useError;
}

function shown({ name, type }: Seal, disabled: boolean, condition: Condition) {
  const { unhealthySinceMs, checkedAtMs } = condition;
  const error = errorOf(condition);
  return {
    name,
    type,
    healthy: error === undefined,
    ...(disabled && { disabled }),
    ...(unhealthySinceMs !== undefined && { unhealthy_since: rfc3339(unhealthySinceMs) }),
    ...(checkedAtMs !== undefined && { last_check: rfc3339(checkedAtMs) }),
    ...(error !== undefined && { error }),
  };
}

function untried(): Condition {
  return { checkError: undefined, useError: undefined, checkedAtMs: undefined, unhealthySinceMs: undefined };
}

function warningOf(working: number, configured: number): string {
  return working === 1
    ? `only one of ${configured} seals still works: if it fails too, only the recovery keys unseal this server`
    : `none of ${configured} seals works: only the recovery keys unseal this server`;
}
