/**
 * User lockout: after too many wrong passwords in a row a login name is refused for a while, right password or not.
 * Counts are per mount and canonical alias name, held in memory within a bound; a restart forgets them.
 */
import type { Clock } from '../base/clock.ts';
import { PermissionDenied } from '../base/errors.ts';
import type { OpenMount } from '../mounts/mounts.ts';

export interface LockoutDefaults {
  readonly threshold: number;
  readonly durationSeconds: number;
  readonly counterResetSeconds: number;
  readonly disabled: boolean;
}

/** Vault's defaults. */
export const LOCKOUT_DEFAULTS: LockoutDefaults = {
  threshold: 5,
  durationSeconds: 900,
  counterResetSeconds: 900,
  disabled: false,
};

interface Failures {
  count: number;
  lastAtMs: number;
}

/** Methods where a login names a person or role and guesses its secret. */
const METHODS = new Set(['userpass', 'approle', 'ldap']);
const NAMES_MAX = 100_000;

export class Lockouts {
  readonly #clock: Clock;
  readonly #defaults: (mountType: string) => LockoutDefaults;
  readonly #failures = new Map<string, Failures>();

  constructor(parts: { clock: Clock; defaults?: (mountType: string) => LockoutDefaults }) {
    this.#clock = parts.clock;
    this.#defaults = parts.defaults ?? (() => LOCKOUT_DEFAULTS);
  }

  /** Throws `PermissionDenied` when the name is locked; the same text as for any refusal, so that it tells nothing. */
  check(mount: OpenMount, name: string): void {
    const rules = this.#rules(mount);
    if (rules && this.#locked(rules, this.#failures.get(slot(mount.entry.accessor, name))))
      throw new PermissionDenied();
  }

  failed(mount: OpenMount, name: string): void {
    const rules = this.#rules(mount);
    if (!rules) return;
    const key = slot(mount.entry.accessor, name);
    const nowMs = this.#clock.now();
    const before = this.#failures.get(key);
    if (this.#locked(rules, before)) return;
    // Who was locked out and may try again starts over.
    const counts =
      before && before.count < rules.threshold && nowMs - before.lastAtMs < rules.counterResetSeconds * 1000;
    this.#failures.delete(key);
    this.#failures.set(key, { count: counts ? before.count + 1 : 1, lastAtMs: nowMs });
    if (this.#failures.size > NAMES_MAX) this.#failures.delete(this.#failures.keys().next().value!);
  }

  succeeded(mount: OpenMount, name: string): void {
    this.#failures.delete(slot(mount.entry.accessor, name));
  }

  /** False when it was not locked. */
  unlock(accessor: string, name: string): boolean {
    return this.#failures.delete(slot(accessor, name));
  }

  /** Names locked now, by mount accessor. */
  locked(mountOf: (accessor: string) => OpenMount | undefined): Map<string, string[]> {
    const byAccessor = new Map<string, string[]>();
    for (const [key, failures] of this.#failures) {
      const at = key.indexOf('/');
      const mount = mountOf(key.slice(0, at));
      const rules = mount && this.#rules(mount);
      if (!mount || !rules || !this.#locked(rules, failures)) continue;
      byAccessor.set(mount.entry.accessor, [
        ...(byAccessor.get(mount.entry.accessor) ?? []),
        key.slice(at + 1),
      ]);
    }
    return byAccessor;
  }

  #locked(rules: LockoutDefaults, failures: Failures | undefined): boolean {
    if (!failures || failures.count < rules.threshold) return false;
    return this.#clock.now() - failures.lastAtMs < rules.durationSeconds * 1000;
  }

  #rules(mount: OpenMount): LockoutDefaults | undefined {
    if (!METHODS.has(mount.entry.type)) return undefined;
    const own = mount.entry.config.user_lockout_config;
    const defaults = this.#defaults(mount.entry.type);
    if (own?.lockout_disable ?? defaults.disabled) return undefined;
    return {
      disabled: false,
      threshold: own?.lockout_threshold || defaults.threshold,
      durationSeconds: own?.lockout_duration || defaults.durationSeconds,
      counterResetSeconds: own?.lockout_counter_reset || defaults.counterResetSeconds,
    };
  }
}

function slot(accessor: string, name: string): string {
  return `${accessor}/${name}`;
}
