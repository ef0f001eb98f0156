import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createMetrics } from './metrics.ts';

test('counters, gauges and timings in Prometheus’ text form', () => {
  const metrics = createMetrics();
  metrics.observed('vault_core_unsealed', () => 1);
  metrics.gauge('vault_expire_num_leases', 2);
  metrics.gauge('vault_expire_num_leases', 3);
  metrics.count('vault_token_creation', 1, { auth_method: 'userpass' });
  metrics.count('vault_token_creation', 2, { auth_method: 'userpass' });
  metrics.count('vault_token_creation', 1, { auth_method: 'token' });
  metrics.timing('vault_core_handle_request', 2);
  metrics.timing('vault_core_handle_request', 4);
  assert.equal(
    metrics.prometheus(),
    `# TYPE vault_expire_num_leases gauge
vault_expire_num_leases 3
# TYPE vault_core_unsealed gauge
vault_core_unsealed 1
# TYPE vault_token_creation counter
vault_token_creation{auth_method="userpass"} 3
vault_token_creation{auth_method="token"} 1
# TYPE vault_core_handle_request summary
vault_core_handle_request_sum 6
vault_core_handle_request_count 2
`,
  );
});

test('JSON tells the same, with the extremes', () => {
  const metrics = createMetrics();
  metrics.timing('vault_core_handle_request', 2);
  metrics.timing('vault_core_handle_request', 4);
  const { Samples, Timestamp } = metrics.json('now');
  assert.equal(Timestamp, 'now');
  assert.deepEqual(Samples, [
    { Name: 'vault.core.handle.request', Count: 2, Sum: 6, Min: 2, Max: 4, Mean: 3, Labels: {} },
  ]);
});

test('whatever a label holds, it stays one line and can be read back', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '\\', '"', '\n', '\t', '\u0001', '}', ',', 'é') }),
      (value) => {
        const metrics = createMetrics();
        metrics.count('a', 1, { mount: value });
        const [, line, rest] = metrics.prometheus().split('\n');
        assert.equal(rest, '');
        const [, shown] = /^a\{mount="((?:[^"\\\n]|\\[\\"n])*)"\} 1$/.exec(line ?? '') ?? [];
        const read = shown?.replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));
        assert.equal(read, value);
      },
    ),
  );
});

test('a flood of label values is bounded', () => {
  const metrics = createMetrics();
  for (let i = 0; i < 12_000; i++) metrics.count('a', 1, { mount: String(i) });
  assert.equal(metrics.prometheus().split('\n').length, 10_002);
});
