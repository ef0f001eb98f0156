/**
 * Counters, timings and gauges by Vault's names (`core.handle_request`), shown by `sys/metrics` as JSON and in
 * Prometheus' text form, and sent to statsd. Owns the numbers of this node and how they are shown; what is measured is
 * decided where it happens. Whoever counts on the way of a request asks for the counter once and keeps it.
 */
import { Counter, Timing } from './timing.ts';

export interface Metrics {
  /** The same one for the same name and labels. */
  counter(name: string, labels?: Labels): Counter;
  timing(name: string, labels?: Labels): Timing;
  /** Read when somebody looks. What it throws, or gives as undefined, is left out: while sealed there is no count of leases. */
  observed(name: string, read: () => Observed, kind?: 'gauge' | 'counter'): void;
  families(): Family[];
  /** Once a minute: lets quantiles be of the last minutes only. */
  turnWindow(): void;
}

export type Labels = Readonly<Record<string, string>>;
export type Observed = number | undefined | Iterable<readonly [Labels, number]>;

/** All series of one name. */
export type Family =
  | { readonly name: string; readonly kind: 'counter' | 'gauge'; readonly series: readonly NumberSeries[] }
  | { readonly name: string; readonly kind: 'timing'; readonly series: readonly TimingSeries[] };

export interface NumberSeries {
  readonly labels: Labels;
  readonly value: number;
}
export interface TimingSeries {
  readonly labels: Labels;
  readonly timing: Timing;
}

export interface MetricsOptions {
  /** Distinct label sets kept for one name; what is beyond counts as `other`. */
  readonly seriesMax?: number;
}

export const SERIES_MAX_DEFAULT = 500;
const NO_LABELS: Labels = Object.freeze({});

export function createMetrics({ seriesMax = SERIES_MAX_DEFAULT }: MetricsOptions = {}): Metrics {
  return new Registry(seriesMax);
}

class Registry implements Metrics {
  readonly #counters = new Map<string, SeriesOf<Counter>>();
  readonly #timings = new Map<string, SeriesOf<Timing>>();
  readonly #observed = new Map<string, { read: () => Observed; kind: 'gauge' | 'counter' }>();
  readonly #seriesMax: number;

  constructor(seriesMax: number) {
    this.#seriesMax = seriesMax;
  }

  counter(name: string, labels: Labels = NO_LABELS): Counter {
    return this.#seriesOf(this.#counters, name, () => new Counter()).get(labels);
  }

  timing(name: string, labels: Labels = NO_LABELS): Timing {
    return this.#seriesOf(this.#timings, name, () => new Timing()).get(labels);
  }

  observed(name: string, read: () => Observed, kind: 'gauge' | 'counter' = 'gauge'): void {
    this.#observed.set(name, { read, kind });
  }

  families(): Family[] {
    const families: Family[] = [];
    for (const [name, { read, kind }] of this.#observed) {
      const series = bounded(valuesOf(read), this.#seriesMax);
      if (series.length > 0) families.push({ name, kind, series });
    }
    for (const [name, { all }] of this.#counters)
      families.push({ name, kind: 'counter', series: all.map(([labels, { value }]) => ({ labels, value })) });
    for (const [name, { all }] of this.#timings)
      families.push({ name, kind: 'timing', series: all.map(([labels, timing]) => ({ labels, timing })) });
    return families.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  turnWindow(): void {
    for (const { all } of this.#timings.values()) for (const [, timing] of all) timing.turnWindow();
  }

  #seriesOf<T>(families: Map<string, SeriesOf<T>>, name: string, make: () => T): SeriesOf<T> {
    let series = families.get(name);
    if (!series) {
      series = new SeriesOf(make, this.#seriesMax);
      families.set(name, series);
    }
    return series;
  }
}

/** The series of one name by their labels. */
class SeriesOf<T> {
  readonly #byLabels = new Map<string, T>();
  readonly all: [Labels, T][] = [];
  readonly #make: () => T;
  readonly #max: number;

  constructor(make: () => T, max: number) {
    this.#make = make;
    this.#max = max;
  }

  get(labels: Labels): T {
    const key = labels === NO_LABELS ? '' : JSON.stringify(labels);
    const known = this.#byLabels.get(key);
    if (known) return known;
    // One more than the limit: the series of all others.
    const shown = this.all.length < this.#max ? labels : others(labels);
    const place = shown === labels ? key : JSON.stringify(shown);
    let made = this.#byLabels.get(place);
    if (!made) {
      made = this.#make();
      this.#byLabels.set(place, made);
      this.all.push([shown, made]);
    }
    return made;
  }
}

function others(labels: Labels): Labels {
  return Object.fromEntries(Object.keys(labels).map((name) => [name, 'other']));
}

function valuesOf(read: () => Observed): Iterable<readonly [Labels, number]> {
  try {
    const value = read();
    if (value === undefined) return [];
    return typeof value === 'number' ? [[NO_LABELS, value]] : value;
  } catch {
    return [];
  }
}

/** The biggest ones by their own labels, the rest together. */
function bounded(values: Iterable<readonly [Labels, number]>, max: number): NumberSeries[] {
  const all = Array.from(values, ([labels, value]) => ({ labels, value }));
  if (all.length <= max) return all;
  all.sort((a, b) => b.value - a.value);
  const rest = all.splice(max);
  const value = rest.reduce((sum, each) => sum + each.value, 0);
  return [...all, { labels: others(rest[0]!.labels), value }];
}
