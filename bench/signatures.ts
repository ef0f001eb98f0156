/**
 * Signatures per second in batches, each kind as a share of what Node's own asynchronous signing reaches on all cores of this
 * machine in the same seconds.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { http, runLoad, summary } from './load.ts';
import { type BenchNode, startNode } from './node.ts';
import type { Parameters } from './parameters.ts';
import { atLeast, type Report, verdict } from './report.ts';

interface Kind {
  readonly type: string;
  readonly digest: string | null;
  readonly key: () => KeyObject;
}

const KINDS: readonly Kind[] = [
  {
    type: 'ecdsa-p256',
    digest: 'sha256',
    key: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  },
  { type: 'ed25519', digest: null, key: () => generateKeyPairSync('ed25519').privateKey },
  {
    type: 'rsa-2048',
    digest: 'sha256',
    key: () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  },
];
const SHARE = 0.7;
const TURNS = 3;
/** Enough to keep every core busy. */
const IN_FLIGHT = 32;
const CONNECTIONS = 4;
const BATCH = 100;
const MESSAGE = Buffer.from('what is to be signed');

export async function benchmarkSignatures(parameters: Parameters): Promise<Report> {
  const node = await startNode(parameters);
  try {
    await node.call('POST', 'sys/mounts/transit', { type: 'transit' });
    const rows = [];
    for (const kind of KINDS) rows.push(await measure(node, kind, parameters.seconds / TURNS));
    return {
      title: `Signatures: batches of ${BATCH} over ${CONNECTIONS} connections`,
      table: [
        ['', 'bare/s', 'signatures/s', 'ratio', 'budget'],
        ...rows.map(({ type, bare, ours, budget }) => [
          type,
          bare.toFixed(0),
          ours.toFixed(0),
          (ours / bare).toFixed(2),
          verdict(budget),
        ]),
      ],
      budgets: rows.map(({ budget }) => budget),
    };
  } finally {
    await node.stop();
  }
}

async function measure(node: BenchNode, { type, digest, key }: Kind, seconds: number) {
  await node.call('POST', `transit/keys/${type}`, { type });
  const input = MESSAGE.toString('base64');
  const body = {
    signature_algorithm: 'pkcs1v15',
    batch_input: Array.from({ length: BATCH }, () => ({ input })),
  };
  const request = http('POST', `/v1/transit/sign/${type}`, { token: node.rootToken, body });
  const load = { port: node.port, connections: CONNECTIONS, seconds, request: () => request };
  const privateKey = key();
  await runLoad({ ...load, seconds: Math.min(seconds, 0.5) });
  let bare = 0;
  const runs = [];
  for (let turn = 0; turn < TURNS; turn++) {
    bare += await bareRate(privateKey, digest, seconds);
    runs.push(await runLoad(load));
  }
  const { perSecond, failures } = summary(runs);
  if (failures > 0) throw new Error(`${failures} batches of ${type} failed`);
  const [ours, average] = [perSecond * BATCH, bare / TURNS];
  return { type, bare: average, ours, budget: atLeast(ours / average, SHARE) };
}

function bareRate(key: KeyObject, digest: string | null, seconds: number): Promise<number> {
  const startMs = performance.now();
  let done = 0;
  return new Promise((resolve, reject) => {
    let inFlight = 0;
    const next = () => {
      const elapsed = (performance.now() - startMs) / 1000;
      if (elapsed >= seconds) {
        if (inFlight === 0) resolve(done / elapsed);
        return;
      }
      inFlight += 1;
      sign(digest, MESSAGE, key, (error) => {
        if (error) return reject(error);
        inFlight -= 1;
        done += 1;
        next();
      });
    };
    for (let n = 0; n < IN_FLIGHT; n++) next();
  });
}
