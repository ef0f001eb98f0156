import { type Clock, rfc3339 } from '../base/clock.ts';
import type { Metrics } from './metrics.ts';
import type { TelemetrySettings } from './settings.ts';
import { metricsJson, prometheusText } from './shown.ts';

/** The metrics as `sys/metrics` answers with them. */
export interface MetricsPage {
  /** Undefined where the configuration turns it off. */
  prometheus(): string | undefined;
  json(): Record<string, unknown>;
}

export function createMetricsPage(
  metrics: Metrics,
  { shown, prometheus }: TelemetrySettings,
  clock: Clock,
): MetricsPage {
  const startedMs = clock.monotonic();
  return {
    prometheus: () => (prometheus ? prometheusText(metrics, shown) : undefined),
    json: () => {
      const uptimeSeconds = Math.max(1, (clock.monotonic() - startedMs) / 1000);
      return metricsJson(metrics, { now: rfc3339(clock.now()), uptimeSeconds }, shown);
    },
  };
}
