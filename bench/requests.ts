/**
 * Requests per second, each kind as a share of what a bare node:http server answers on this machine in the same seconds.
 * Server and yardstick are processes of their own; audit goes to a file; writes are durable.
 */
import { http, type LoadResult, type LoadRun, runLoad, summary } from './load.ts';
import {
  type BenchNode,
  cpuSecondsOf,
  type Measured,
  type Memory,
  memoryOf,
  startBare,
  startNode,
} from './node.ts';
import type { Parameters } from './parameters.ts';
import { atLeast, type Budget, mebibytes, type Report, verdict } from './report.ts';

interface Scenario {
  readonly name: string;
  readonly connections?: number;
  /** The least share of the yardstick's requests per second. */
  readonly share?: number;
  request(n: number): string;
}

interface Row {
  readonly name: string;
  readonly result: LoadResult;
  readonly cpuMicroseconds: number;
  readonly ratio: number;
  readonly budget?: Budget;
}

/** The yardstick and a scenario are measured in turns, because the machine may be busier in one second than in the next. */
const TURNS = 3;
const WARM_UP_SECONDS_MAX = 1;
const RECORDS = 1000;
const WRITTEN_RECORDS = 5000;
const RULES = 1000;

export async function benchmarkRequests(parameters: Parameters): Promise<Report> {
  const bare = await startBare();
  const node = await startNode(parameters);
  try {
    const idle = memoryOf(node);
    const scenarios = (await prepare(node, parameters)).filter(({ name }) => name.includes(parameters.only));
    const yardstick: LoadRun[] = [];
    const bareCpu = cpuSecondsOf(bare);
    const rows: Row[] = [];
    for (const scenario of scenarios)
      rows.push(await measure(scenario, { bare, node, yardstick, parameters }));
    const result = summary(yardstick);
    const cpuMicroseconds = ((cpuSecondsOf(bare) - bareCpu) * 1e6) / result.requests;
    const first: Row = { name: 'bare node:http', result, cpuMicroseconds, ratio: 1 };
    return report([first, ...rows], [idle, memoryOf(node)], parameters);
  } finally {
    await bare.stop();
    await node.stop();
  }
}

async function measure(
  scenario: Scenario,
  {
    bare,
    node,
    yardstick,
    parameters,
  }: { bare: Measured; node: BenchNode; yardstick: LoadRun[]; parameters: Parameters },
): Promise<Row> {
  const seconds = parameters.seconds / TURNS;
  const { connections = parameters.connections, request } = scenario;
  const load = { port: node.port, connections, request };
  await runLoad({ ...load, seconds: Math.min(WARM_UP_SECONDS_MAX, seconds) });
  const bareRuns: LoadRun[] = [];
  const runs: LoadRun[] = [];
  let cpuSeconds = 0;
  for (let turn = 0; turn < TURNS; turn++) {
    const bareLoad = {
      port: bare.port,
      connections: parameters.connections,
      request: () => http('GET', '/'),
    };
    bareRuns.push(await runLoad({ ...bareLoad, seconds }));
    const before = cpuSecondsOf(node);
    runs.push(await runLoad({ ...load, seconds }));
    cpuSeconds += cpuSecondsOf(node) - before;
  }
  yardstick.push(...bareRuns);
  const result = summary(runs);
  const ratio = result.perSecond / summary(bareRuns).perSecond;
  return {
    name: scenario.name,
    result,
    cpuMicroseconds: (cpuSeconds * 1e6) / result.requests,
    ratio,
    ...(scenario.share === undefined ? {} : { budget: atLeast(ratio, scenario.share) }),
  };
}

const TEXT = Buffer.from('a card number, or what else an application keeps').toString('base64');
const SECRET = { username: 'application', password: 'correct horse battery staple' };

