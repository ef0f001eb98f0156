/**
 * What requests feel of a snapshot: their latencies alone, and while snapshots are taken one after another by a client that
 * reads as fast as it can, which is the worst that a backup can do.
 */
import { get } from 'node:http';
import { http, type LoadRun, runLoad, summary } from './load.ts';
import { type BenchNode, memoryOf, startNode } from './node.ts';
import type { Parameters } from './parameters.ts';
import { below, mebibytes, type Report, verdict } from './report.ts';

/** In turns, because the machine may be busier in one second than in the next. */
const TURNS = 3;
const RECORD_BYTES = 64 * 1024;
const WRITTEN_RECORDS = 5000;

export async function benchmarkSnapshot(parameters: Parameters): Promise<Report> {
  const node = await startNode(parameters);
  try {
    await fill(node, parameters);
    const kinds = [
      await measure(node, parameters, 'KV v2 read', (n) =>
        http('GET', `/v1/secret/data/small/${n % parameters.keys}`, { token: node.rootToken }),
      ),
      await measure(node, parameters, 'KV v2 write', (n) =>
        http('POST', `/v1/secret/data/written/${n % WRITTEN_RECORDS}`, {
          token: node.rootToken,
          body: { data: { n: String(n) } },
        }),
      ),
    ];
    const rows = kinds.map(({ name, alone, beside, bytesPerSecond }) => [
      name,
      alone.perSecond.toFixed(0),
      beside.perSecond.toFixed(0),
      alone.p99.toFixed(2),
      beside.p99.toFixed(2),
      (beside.p99 / alone.p99).toFixed(2),
      verdict(below(beside.p99 / alone.p99, 2)),
      alone.max.toFixed(0),
      beside.max.toFixed(0),
      `${mebibytes(bytesPerSecond)}/s`,
    ]);
    return {
      title: `Snapshots: ${parameters.snapshotMebibytes} MiB, beside requests on ${parameters.connections} connections`,
      table: [
        ['', 'alone/s', 'beside/s', 'p99 ms', 'beside', 'ratio', 'budget', 'max ms', 'beside', 'snapshot'],
        ...rows,
        ['memory at the end', mebibytes(memoryOf(node).own)],
      ],
      budgets: kinds.map(({ alone, beside }) => below(beside.p99 / alone.p99, 2)),
    };
  } finally {
    await node.stop();
  }
}

async function fill(node: BenchNode, { snapshotMebibytes, connections, keys }: Parameters): Promise<void> {
  const { port, rootToken: token } = node;
  const put = async (requests: number, name: string, value: string) => {
    const request = (n: number) =>
      http('POST', `/v1/secret/data/${name}/${n}`, { token, body: { data: { value } } });
    const { failures } = await runLoad({ port, connections, requests, request });
    if (failures > 0) throw new Error(`${failures} writes failed`);
  };
  await put(keys, 'small', 'a small secret, as most are');
  await put(Math.floor((snapshotMebibytes * 2 ** 20) / RECORD_BYTES), 'large', 'x'.repeat(RECORD_BYTES));
}

async function measure(
  node: BenchNode,
  { connections, seconds }: Parameters,
  name: string,
  request: (n: number) => string,
) {
  const load = { port: node.port, connections, request, seconds: seconds / TURNS };
  await runLoad(load);
  const alone: LoadRun[] = [];
  const beside: LoadRun[] = [];
  let bytes = 0;
  let takenMs = 0;
  for (let turn = 0; turn < TURNS; turn++) {
    alone.push(await runLoad(load));
    const stop = new AbortController();
    const startMs = performance.now();
    const taking = takeSnapshots(node, stop.signal);
    beside.push(await runLoad(load));
    stop.abort();
    bytes += await taking;
    takenMs += performance.now() - startMs;
  }
  return {
    name,
    alone: summary(alone),
    beside: summary(beside),
    bytesPerSecond: (bytes / takenMs) * 1000,
  };
}

/** One after another until the signal; how many bytes came. */
async function takeSnapshots({ port, rootToken }: BenchNode, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  while (!signal.aborted) {
    await new Promise<void>((resolve, reject) => {
      const headers = { 'X-Vault-Token': rootToken };
      const options = { port, host: '127.0.0.1', path: '/v1/sys/storage/raft/snapshot', headers, signal };
      const sent = get(options, (reply) => {
        if (reply.statusCode !== 200) reject(new Error(`a snapshot answered ${reply.statusCode}`));
        reply.on('data', (piece: Buffer) => {
          bytes += piece.length;
        });
        reply.on('error', () => {});
        reply.on('close', resolve);
      });
      sent.on('error', (error) => (signal.aborted ? resolve() : reject(error)));
    });
  }
  return bytes;
}
