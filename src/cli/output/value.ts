import { isRecord } from '../../base/json.ts';
import { rawNumber } from '../../client/reply.ts';

/** A value as Vault's tables show it, which is how Go prints it: `[a b]`, `map[a:1 b:2]`, `<nil>`. */
export function plainText(value: unknown): string {
  const digits = rawNumber(value);
  if (digits !== undefined) return digits;
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(plainText).join(' ')}]`;
  if (isRecord(value)) {
    const pairs = sortedEntries(value).map(([name, inner]) => `${name}:${plainText(inner)}`);
    return `map[${pairs.join(' ')}]`;
  }
  return String(value);
}

/** The value of the field `name`: times to live are humanised, whatever the engine. */
export function fieldText(name: string, value: unknown): string {
  const seconds = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  return looksLikeDuration(name) && typeof seconds === 'number' ? humanDuration(seconds) : plainText(value);
}

/** `["a" "b"]`, which tables use for policies because their names may hold blanks. */
export function quotedList(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}

/** Seconds as `768h`, `1h30m`, `45s`, `0s`. */
export function humanDuration(seconds: number): string {
  if (seconds === 0) return '0s';
  const whole = Math.abs(Math.trunc(seconds));
  const parts = [
    [Math.floor(whole / 3600), 'h'],
    [Math.floor((whole % 3600) / 60), 'm'],
    [whole % 60, 's'],
  ] as const;
  // Parts of zero at the end are left out; one in the middle stays, so that `1h0m5s` cannot be misread.
  const last = parts.findLastIndex(([count]) => count > 0);
  const first = parts.findIndex(([count]) => count > 0);
  const shown = parts.slice(first, last + 1).map(([count, unit]) => `${count}${unit}`);
  return shown.length === 0 ? '0s' : `${seconds < 0 ? '-' : ''}${shown.join('')}`;
}

/** By name, in the order of code points. */
export function sortedEntries(record: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

function looksLikeDuration(name: string): boolean {
  return /(^|_)(period|ttl|duration)$/.test(name) || name === 'lease_max' || name === 'ttl_max';
}
