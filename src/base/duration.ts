const UNIT_SECONDS = new Map([
  ['ns', 1e-9],
  ['us', 1e-6],
  ['µs', 1e-6],
  ['ms', 1e-3],
  ['s', 1],
  ['m', 60],
  ['h', 3600],
  ['d', 86400],
  ['w', 604800],
]);
/** Go's `time.Duration` ends at 2^63 ns. */
const DURATION_SECONDS_MAX = 9_223_372_036;

/** Whole seconds from a number of seconds, its text, or a Go-style duration such as `1h30m` or `-1s`. Throws Error. */
export function parseDuration(value: unknown): number {
  const seconds =
    typeof value === 'number' ? value : typeof value === 'string' ? secondsOf(value.trim()) : Number.NaN;
  if (!Number.isFinite(seconds)) throw new Error('expected a duration such as 30, "30s" or "1h30m"');
  if (Math.abs(seconds) > DURATION_SECONDS_MAX) throw new Error('duration out of range');
  return Math.trunc(seconds);
}

/** Seconds of the same texts, with their fractions; NaN for any other text. */
export function secondsOf(source: string): number {
  if (source === '') return 0;
  if (/^-?\d+$/.test(source)) return Number(source);
  if (source.length > 64) return Number.NaN;
  const match = /^([+-]?)((?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d|w))+)$/.exec(source);
  if (!match) return Number.NaN;
  let seconds = 0;
  for (const [, amount, unit] of match[2]!.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w)/g)) {
    seconds += Number(amount) * UNIT_SECONDS.get(unit!)!;
  }
  return match[1] === '-' ? -seconds : seconds;
}

/** Seconds as Go prints them: `1h30m0s`, `0s`. KV v2 shows `delete_version_after` so. */
export function goDuration(seconds: number): string {
  const whole = Math.abs(Math.trunc(seconds));
  const sign = seconds < 0 ? '-' : '';
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = whole % 60;
  if (hours > 0) return `${sign}${hours}h${minutes}m${rest}s`;
  return minutes > 0 ? `${sign}${minutes}m${rest}s` : `${sign}${rest}s`;
}