async function prepare(node: BenchNode, { keys, connections }: Parameters): Promise<Scenario[]> {
  const { call, port, rootToken: token } = node;
  await call('POST', 'sys/mounts/kv1', { type: 'kv' });
  await call('POST', 'sys/mounts/transit', { type: 'transit' });
  await call('POST', 'transit/keys/app', {});
  await call('POST', 'transit/keys/signer', { type: 'ecdsa-p256' });
  await call('POST', 'sys/auth/approle', { type: 'approle' });
  await call('POST', 'sys/policies/acl/app', { policy: longPolicy() });
  await call('POST', 'auth/approle/role/app', { token_policies: 'app', token_ttl: 60 });
  const { role_id } = (await call('GET', 'auth/approle/role/app/role-id')).data;
  const { secret_id } = (await call('POST', 'auth/approle/role/app/secret-id', {})).data;
  const app: string = (await call('POST', 'auth/token/create', { policies: ['app'], ttl: '1h' })).auth
    .client_token;
  const fill = (requests: number, path: (n: number) => string, body: unknown) =>
    runLoad({ port, connections, requests, request: (n) => http('POST', path(n), { token, body }) });
  await fill(RECORDS, (n) => `/v1/secret/data/read/${n}`, { data: SECRET });
  await fill(RECORDS, (n) => `/v1/kv1/read/${n}`, SECRET);
  await fill(keys, (n) => `/v1/kv1/list/${n}`, SECRET);
  const get = (path: (n: number) => string) => (n: number) => http('GET', path(n), { token: app });
  const post = (path: (n: number) => string, body: unknown) => (n: number) =>
    http('POST', path(n), { token: app, body });
  return [
    { name: 'health', request: () => http('GET', '/v1/sys/health') },
    { name: 'token lookup', share: 0.35, request: get(() => '/v1/auth/token/lookup-self') },
    { name: 'KV v1 read', request: get((n) => `/v1/kv1/read/${n % RECORDS}`) },
    { name: 'KV v2 read', share: 0.3, request: get((n) => `/v1/secret/data/read/${n % RECORDS}`) },
    { name: 'KV v1 write', request: post((n) => `/v1/kv1/write/${n % WRITTEN_RECORDS}`, SECRET) },
    {
      name: 'KV v2 write',
      share: 0.12,
      request: post((n) => `/v1/secret/data/write/${n % WRITTEN_RECORDS}`, { data: SECRET }),
    },
    {
      name: 'transit encrypt',
      share: 0.3,
      request: post(() => '/v1/transit/encrypt/app', { plaintext: TEXT }),
    },
    { name: 'transit hmac', share: 0.3, request: post(() => '/v1/transit/hmac/app', { input: TEXT }) },
    { name: 'transit sign', request: post(() => '/v1/transit/sign/signer', { input: TEXT }) },
    {
      name: 'AppRole login',
      share: 0.1,
      request: () => http('POST', '/v1/auth/approle/login', { body: { role_id, secret_id } }),
    },
    {
      name: `list of ${keys.toLocaleString('en')} keys`,
      connections: 4,
      request: () => http('LIST', '/v1/kv1/list', { token }),
    },
  ];
}

/** The rules that count stand at its end. */
function longPolicy(): string {
  const rules = Array.from(
    { length: RULES },
    (_, i) => `path "other/data/team-${i}/*" { capabilities = ["read"] }`,
  );
  rules.push('path "secret/data/*" { capabilities = ["create", "read", "update"] }');
  rules.push('path "transit/*" { capabilities = ["update"] }');
  rules.push('path "kv1/*" { capabilities = ["create", "read", "update", "list"] }');
  return rules.join('\n');
}

function report(
  rows: readonly Row[],
  [idle, after]: readonly [Memory, Memory],
  { connections, seconds }: Parameters,
): Report {
  const shown = rows.map(({ name, result, cpuMicroseconds, ratio, budget }) => [
    name,
    result.perSecond.toFixed(0),
    ratio.toFixed(2),
    verdict(budget),
    cpuMicroseconds.toFixed(0),
    result.p50.toFixed(2),
    result.p99.toFixed(2),
    String(result.failures),
  ]);
  return {
    title: `Requests: ${connections} connections, ${seconds} s each; the caller's policy has ${RULES} rules`,
    table: [
      ['', 'requests/s', 'ratio', 'budget', 'cpu µs', 'p50 ms', 'p99 ms', 'failed'],
      ...shown,
      ['memory when idle', mebibytes(idle.own)],
      ['memory at the end', mebibytes(after.own)],
      ['  and pages of the store', mebibytes(after.store)],
    ],
    budgets: rows.flatMap(({ budget }) => budget ?? []),
  };
}
