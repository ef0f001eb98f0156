import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { grantTtl, type TtlRequest } from './lease.ts';

const NOW_MS = 1_700_000_000_000;

function grant(request: Partial<TtlRequest>) {
  return grantTtl({
    nowMs: NOW_MS,
    issuedAtMs: NOW_MS,
    ttl: 0,
    defaultTtl: 100,
    maxTtls: [1000],
    ...request,
  });
}

test('a lease lives as long as asked, or for the default', () => {
  assert.deepEqual(grant({}), { ttl: 100, warnings: [] });
  assert.deepEqual(grant({ ttl: 500 }), { ttl: 500, warnings: [] });
  assert.deepEqual(grant({ ttl: 500, maxTtls: [0, 0] }), { ttl: 500, warnings: [] });
});

test('the tightest maximum rules, counted from issue', () => {
  assert.equal(grant({ ttl: 500, maxTtls: [300, 400] }).ttl, 300);
  assert.equal(grant({ ttl: 500, explicitMaxTtl: 200 }).ttl, 200);
  const issuedAtMs = NOW_MS - 900_000;
  assert.equal(grant({ ttl: 500, issuedAtMs }).ttl, 100);
  assert.equal(grant({ ttl: 500, issuedAtMs: NOW_MS - 2_000_000 }).ttl, 0);
});

test('who asked for more than there is left is told, who did not ask is not', () => {
  const warning =
    'TTL of "0h33m20s" exceeded the effective max_ttl of "0h16m40s"; TTL value is capped accordingly';
  assert.deepEqual(grant({ ttl: 2000 }).warnings, [warning.replaceAll('0h', '')]);
  assert.deepEqual(grant({ defaultTtl: 2000 }), { ttl: 1000, warnings: [] });
});

test('a period is bounded by an explicit maximum alone', () => {
  assert.deepEqual(grant({ period: 5000, issuedAtMs: 0 }), { ttl: 5000, warnings: [] });
  assert.equal(grant({ period: 5000, ttl: 10 }).ttl, 5000);
  const capped = grant({ period: 5000, explicitMaxTtl: 4000 });
  assert.equal(capped.ttl, 4000);
  assert.equal(capped.warnings.length, 1);
});

test('no grant outlives a maximum, is negative or longer than wanted', () => {
  const seconds = fc.integer({ min: 0, max: 1e7 });
  const request = fc.record({
    ttl: seconds,
    defaultTtl: fc.integer({ min: 1, max: 1e7 }),
    maxTtls: fc.array(seconds, { maxLength: 3 }),
    period: seconds,
    explicitMaxTtl: seconds,
    ageMs: fc.integer({ min: 0, max: 1e10 }),
  });
  fc.assert(
    fc.property(request, ({ ageMs, ...rest }) => {
      const { ttl, warnings } = grant({ ...rest, issuedAtMs: NOW_MS - ageMs });
      const wanted = rest.period || rest.ttl || rest.defaultTtl;
      const maxima = [...(rest.period ? [] : rest.maxTtls), rest.explicitMaxTtl].filter((max) => max > 0);
      assert.ok(ttl >= 0 && ttl <= wanted);
      for (const max of maxima) assert.ok(ttl === 0 || ttl * 1000 + ageMs <= max * 1000);
      assert.equal(warnings.length > 0, ttl < wanted && (rest.period > 0 || rest.ttl > 0));
    }),
  );
});
