import { blocks, type HclObject, type HclValue } from '../hcl/hcl.ts';
import {
  boolean,
  count,
  type FieldTable,
  field,
  milliseconds,
  type Reader,
  readFields,
  scalarText,
  seconds,
  text,
  texts,
  textTable,
  url,
  type Values,
  WrongValue,
} from './fields.ts';
import type { Scope } from './findings.ts';

/** The `telemetry` stanza; durations are milliseconds, what is not set is absent. */
export type TelemetryConfig = Readonly<Values<typeof TELEMETRY_FIELDS>>;

/** `none` turns it off. */
const period: Reader<number> = (value: HclValue) =>
  value.kind === 'string' && value.value === 'none' ? 0 : milliseconds(value);

/** From 0 to 1. */
const fraction: Reader<number> = (value: HclValue) => {
  const number = Number(scalarText(value));
  if (!(number >= 0 && number <= 1)) throw new WrongValue('expected a number from 0 to 1');
  return number;
};

const TELEMETRY_FIELDS = {
  /** 0 turns the collection off. */
  usage_gauge_period: field('usageGaugePeriodMs', period),
  maximum_gauge_cardinality: field('maximumGaugeCardinality', count),
  disable_hostname: field('disableHostname', boolean),
  enable_hostname_label: field('enableHostnameLabel', boolean),
  metrics_prefix: field('metricsPrefix', text),
  lease_metrics_epsilon: field('leaseMetricsEpsilonMs', milliseconds),
  num_lease_metrics_buckets: field('numLeaseMetricsBuckets', count),
  add_lease_metrics_namespace_labels: field('addLeaseMetricsNamespaceLabels', boolean),
  filter_default: field('filterDefault', boolean),
  prefix_filter: field('prefixFilter', texts),
  /** 0 turns Prometheus off. */
  prometheus_retention_time: field('prometheusRetentionTimeMs', milliseconds),
  statsite_address: field('statsiteAddress', text),
  statsd_address: field('statsdAddress', text),
  dogstatsd_addr: field('dogstatsdAddr', text),
  dogstatsd_tags: field('dogstatsdTags', texts),
  /** Beyond Vault's: where traces go. */
  otlp_traces_endpoint: field('otlpTracesEndpoint', url),
  otlp_headers: field('otlpHeaders', textTable),
  otlp_service_name: field('otlpServiceName', text),
  trace_sample_ratio: field('traceSampleRatio', fraction),
} as const;

export function readTelemetry(body: HclObject, scope: Scope): TelemetryConfig {
  const within = scope.inside('telemetry');
  return Object.assign(
    {},
    ...blocks(body, 'telemetry', 0).map((block) => readFields(block.body, TELEMETRY_FIELDS, within)),
  );
}

/** An `audit` stanza: a device that the configuration declares. */
export interface AuditConfig {
  readonly type: string;
  /** Without trailing slash. */
  readonly path: string;
  readonly description: string;
  readonly local: boolean;
  readonly options: Readonly<Record<string, string>>;
}

const AUDIT_FIELDS = {
  description: field('description', text),
  local: field('local', boolean),
  options: field('options', textTable),
} as const;

export function readAudits(body: HclObject, scope: Scope): AuditConfig[] {
  return blocks(body, 'audit', 2).map((block) => {
    const [type = '', given = ''] = block.labels;
    const within = scope.inside('audit', type, given);
    const path = given.replace(/\/+$/, '');
    if (path === '') within.error(block, 'the path of the audit device is missing');
    const { description = '', local = false, options = {} } = readFields(block.body, AUDIT_FIELDS, within);
    return { type, path, description, local, options };
  });
}

/** What an `overload_protection` stanza sets. */
export type OverloadConfig = Readonly<Values<typeof OVERLOAD_FIELDS>>;

const OVERLOAD_FIELDS = {
  disabled: field('disabled', boolean),
  max_event_loop_delay: field('eventLoopDelayMs', milliseconds),
  max_requests_in_flight: field('requestsInFlight', count),
  max_commit_delay: field('commitDelayMs', milliseconds),
} as const;

/** Vault's stanza for its own kind of protection: turned off there, it is off here. */
const ADAPTIVE_FIELDS = { disable_write_controller: field('disabled', boolean) } as const;

export function readOverload(body: HclObject, scope: Scope): OverloadConfig {
  const read = (stanza: string, fields: FieldTable) =>
    blocks(body, stanza, 0).map((block) => readFields(block.body, fields, scope.inside(stanza)));
  return Object.assign(
    {},
    ...read('adaptive_overload_protection', ADAPTIVE_FIELDS),
    ...read('overload_protection', OVERLOAD_FIELDS),
  );
}

/** What a `user_lockout` stanza sets. */
export type UserLockoutConfig = Readonly<Values<typeof LOCKOUT_FIELDS>>;

const LOCKOUT_FIELDS = {
  lockout_threshold: field('threshold', count),
  lockout_duration: field('durationSeconds', seconds),
  lockout_counter_reset: field('counterResetSeconds', seconds),
  disable_lockout: field('disabled', boolean),
} as const;

const LOCKOUT_METHODS = ['all', 'userpass', 'ldap', 'approle'];

/** By auth method, or `all`. */
export function readUserLockouts(body: HclObject, scope: Scope): [string, UserLockoutConfig][] {
  return blocks(body, 'user_lockout', 1).flatMap((block): [string, UserLockoutConfig][] => {
    const name = block.labels[0]!.toLowerCase();
    const within = scope.inside('user_lockout', name);
    if (LOCKOUT_METHODS.includes(name)) return [[name, readFields(block.body, LOCKOUT_FIELDS, within)]];
    within.error(block, `unknown auth method "${name}"; there are ${LOCKOUT_METHODS.join(', ')}`);
    return [];
  });
}
