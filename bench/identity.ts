/**
 * A node with very many entities: how it starts, what memory it takes, and whether a login or a request of a token that has
 * an entity costs more among them. The entities are written by bench/identity-filler.ts.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { http, type LoadResult, type LoadRun, runLoad, summary } from './load.ts';
import { type BenchNode, cpuSecondsOf, type Memory, memoryOf, startNode } from './node.ts';
import type { Parameters } from './parameters.ts';
import { below, mebibytes, median, type Report, verdict } from './report.ts';

const STARTS = 3;
const TURNS = 6;
/** Who logs in while it is measured; as many entities. */
const ROLES = 1000;
const RECORDS = 1000;

const START_SECONDS_MAX = 2;
const MEMORY_MIB_MAX = 300;
/** How much more a login may cost among the entities than without them: what a run differs from the next by. */
const COST_RATIO_MAX = 1.25;

interface Cost {
  readonly result: LoadResult;
  readonly cpuMicroseconds: number;
}
/** Without the entities, and among them. */
interface Comparison {
  readonly without: Cost;
  readonly among: Cost;
}

export async function benchmarkIdentity(parameters: Parameters): Promise<Report> {
  const [empty, full] = [await startNode(parameters), await startNode(parameters)];
  try {
    const roles = await prepare(empty, parameters);
    const rolesOfFull = await prepare(full, parameters);
    await full.kill();
    await fill(full.configFile, parameters.entities);
    const starts: number[] = [];
    for (let i = 0; i < STARTS; i++) starts.push(await full.restart());
    const atStart = memoryOf(full);
    // Both are compared as they are just after a start.
    await empty.restart();
    const sides = { without: { node: empty, roles }, among: { node: full, roles: rolesOfFull } };
    const login = await compare(sides, logIn, parameters);
    const read = await compare(sides, readSecret, parameters);
    const startSeconds = median(starts) / 1000;
    return report({ login, read, startSeconds, atStart, atEnd: memoryOf(full) }, parameters);
  } finally {
    await Promise.all([empty.stop(), full.stop()]);
  }
}

interface Roles {
  /** A role each, in order. */
  readonly roleIds: readonly string[];
  readonly token: string;
}

async function prepare(node: BenchNode, { connections }: Parameters): Promise<Roles> {
  const { call, port, rootToken: token } = node;
  await call('POST', 'sys/auth/approle', { type: 'approle' });
  await call('POST', 'sys/policies/acl/app', { policy: 'path "secret/data/*" { capabilities = ["read"] }' });
  const roleIds = Array.from({ length: ROLES }, (_, n) => `role-id-${n}`);
  for (const [n, roleId] of roleIds.entries()) {
    const role = { role_id: roleId, bind_secret_id: false, token_policies: 'app', token_ttl: '1h' };
    await call('POST', `auth/approle/role/role-${n}`, { ...role, secret_id_bound_cidrs: '127.0.0.0/8' });
  }
  const body = { data: { username: 'application', password: 'correct horse battery staple' } };
  const request = (n: number) => http('POST', `/v1/secret/data/read/${n}`, { token, body });
  await runLoad({ port, connections, requests: RECORDS, request });
  const first = await call('POST', 'auth/approle/login', { role_id: roleIds[0] });
  return { roleIds, token: first.auth.client_token };
}

type Request = (roles: Roles, n: number) => string;
const logIn: Request = ({ roleIds }, n) =>
  http('POST', '/v1/auth/approle/login', { body: { role_id: roleIds[n % ROLES] } });
const readSecret: Request = ({ token }, n) => http('GET', `/v1/secret/data/read/${n % RECORDS}`, { token });

interface Side {
  readonly node: BenchNode;
  readonly roles: Roles;
}

/** In turns, because the machine may be busier in one second than in the next. */
async function compare(
  { without, among }: { without: Side; among: Side },
  request: Request,
  { connections, seconds }: Parameters,
): Promise<Comparison> {
  const sides = [without, among].map(({ node, roles }) => {
    const load = { port: node.port, connections, request: (n: number) => request(roles, n) };
    return { node, load, runs: [] as LoadRun[], cpuSeconds: 0 };
  });
  for (const { load } of sides) await runLoad({ ...load, seconds });
  for (let turn = 0; turn < TURNS; turn++) {
    for (const side of sides) {
      const before = cpuSecondsOf(side.node);
      side.runs.push(await runLoad({ ...side.load, seconds: seconds / TURNS }));
      side.cpuSeconds += cpuSecondsOf(side.node) - before;
    }
  }
  const [first, second] = sides.map(({ runs, cpuSeconds }): Cost => {
    const result = summary(runs);
    return { result, cpuMicroseconds: (cpuSeconds * 1e6) / result.requests };
  });
  return { without: first!, among: second! };
}

async function fill(configFile: string, entities: number): Promise<void> {
  const filler = spawn(
    process.execPath,
    [join(import.meta.dirname, 'identity-filler.ts'), configFile, String(entities)],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const [code] = await once(filler, 'exit');
  if (code !== 0) throw new Error('the entities could not be made');
}

interface Figures {
  readonly login: Comparison;
  readonly read: Comparison;
  readonly startSeconds: number;
  readonly atStart: Memory;
  readonly atEnd: Memory;
}

function report(figures: Figures, { entities, connections }: Parameters): Report {
  const { login, read } = figures;
  const budgets = {
    start: below(figures.startSeconds, START_SECONDS_MAX, 's'),
    memoryAtStart: below(figures.atStart.own / 2 ** 20, MEMORY_MIB_MAX, 'MiB'),
    memoryAtEnd: below(figures.atEnd.own / 2 ** 20, MEMORY_MIB_MAX, 'MiB'),
    login: below(login.among.cpuMicroseconds / login.without.cpuMicroseconds, COST_RATIO_MAX, '×'),
  };
  const shown = ({ result, cpuMicroseconds }: Cost) =>
    `${result.perSecond.toFixed(0)}/s, CPU ${cpuMicroseconds.toFixed(0)} µs, p50 ${result.p50.toFixed(2)} ms, p99 ${result.p99.toFixed(2)} ms`;
  return {
    title: `Identity: ${entities.toLocaleString('en')} entities, ${connections} connections`,
    table: [
      ['', '', 'budget'],
      ['start until it serves', `${figures.startSeconds.toFixed(2)} s`, verdict(budgets.start)],
      ['memory after the start', mebibytes(figures.atStart.own), verdict(budgets.memoryAtStart)],
      ['  and pages of the store', mebibytes(figures.atStart.store), ''],
      [`login of ${ROLES} without them`, shown(login.without), ''],
      [`login of ${ROLES} among them`, shown(login.among), verdict(budgets.login)],
      ['KV v2 read without them', shown(read.without), ''],
      ['KV v2 read among them', shown(read.among), ''],
      ['memory at the end', mebibytes(figures.atEnd.own), verdict(budgets.memoryAtEnd)],
      ['  and pages of the store', mebibytes(figures.atEnd.store), ''],
    ],
    budgets: Object.values(budgets),
  };
}
