import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { TELEMETRY_DEFAULTS } from '../metrics/settings.ts';
import { telemetryOf } from './telemetry.ts';

test('without a stanza, the documented defaults', () => {
  assert.deepEqual(telemetryOf({}), TELEMETRY_DEFAULTS);
});

test('each member of the stanza has its effect', () => {
  const settings = telemetryOf({
    metricsPrefix: 'coffer',
    filterDefault: false,
    prefixFilter: ['+coffer.core'],
    enableHostnameLabel: true,
    prometheusRetentionTimeMs: 0,
    maximumGaugeCardinality: 7,
    usageGaugePeriodMs: 0,
    leaseMetricsEpsilonMs: 60_000,
    numLeaseMetricsBuckets: 3,
    addLeaseMetricsNamespaceLabels: true,
    statsdAddress: 'statsd.example:1',
    statsiteAddress: '[::1]:2',
    dogstatsdAddr: 'datadog.example',
    dogstatsdTags: ['env:prod'],
    disableHostname: true,
  });
  assert.deepEqual(settings, {
    shown: {
      prefix: 'coffer',
      filterDefault: false,
      prefixFilter: ['+coffer.core'],
      labels: { host: hostname() },
    },
    prometheus: false,
    seriesMax: 7,
    usageGaugePeriodMs: 0,
    leases: { widthMs: 60_000, count: 3, namespaceLabels: true },
    sinks: [
      { kind: 'statsd', host: 'statsd.example', port: 1, gaugeHost: undefined, tags: [] },
      { kind: 'statsite', host: '::1', port: 2, gaugeHost: undefined, tags: [] },
      { kind: 'dogstatsd', host: 'datadog.example', port: 8125, gaugeHost: undefined, tags: ['env:prod'] },
    ],
  });
  assert.equal(telemetryOf({ statsdAddress: 'a:1' }).sinks[0]?.gaugeHost, hostname());
});

test('an address or a filter that is none is refused', () => {
  assert.throws(() => telemetryOf({ prefixFilter: ['vault.token'] }), /begins neither with \+ nor with -/);
  for (const statsdAddress of ['a b', ':1', 'a:b', 'a:99999'])
    assert.throws(() => telemetryOf({ statsdAddress }), /is no address/);
});
