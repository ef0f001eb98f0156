/**
 * Counters, gauges and timings by Vault's names (`vault_core_handle_request`), shown by `sys/metrics` as JSON and in
 * Prometheus' text form. Owns the numbers of this node; what is measured is decided where it happens.
 */
export interface Metrics {
  count(name: string, by?: number, labels?: Labels): void;
  gauge(name: string, value: number, labels?: Labels): void;
  /** A duration in milliseconds. */
  timing(name: string, ms: number, labels?: Labels): void;
  /** Read when shown, for values that cost nothing to keep. */
  observed(name: string, read: () => number): void;
  prometheus(): string;
  json(now: string): Record<string, unknown>;
}

export type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly name: string;
  readonly labels: Labels;
  count: number;
  sum: number;
  min: number;
  max: number;
}

/** Distinct label sets kept for one name; labels come from mounts and methods, so this bounds memory, not use. */
const SERIES_MAX = 10_000;

export function createMetrics(): Metrics {
  const counters = new Map<string, Sample>();
  const gauges = new Map<string, Sample>();
  const timings = new Map<string, Sample>();
  const observed = new Map<string, () => number>();
  const current = (): Sample[] => [
    ...gauges.values(),
    ...[...observed].map(([name, read]) => sampleOf(name, {}, read())),
  ];
  return {
    count: (name, by = 1, labels = {}) => add(counters, name, labels, by),
    gauge(name, value, labels = {}) {
      gauges.set(seriesKey(name, labels), sampleOf(name, labels, value));
    },
    timing: (name, ms, labels = {}) => add(timings, name, labels, ms),
    observed: (name, read) => void observed.set(name, read),
    prometheus: () =>
      [
        ...grouped(current(), 'gauge', (s) => [`${series(s)} ${s.sum}`]),
        ...grouped([...counters.values()], 'counter', (s) => [`${series(s)} ${s.sum}`]),
        ...grouped([...timings.values()], 'summary', (s) => [
          `${series(s, '_sum')} ${s.sum}`,
          `${series(s, '_count')} ${s.count}`,
        ]),
      ].join(''),
    json: (now) => ({
      Timestamp: now,
      Gauges: current().map((s) => ({ Name: dotted(s.name), Value: s.sum, Labels: s.labels })),
      Points: [],
      Counters: [...counters.values()].map(summary),
      Samples: [...timings.values()].map(summary),
    }),
  };
}

function seriesKey(name: string, labels: Labels): string {
  return `${name}\0${JSON.stringify(labels)}`;
}

function sampleOf(name: string, labels: Labels, value: number): Sample {
  return { name, labels, count: 1, sum: value, min: value, max: value };
}

function add(into: Map<string, Sample>, name: string, labels: Labels, value: number): void {
  const key = seriesKey(name, labels);
  const sample = into.get(key);
  if (!sample) {
    if (into.size < SERIES_MAX) into.set(key, sampleOf(name, labels, value));
    return;
  }
  sample.count++;
  sample.sum += value;
  sample.min = Math.min(sample.min, value);
  sample.max = Math.max(sample.max, value);
}

function grouped(samples: Sample[], type: string, lines: (sample: Sample) => string[]): string[] {
  const byName = Map.groupBy(samples, (sample) => sample.name);
  return [...byName].map(([name, group]) => `# TYPE ${name} ${type}\n${group.flatMap(lines).join('\n')}\n`);
}

function series(sample: Sample, suffix = ''): string {
  const labels = Object.entries(sample.labels).map(([key, value]) => `${key}="${escaped(value)}"`);
  return `${sample.name}${suffix}${labels.length > 0 ? `{${labels.join(',')}}` : ''}`;
}

/** Prometheus' text format knows these three escapes and no other. */
function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function dotted(name: string): string {
  return name.replaceAll('_', '.');
}

function summary(sample: Sample): Record<string, unknown> {
  return {
    Name: dotted(sample.name),
    Count: sample.count,
    Sum: sample.sum,
    Min: sample.min,
    Max: sample.max,
    Mean: sample.sum / sample.count,
    Labels: sample.labels,
  };
}
