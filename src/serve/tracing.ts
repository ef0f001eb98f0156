import { readFileSync } from 'node:fs';
import type { Logger } from '../base/logger.ts';
import type { TelemetryConfig } from '../config/config.ts';
import type { TracingSettings } from '../tracing/settings.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const TIMEOUT_MS_DEFAULT = 10_000;
const SAMPLERS = new Map([
  ['always_on', { parentBased: false, ratio: 1 }],
  ['always_off', { parentBased: false, ratio: 0 }],
  ['traceidratio', { parentBased: false, ratio: undefined }],
  ['parentbased_always_on', { parentBased: true, ratio: 1 }],
  ['parentbased_always_off', { parentBased: true, ratio: 0 }],
  ['parentbased_traceidratio', { parentBased: true, ratio: undefined }],
]);

/**
 * Where traces go: the `telemetry` stanza, or OpenTelemetry's own variables. Undefined where neither names a collector.
 * Throws Error for what cannot be.
 */
export function tracingOf(
  config: TelemetryConfig,
  environment: Environment,
  log: Logger,
): TracingSettings | undefined {
  const endpoint = endpointOf(config, environment);
  if (!endpoint || isOff(environment)) return undefined;
  const protocol = either(environment, 'PROTOCOL');
  if (protocol !== undefined && !protocol.startsWith('http/'))
    log.warn('traces are sent as OTLP over HTTP; the configured protocol is not spoken', { protocol });
  const certificate = either(environment, 'CERTIFICATE');
  return {
    endpoint,
    headers: { ...pairsOf(either(environment, 'HEADERS'), 'headers'), ...config.otlpHeaders },
    authority: certificate === undefined ? undefined : readFileSync(certificate, 'utf8'),
    ...samplingOf(config, environment),
    serviceName: config.otlpServiceName ?? set(environment.OTEL_SERVICE_NAME) ?? 'coffer',
    resource: pairsOf(environment.OTEL_RESOURCE_ATTRIBUTES, 'OTEL_RESOURCE_ATTRIBUTES'),
    timeoutMs: Number(either(environment, 'TIMEOUT')) || TIMEOUT_MS_DEFAULT,
  };
}

function isOff(environment: Environment): boolean {
  return (
    environment.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || environment.OTEL_TRACES_EXPORTER === 'none'
  );
}

/** That of the traces is a full URL; the one for everything has a folder for each kind of signal. */
function endpointOf(config: TelemetryConfig, environment: Environment): URL | undefined {
  const base = set(environment.OTEL_EXPORTER_OTLP_ENDPOINT)?.replace(/\/*$/, '/v1/traces');
  const given = config.otlpTracesEndpoint ?? set(environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) ?? base;
  if (!given) return undefined;
  const endpoint = URL.canParse(given) ? new URL(given) : undefined;
  if (!endpoint || !/^https?:$/.test(endpoint.protocol))
    throw new Error(`traces: ${JSON.stringify(given)} is no URL such as http://127.0.0.1:4318/v1/traces`);
  return endpoint;
}

function samplingOf(
  config: TelemetryConfig,
  environment: Environment,
): Pick<TracingSettings, 'sampleRatio' | 'parentBased'> {
  const name = set(environment.OTEL_TRACES_SAMPLER) ?? 'parentbased_traceidratio';
  const sampler = SAMPLERS.get(name);
  if (!sampler) throw new Error(`traces: the sampler ${JSON.stringify(name)} is not known`);
  const asked = config.traceSampleRatio ?? Number(set(environment.OTEL_TRACES_SAMPLER_ARG) ?? 1);
  const sampleRatio = config.traceSampleRatio ?? sampler.ratio ?? asked;
  if (!(sampleRatio >= 0 && sampleRatio <= 1))
    throw new Error('traces: the share of requests that are sampled is a number from 0 to 1');
  return { sampleRatio, parentBased: sampler.parentBased };
}

/** The variable for traces, or the one for every signal. */
function either(environment: Environment, name: string): string | undefined {
  return (
    set(environment[`OTEL_EXPORTER_OTLP_TRACES_${name}`]) ?? set(environment[`OTEL_EXPORTER_OTLP_${name}`])
  );
}

function set(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === '' ? undefined : value.trim();
}

/** `key=value,key=value`, percent-encoded, as W3C Baggage has it. The message of a mistake does not show it. */
function pairsOf(text: string | undefined, what: string): Record<string, string> {
  const pairs = (set(text)?.split(',') ?? []).map((pair) => {
    const [, key = '', value = ''] = /^\s*([^=\s]+)\s*=(.*)$/.exec(pair) ?? [];
    try {
      if (key !== '') return [decodeURIComponent(key), decodeURIComponent(value.trim())] as const;
    } catch {
      // Said below.
    }
    throw new Error(`traces: ${what} must be key=value, separated by commas`);
  });
  return Object.fromEntries(pairs);
}
