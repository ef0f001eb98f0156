import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { runProcess } from './services/process.ts';

const PROGRAM = join(import.meta.dirname, '../bench/index.ts');
/** Enough to see that everything is measured; the figures mean nothing. */
const TINY = {
  BENCH_SECONDS: '0.1',
  BENCH_CONNECTIONS: '4',
  BENCH_KEYS: '100',
  BENCH_LEASES: '500',
  BENCH_SNAPSHOT_MIB: '1',
  BENCH_NAMESPACES: '20',
  BENCH_ENTITIES: '500',
  BENCH_STARTS: '1',
};

test('the benchmarks measure everything that has a budget, and no request fails', async () => {
  const { code, stdout, stderr } = await runProcess({
    command: process.execPath,
    args: [PROGRAM],
    env: TINY,
  });
  assert.equal(code, 0, stderr);
  const [requests = '', ...others] = stdout.split('\n\n').slice(1);
  const rows = requests.split('\n').filter((row) => /\d\.\d\d/.test(row));
  assert.equal(rows.length, 12);
  for (const row of rows) assert.match(row, /\s0$/, row);
  assert.deepEqual(
    others.map((text) => text.split(/[:,]/, 1)[0]?.replace(/^\d+/, 'some')),
    ['Signatures', 'Leases', 'Identity', 'Snapshots', 'Namespaces', 'Command line', 'some budgets kept'],
  );
  if (process.platform === 'linux') assert.doesNotMatch(stdout, /NaN/);
});

test('a benchmark that does not exist is named', async () => {
  const { code, stderr } = await runProcess({ command: process.execPath, args: [PROGRAM, 'flux'] });
  assert.equal(code, 2);
  assert.match(
    stderr,
    /^There is no benchmark flux; there are requests, signatures, leases, identity, snapshot, namespaces, cli, http, store\./,
  );
});
