/** A node with very many namespaces: how it starts, what memory it takes, what it costs to be the first in one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { http, type LoadResult, runLoad, summary } from './load.ts';
import { type BenchNode, type Memory, memoryOf, startNode } from './node.ts';
import type { Parameters } from './parameters.ts';
import { below, mebibytes, median, type Report, verdict } from './report.ts';

const MOUNTS = 10;
const STARTS = 3;
const RECORDS = 1000;

const START_SECONDS_MAX = 5;
const MEMORY_MIB_MAX = 300;

interface Figures {
  readonly readBefore: LoadResult;
  readonly startSeconds: number;
  readonly atStart: Memory;
  readonly read: LoadResult;
  readonly first: LoadResult;
  readonly again: LoadResult;
  readonly atEnd: Memory;
}

export async function benchmarkNamespaces(parameters: Parameters): Promise<Report> {
  const node = await startNode(parameters);
  try {
    return report(await measure(node, parameters), parameters);
  } finally {
    await node.stop();
  }
}

async function measure(node: BenchNode, parameters: Parameters): Promise<Figures> {
  const { namespaces, connections, seconds } = parameters;
  const { port, rootToken: token, call } = node;
  await call('POST', 'secret/data/one', { data: { value: 'correct horse battery staple' } });
  const inRoot = () => http('GET', '/v1/secret/data/one', { token });
  const read = async () => summary([await runLoad({ port, request: inRoot, connections, seconds })]);
  /** Finds nothing, which is as much work for the node as finding something. */
  const inEach = (n: number) => http('GET', `/v1/team-${n % namespaces}/kv-0/config`, { token });
  const visit = async () =>
    summary([
      await runLoad({ port, request: inEach, connections: 1, requests: Math.min(RECORDS, namespaces) }),
    ]);
  const readBefore = await read();
  await node.kill();
  await fill(node.configFile, namespaces);
  const starts: number[] = [];
  for (let i = 0; i < STARTS; i++) starts.push(await node.restart());
  const atStart = memoryOf(node);
  const readWithThem = await read();
  const first = await visit();
  const again = await visit();
  const startSeconds = median(starts) / 1000;
  return { readBefore, startSeconds, atStart, read: readWithThem, first, again, atEnd: memoryOf(node) };
}

async function fill(configFile: string, namespaces: number): Promise<void> {
  const program = join(import.meta.dirname, 'namespace-filler.ts');
  const filler = spawn(process.execPath, [program, configFile, String(namespaces), String(MOUNTS)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = await once(filler, 'exit');
  if (code !== 0) throw new Error('the namespaces could not be made');
}

function report(figures: Figures, { namespaces, connections }: Parameters): Report {
  const budgets = {
    start: below(figures.startSeconds, START_SECONDS_MAX, 's'),
    memoryAtStart: below(figures.atStart.own / 2 ** 20, MEMORY_MIB_MAX, 'MiB'),
  };
  const rate = ({ perSecond, p50, p99 }: LoadResult) =>
    `${perSecond.toFixed(0)}/s, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
  return {
    title: `Namespaces: ${namespaces.toLocaleString('en')}, with ${MOUNTS} mounts each`,
    table: [
      ['', '', 'budget'],
      ['start until it serves', `${figures.startSeconds.toFixed(2)} s`, verdict(budgets.start)],
      ['memory after the start', mebibytes(figures.atStart.own), verdict(budgets.memoryAtStart)],
      ['  and pages of the store', mebibytes(figures.atStart.store), ''],
      [`KV v2 read in the root before, ${connections} connections`, rate(figures.readBefore), ''],
      [`KV v2 read in the root with them, ${connections} connections`, rate(figures.read), ''],
      ['first request in a namespace, one after another', rate(figures.first), ''],
      ['second request in each', rate(figures.again), ''],
      ['memory at the end', mebibytes(figures.atEnd.own), ''],
    ],
    budgets: Object.values(budgets),
  };
}
