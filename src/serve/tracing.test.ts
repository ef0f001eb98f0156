import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../base/logger.ts';
import { tracingOf } from './tracing.ts';

const of = (config: Parameters<typeof tracingOf>[0], environment: Record<string, string> = {}) =>
  tracingOf(config, environment, silentLogger);

test('nothing is traced unless somebody names a collector', () => {
  assert.equal(of({}), undefined);
  assert.equal(of({ traceSampleRatio: 1 }), undefined);
  assert.equal(of({}, { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }), undefined);
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
  assert.equal(of({}, { ...endpoint, OTEL_SDK_DISABLED: 'true' }), undefined);
  assert.equal(of({}, { ...endpoint, OTEL_TRACES_EXPORTER: 'none' }), undefined);
});

test('OpenTelemetry’s own variables', () => {
  const settings = of(
    {},
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc, x-tenant=a',
      OTEL_TRACES_SAMPLER: 'traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
      OTEL_SERVICE_NAME: 'vault',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=prod',
      OTEL_EXPORTER_OTLP_TIMEOUT: '2000',
    },
  );
  assert.deepEqual(settings, {
    endpoint: new URL('http://collector:4318/v1/traces'),
    headers: { authorization: 'Bearer abc', 'x-tenant': 'a' },
    authority: undefined,
    sampleRatio: 0.25,
    parentBased: false,
    serviceName: 'vault',
    resource: { 'deployment.environment': 'prod' },
    timeoutMs: 2000,
  });
});

test('the telemetry stanza goes before them', () => {
  const settings = of(
    {
      otlpTracesEndpoint: 'https://other/x',
      otlpHeaders: { a: 'b' },
      otlpServiceName: 'c',
      traceSampleRatio: 0.1,
    },
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector/v1/traces', OTEL_TRACES_SAMPLER_ARG: '1' },
  );
  assert.equal(settings?.endpoint.href, 'https://other/x');
  assert.deepEqual(settings?.headers, { a: 'b' });
  assert.deepEqual([settings?.serviceName, settings?.sampleRatio, settings?.parentBased], ['c', 0.1, true]);
});

test('a mistake is told, without the credentials it may be in', () => {
  const endpoint = 'http://collector';
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
  assert.throws(() => of({ otlpTracesEndpoint: 'collector:4318' }), /is no URL such as/);
  assert.throws(() => of({}, { ...env, OTEL_TRACES_SAMPLER: 'jaeger_remote' }), /is not known/);
  assert.throws(() => of({}, { ...env, OTEL_TRACES_SAMPLER_ARG: 'x' }), /from 0 to 1/);
  assert.throws(
    () => of({}, { ...env, OTEL_EXPORTER_OTLP_HEADERS: 'canary' }),
    (error: Error) => /must be key=value/.test(error.message) && !error.message.includes('canary'),
  );
});
