/**
 * A node with very many leases: how it starts, what memory it takes, whether others notice while it revokes 20,000 of
 * them. The leases are written by bench/lease-filler.ts.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { http, type LoadResult, runLoad, summary } from './load.ts';
import { type BenchNode, type Memory, memoryOf, startNode } from './node.ts';
import type { Parameters } from './parameters.ts';
import { below, mebibytes, median, type Report, verdict } from './report.ts';

const RECORDS = 1000;
const STARTS = 3;
/** Logins among the leases, to be revoked by their prefix: at most so many, and at most such a part of all. */
const LOGINS_MAX = 20_000;
const LOGINS_SHARE = 0.1;
/** Others who read while leases are revoked. */
const READERS = 4;

const START_SECONDS_MAX = 2;
const MEMORY_MIB_MAX = 300;
const REVOCATION_SECONDS_MAX = 3;

interface Figures {
  readonly logins: number;
  readonly readBefore: LoadResult;
  readonly startSeconds: number;
  readonly atStart: Memory;
  readonly read: LoadResult;
  readonly revocationSeconds: number;
  readonly readMeanwhile: LoadResult;
  readonly atEnd: Memory;
}

export async function benchmarkLeases(parameters: Parameters): Promise<Report> {
  const node = await startNode(parameters);
  try {
    return report(await measure(node, parameters), parameters);
  } finally {
    await node.stop();
  }
}

async function measure(node: BenchNode, parameters: Parameters): Promise<Figures> {
  const { leases, connections, seconds } = parameters;
  const logins = Math.min(LOGINS_MAX, Math.ceil(leases * LOGINS_SHARE));
  await prepare(node);
  const read = async () => summary([await runLoad({ ...reads(node), connections, seconds })]);
  const readBefore = await read();
  await node.kill();
  await fill(node.configFile, leases, logins);
  const starts: number[] = [];
  for (let i = 0; i < STARTS; i++) starts.push(await node.restart());
  const atStart = memoryOf(node);
  const readWithLeases = await read();
  return {
    logins,
    readBefore,
    startSeconds: median(starts) / 1000,
    atStart,
    read: readWithLeases,
    ...(await revoke(node)),
    atEnd: memoryOf(node),
  };
}

async function prepare({ call, port, rootToken: token }: BenchNode): Promise<void> {
  await call('POST', 'sys/mounts/database', { type: 'database' });
  await call('POST', 'sys/auth/approle', { type: 'approle' });
  const body = { data: { username: 'application', password: 'correct horse battery staple' } };
  const request = (n: number) => http('POST', `/v1/secret/data/read/${n}`, { token, body });
  await runLoad({ port, connections: READERS, requests: RECORDS, request });
}

function reads({ port, rootToken: token }: BenchNode) {
  return { port, request: (n: number) => http('GET', `/v1/secret/data/read/${n % RECORDS}`, { token }) };
}

async function fill(configFile: string, leases: number, logins: number): Promise<void> {
  const filler = spawn(
    process.execPath,
    [join(import.meta.dirname, 'lease-filler.ts'), configFile, String(leases), String(logins)],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const [code] = await once(filler, 'exit');
  if (code !== 0) throw new Error('the leases could not be made');
}

async function revoke(node: BenchNode) {
  const done = new AbortController();
  const reading = runLoad({ ...reads(node), connections: READERS, signal: done.signal });
  const startMs = performance.now();
  await node
    .call('PUT', 'sys/leases/revoke-prefix/auth/approle/login', { sync: true })
    .finally(() => done.abort());
  const revocationSeconds = (performance.now() - startMs) / 1000;
  const readMeanwhile = summary([await reading]);
  const { counts } = (await node.call('GET', 'sys/leases/count?type=irrevocable')).data;
  const left = await node.call('LIST', 'sys/leases/lookup/auth/approle/login').catch(() => undefined);
  if (left || Object.keys(counts ?? {}).length > 0) throw new Error('some leases were not revoked');
  return { revocationSeconds, readMeanwhile };
}

function report(figures: Figures, { leases, connections }: Parameters): Report {
  const budgets = {
    start: below(figures.startSeconds, START_SECONDS_MAX, 's'),
    memoryAtStart: below(figures.atStart.own / 2 ** 20, MEMORY_MIB_MAX, 'MiB'),
    memoryAtEnd: below(figures.atEnd.own / 2 ** 20, MEMORY_MIB_MAX, 'MiB'),
    revocation: below(figures.revocationSeconds, REVOCATION_SECONDS_MAX, 's'),
  };
  const count = (number: number) => number.toLocaleString('en');
  const rate = ({ perSecond, p50, p99 }: LoadResult) =>
    `${perSecond.toFixed(0)}/s, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
  return {
    title: `Leases: ${count(leases)}, of which ${count(figures.logins)} are of logins`,
    table: [
      ['', '', 'budget'],
      ['start until it serves', `${figures.startSeconds.toFixed(2)} s`, verdict(budgets.start)],
      ['memory after the start', mebibytes(figures.atStart.own), verdict(budgets.memoryAtStart)],
      ['  and pages of the store', mebibytes(figures.atStart.store), ''],
      [`KV v2 read before, ${connections} connections`, rate(figures.readBefore), ''],
      [`KV v2 read with the leases, ${connections} connections`, rate(figures.read), ''],
      [
        `${count(figures.logins)} logins revoked by prefix`,
        `${figures.revocationSeconds.toFixed(2)} s`,
        verdict(budgets.revocation),
      ],
      [`KV v2 read meanwhile, ${READERS} connections`, rate(figures.readMeanwhile), ''],
      ['longest read meanwhile', `${figures.readMeanwhile.max.toFixed(0)} ms`, ''],
      ['memory at the end', mebibytes(figures.atEnd.own), verdict(budgets.memoryAtEnd)],
      ['  and pages of the store', mebibytes(figures.atEnd.store), ''],
    ],
    budgets: Object.values(budgets),
  };
}
