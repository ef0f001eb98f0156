import { hostname } from 'node:os';
import type { TelemetryConfig } from '../config/config.ts';
import { type SinkSettings, TELEMETRY_DEFAULTS, type TelemetrySettings } from '../metrics/settings.ts';

const PREFIX_DEFAULT = 'vault';
const STATSD_PORT = 8125;

/** The `telemetry` stanza as the metrics take it. Throws Error for an address or a filter that is none. */
export function telemetryOf(config: TelemetryConfig): TelemetrySettings {
  const defaults = TELEMETRY_DEFAULTS;
  const prefixFilter = config.prefixFilter ?? [];
  const wrong = prefixFilter.find((rule) => !/^[+-]./.test(rule));
  if (wrong !== undefined)
    throw new Error(`telemetry: prefix_filter: ${JSON.stringify(wrong)} begins neither with + nor with -`);
  return {
    shown: {
      prefix: config.metricsPrefix ?? PREFIX_DEFAULT,
      prefixFilter,
      filterDefault: config.filterDefault ?? true,
      labels: config.enableHostnameLabel ? { host: hostname() } : {},
    },
    prometheus: config.prometheusRetentionTimeMs !== 0,
    seriesMax: config.maximumGaugeCardinality || defaults.seriesMax,
    usageGaugePeriodMs: config.usageGaugePeriodMs ?? defaults.usageGaugePeriodMs,
    leases: {
      widthMs: config.leaseMetricsEpsilonMs || defaults.leases.widthMs,
      count: config.numLeaseMetricsBuckets ?? defaults.leases.count,
      namespaceLabels: config.addLeaseMetricsNamespaceLabels ?? false,
    },
    sinks: sinksOf(config),
  };
}

function sinksOf(config: TelemetryConfig): SinkSettings[] {
  const gaugeHost = config.disableHostname ? undefined : hostname();
  const sink = (kind: SinkSettings['kind'], address: string | undefined, tags: readonly string[] = []) =>
    address ? [{ kind, ...place(address), gaugeHost, tags }] : [];
  return [
    ...sink('statsd', config.statsdAddress),
    ...sink('statsite', config.statsiteAddress),
    ...sink('dogstatsd', config.dogstatsdAddr, config.dogstatsdTags),
  ];
}

function place(address: string): { host: string; port: number } {
  const [, host = '', port = String(STATSD_PORT)] =
    /^(\[[^\]]+\]|[^:\s]+)(?::(\d{1,5}))?$/.exec(address.trim()) ?? [];
  if (host === '' || Number(port) > 65_535)
    throw new Error(`telemetry: ${JSON.stringify(address)} is no address such as 127.0.0.1:8125`);
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}
