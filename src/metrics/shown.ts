import type { Family, Labels, Metrics, TimingSeries } from './metrics.ts';
import { bucketMs } from './timing.ts';

/** How names and labels are shown to the outside: the `telemetry` stanza's say. */
export interface ShownAs {
  /** Before each name; `vault` unless configured. */
  readonly prefix: string;
  /** `+vault.token`, `-vault.expire`: the longest prefix that fits decides, and of two alike the one that blocks. */
  readonly prefixFilter: readonly string[];
  /** For names no rule of the filter fits. */
  readonly filterDefault: boolean;
  /** On every series: the `host`, where that is asked for. */
  readonly labels: Labels;
}

export const SHOWN_PLAIN: ShownAs = { prefix: 'vault', prefixFilter: [], filterDefault: true, labels: {} };

/** Names in full, without what the filter blocks. */
export function shownFamilies(metrics: Metrics, as: ShownAs): Family[] {
  return metrics
    .families()
    .map((family) => ({ ...family, name: fullName(family.name, as) }))
    .filter(({ name }) => passes(name, as));
}

/** `process.` is everybody's; the rest is this server's. */
function fullName(name: string, { prefix }: ShownAs): string {
  return prefix === '' || name.startsWith('process.') ? name : `${prefix}.${name}`;
}

function passes(name: string, { prefixFilter, filterDefault }: ShownAs): boolean {
  const fitting = prefixFilter.filter((rule) => name.startsWith(rule.slice(1)));
  const length = Math.max(...fitting.map((rule) => rule.length));
  const decisive = fitting.filter((rule) => rule.length === length);
  return decisive.length === 0 ? filterDefault : decisive.every((rule) => rule.startsWith('+'));
}

const QUANTILES = [0.5, 0.9, 0.99] as const;

/** Prometheus' text form, version 0.0.4. */
export function prometheusText(metrics: Metrics, as: ShownAs = SHOWN_PLAIN): string {
  const lines: string[] = [];
  for (const family of shownFamilies(metrics, as)) {
    const name = family.name.replaceAll(/[^a-zA-Z0-9_:]/g, '_');
    lines.push(`# TYPE ${name} ${family.kind === 'timing' ? 'summary' : family.kind}`);
    if (family.kind === 'timing') {
      for (const each of family.series) lines.push(...summaryLines(name, each, as.labels));
      continue;
    }
    for (const { labels, value } of family.series)
      lines.push(`${name}${labelText({ ...labels, ...as.labels })} ${numberText(value)}`);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function summaryLines(name: string, { labels, timing }: TimingSeries, own: Labels): string[] {
  const all = { ...labels, ...own };
  const text = labelText(all);
  const quantiles = timing.quantiles(QUANTILES);
  return [
    ...QUANTILES.map(
      (quantile, at) =>
        `${name}${labelText({ ...all, quantile: String(quantile) })} ${numberText(quantiles[at]!)}`,
    ),
    `${name}_sum${text} ${numberText(timing.sum)}`,
    `${name}_count${text} ${timing.count}`,
  ];
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name.replaceAll(/[^a-zA-Z0-9_]/g, '_')}="${escaped(value)}"`,
  );
  return pairs.length > 0 ? `{${pairs.join(',')}}` : '';
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}

/** Prometheus' text format knows these three escapes and no other. */
function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** As `sys/metrics` shows it without a format; counts and sums are since the start. */
export function metricsJson(
  metrics: Metrics,
  { now, uptimeSeconds }: { now: string; uptimeSeconds: number },
  as: ShownAs = SHOWN_PLAIN,
): Record<string, unknown> {
  const shown: Record<'Gauges' | 'Counters' | 'Samples', unknown[]> = {
    Gauges: [],
    Counters: [],
    Samples: [],
  };
  for (const family of shownFamilies(metrics, as)) {
    const named = (labels: Labels) => ({ Name: family.name, Labels: { ...labels, ...as.labels } });
    if (family.kind === 'timing') {
      for (const { labels, timing } of family.series)
        if (timing.count > 0) shown.Samples.push({ ...named(labels), ...sample(timing, uptimeSeconds) });
    } else if (family.kind === 'gauge') {
      for (const { labels, value } of family.series) shown.Gauges.push({ ...named(labels), Value: value });
    } else {
      for (const { labels, value } of family.series)
        shown.Counters.push({ ...named(labels), Count: value, Sum: value, Rate: value / uptimeSeconds });
    }
  }
  return { Timestamp: now, Points: [], ...shown };
}

function sample({ count, sum, min, max, buckets }: TimingSeries['timing'], uptimeSeconds: number) {
  const mean = sum / count;
  let squares = 0;
  buckets.forEach((times, bucket) => {
    squares += times * (bucketMs(bucket) - mean) ** 2;
  });
  return {
    Count: count,
    Rate: sum / uptimeSeconds,
    Sum: sum,
    Min: min,
    Max: max,
    Mean: mean,
    Stddev: Math.min(Math.sqrt(squares / count), max - min),
  };
}
