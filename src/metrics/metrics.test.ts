import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createMetrics, type Metrics } from './metrics.ts';
import { metricsJson, prometheusText, SHOWN_PLAIN } from './shown.ts';
import { bucketMs, Timing } from './timing.ts';

function sample(): Metrics {
  const metrics = createMetrics();
  metrics.observed('core.unsealed', () => 1);
  metrics.observed('expire.num_leases', () => undefined);
  metrics.observed('core.mount_table.num_entries', () => [
    [{ type: 'auth' }, 1],
    [{ type: 'logical' }, 2],
  ]);
  metrics.observed('barrier.key_term', () => {
    throw new Error('sealed');
  });
  metrics.counter('token.creation', { auth_method: 'userpass' }).add();
  metrics.counter('token.creation', { auth_method: 'userpass' }).add(2);
  metrics.counter('token.creation', { auth_method: 'token' }).add();
  metrics.timing('core.handle_request').note(2);
  metrics.timing('core.handle_request').note(4);
  metrics.timing('route.read.secret-');
  return metrics;
}

test('counters, gauges and timings in Prometheus’ text form; what cannot be read is left out', () => {
  assert.equal(
    prometheusText(sample()),
    `# TYPE vault_core_handle_request summary
vault_core_handle_request{quantile="0.5"} 2
vault_core_handle_request{quantile="0.9"} 3.84
vault_core_handle_request{quantile="0.99"} 3.84
vault_core_handle_request_sum 6
vault_core_handle_request_count 2
# TYPE vault_core_mount_table_num_entries gauge
vault_core_mount_table_num_entries{type="auth"} 1
vault_core_mount_table_num_entries{type="logical"} 2
# TYPE vault_core_unsealed gauge
vault_core_unsealed 1
# TYPE vault_route_read_secret_ summary
vault_route_read_secret_{quantile="0.5"} NaN
vault_route_read_secret_{quantile="0.9"} NaN
vault_route_read_secret_{quantile="0.99"} NaN
vault_route_read_secret__sum 0
vault_route_read_secret__count 0
# TYPE vault_token_creation counter
vault_token_creation{auth_method="userpass"} 3
vault_token_creation{auth_method="token"} 1
`,
  );
});

test('JSON tells the same by the documented names, with extremes and deviation', () => {
  const { Timestamp, Gauges, Counters, Samples } = metricsJson(sample(), { now: 'now', uptimeSeconds: 2 });
  assert.equal(Timestamp, 'now');
  assert.deepEqual((Gauges as unknown[])[2], { Name: 'vault.core.unsealed', Labels: {}, Value: 1 });
  assert.deepEqual((Counters as unknown[])[0], {
    Name: 'vault.token.creation',
    Labels: { auth_method: 'userpass' },
    Count: 3,
    Sum: 3,
    Rate: 1.5,
  });
  const [{ Stddev, ...rest }] = Samples as [{ Stddev: number }];
  assert.deepEqual(rest, {
    Name: 'vault.core.handle_request',
    Labels: {},
    Count: 2,
    Rate: 3,
    Sum: 6,
    Min: 2,
    Max: 4,
    Mean: 3,
  });
  assert.ok(Math.abs(Stddev - 1) < 0.3);
});

test('prefix, filter and host label of the telemetry stanza', () => {
  const names = (change: Partial<typeof SHOWN_PLAIN>) =>
    prometheusText(sample(), { ...SHOWN_PLAIN, ...change })
      .split('\n')
      .filter((line) => line.startsWith('#'))
      .map((line) => line.split(' ')[2]);
  assert.deepEqual(names({ filterDefault: false }), []);
  assert.deepEqual(
    names({ filterDefault: false, prefixFilter: ['+vault.core', '-vault.core.mount', '+vault.token'] }),
    ['vault_core_handle_request', 'vault_core_unsealed', 'vault_token_creation'],
  );
  assert.deepEqual(names({ prefixFilter: ['-vault.core', '+vault.core', '-vault.route'] }), [
    'vault_token_creation',
  ]);
  assert.deepEqual(names({ prefix: 'coffer' })[1], 'coffer_core_mount_table_num_entries');
  assert.match(
    prometheusText(sample(), { ...SHOWN_PLAIN, labels: { host: 'a' } }),
    /^vault_core_unsealed\{host="a"\} 1$/m,
  );
});

test('a quantile is right to an eighth, and forgets what is two windows old', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.01, max: 1e5, noNaN: true }), { minLength: 1 }), (durations) => {
      const timing = new Timing();
      for (const ms of durations) timing.note(ms);
      const sorted = durations.toSorted((a, b) => a - b);
      for (const quantile of [0.5, 0.9, 0.99]) {
        const exact = sorted[Math.ceil(quantile * sorted.length) - 1]!;
        const [told] = timing.quantiles([quantile]);
        assert.ok(Math.abs(told! - exact) <= exact / 8 + 0.001, `${told} for ${exact}`);
      }
    }),
  );
  const timing = new Timing();
  timing.note(1);
  timing.turnWindow();
  timing.note(1000);
  assert.ok(timing.quantiles([0.5])[0]! < 2);
  timing.turnWindow();
  assert.ok(timing.quantiles([0.5])[0]! > 800);
  timing.turnWindow();
  assert.deepEqual(timing.quantiles([0.5]), [Number.NaN]);
  assert.equal(timing.count, 2);
});

test('every duration has a bucket, and its middle is near', () => {
  for (const ms of [-1, 0, 0.0005, 0.001, 0.0039, 0.004, 1, 4.2, 1e6, 1e12]) {
    const timing = new Timing();
    timing.note(ms);
    const bucket = timing.buckets.indexOf(1);
    assert.ok(bucket >= 0 && bucket < timing.buckets.length, String(ms));
    if (ms >= 0.001 && ms < 1e6) assert.ok(Math.abs(bucketMs(bucket) - ms) <= ms / 2, String(ms));
  }
});

test('whatever a label holds, it stays one line and can be read back', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '\\', '"', '\n', '\t', '\u0001', '}', ',', 'é') }),
      (value) => {
        const metrics = createMetrics();
        metrics.counter('a', { mount: value }).add();
        const [, line, rest] = prometheusText(metrics).split('\n');
        assert.equal(rest, '');
        const [, shown] = /^vault_a\{mount="((?:[^"\\\n]|\\[\\"n])*)"\} 1$/.exec(line ?? '') ?? [];
        const read = shown?.replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));
        assert.equal(read, value);
      },
    ),
  );
});

test('a flood of label values is bounded, and nothing of it is lost', () => {
  const metrics = createMetrics({ seriesMax: 100 });
  for (let i = 0; i < 1000; i++) metrics.counter('a', { mount: String(i) }).add();
  metrics.observed('b', () => Array.from({ length: 1000 }, (_, i) => [{ mount: String(i) }, i]));
  for (const name of ['vault_a', 'vault_b']) {
    const lines = prometheusText(metrics)
      .split('\n')
      .filter((line) => line.startsWith(name));
    assert.equal(lines.length, 101);
    const total = lines.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0);
    assert.equal(total, name === 'vault_a' ? 1000 : 499_500);
    assert.match(lines.at(-1)!, /mount="other"/);
  }
});
