import { SERIES_MAX_DEFAULT } from './metrics.ts';
import type { ShownAs } from './shown.ts';
import { SHOWN_PLAIN } from './shown.ts';

/** The `telemetry` stanza with every default in place. */
export interface TelemetrySettings {
  readonly shown: ShownAs;
  /** Off where `prometheus_retention_time` is 0. */
  readonly prometheus: boolean;
  /** Label sets of one name. */
  readonly seriesMax: number;
  /** How often what has to be counted through is counted; 0: never. */
  readonly usageGaugePeriodMs: number;
  readonly leases: LeaseBuckets;
  /** Where the numbers are sent as well. */
  readonly sinks: readonly SinkSettings[];
}

/** How `expire.leases.by_expiration` groups leases. */
export interface LeaseBuckets {
  readonly widthMs: number;
  readonly count: number;
  readonly namespaceLabels: boolean;
}

export interface SinkSettings {
  /** statsd and DogStatsD over UDP, statsite over TCP. */
  readonly kind: 'statsd' | 'statsite' | 'dogstatsd';
  readonly host: string;
  readonly port: number;
  /** Before a gauge's name, where host names are not turned off. */
  readonly gaugeHost: string | undefined;
  /** DogStatsD's tags for everything, `name:value`. */
  readonly tags: readonly string[];
}

export const TELEMETRY_DEFAULTS: TelemetrySettings = {
  shown: SHOWN_PLAIN,
  prometheus: true,
  seriesMax: SERIES_MAX_DEFAULT,
  usageGaugePeriodMs: 600_000,
  leases: { widthMs: 3_600_000, count: 168, namespaceLabels: false },
  sinks: [],
};
