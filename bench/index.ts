/**
 * `npm run bench`: the budgets of the design, each as a share of a bare node:http server answering `{}` on this machine in
 * this run. Server and load generator are processes of their own; audit goes to a file; writes are durable.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { http, type LoadResult, runLoad } from './load.ts';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 3);
const CONNECTIONS = Number(process.env.BENCH_CONNECTIONS ?? 64);
const ONLY = process.env.BENCH_ONLY;
const root = join(import.meta.dirname, '..');

interface Row {
  readonly name: string;
  readonly result: LoadResult;
  readonly cpuMicroseconds: number;
  readonly budget?: number;
}

const folder = mkdtempSync(join(tmpdir(), 'coffer-bench-'));
const bare = await startBare();
const server = await startServer();
const rows: Row[] = [];
try {
  await measure('bare node:http', bare, () => http('GET', '/'));
  const scenarios = await prepare();
  for (const scenario of scenarios) {
    if (ONLY && !scenario.name.includes(ONLY)) continue;
    await measure(scenario.name, server, scenario.request, scenario);
  }
  report();
} finally {
  process.kill(bare.pid, 'SIGKILL');
  process.kill(server.pid, 'SIGTERM');
  await server.exited;
  rmSync(folder, { recursive: true, force: true });
}

async function measure(
  name: string,
  server: { port: number; pid: number },
  request: (n: number) => string,
  options: { budget?: number | undefined; connections?: number | undefined } = {},
): Promise<void> {
  const load = { port: server.port, connections: options.connections ?? CONNECTIONS, request };
  await runLoad({ ...load, seconds: Math.min(1, SECONDS) });
  const before = cpuSeconds(server.pid);
  const result = await runLoad({ ...load, seconds: SECONDS });
  const cpuMicroseconds = ((cpuSeconds(server.pid) - before) * 1e6) / result.requests;
  rows.push({ name, result, cpuMicroseconds, ...(options.budget === undefined ? {} : { budget: options.budget }) });
}

interface Scenario {
  readonly name: string;
  readonly connections?: number;
  readonly budget?: number;
  request(n: number): string;
}

async function prepare(): Promise<Scenario[]> {
  const token = server.rootToken;
  const call = async (method: string, path: string, body?: unknown): Promise<Record<string, never>> => {
    const reply = await fetch(`http://127.0.0.1:${server.port}/v1/${path}`, {
      method,
      headers: { 'X-Vault-Token': token },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (reply.status >= 400) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
    return reply.status === 204 ? {} : ((await reply.json()) as Record<string, never>);
  };
  await call('POST', 'sys/mounts/kv1', { type: 'kv' });
  await call('POST', 'sys/auth/approle', { type: 'approle' });
  await call('POST', 'sys/policies/acl/app', { policy: manyRules(1000) });
  await call('POST', 'auth/approle/role/app', { token_policies: 'app', token_ttl: 60 });
  const { role_id } = (await call('GET', 'auth/approle/role/app/role-id')).data!;
  const { secret_id } = (await call('POST', 'auth/approle/role/app/secret-id', {})).data!;
  const { client_token: app } = (await call('POST', 'auth/token/create', { policies: ['app'], ttl: '1h' }))
    .auth!;
  const secret = { username: 'application', password: 'correct horse battery staple' };
  for (let i = 0; i < 1000; i++) {
    await call('POST', `secret/data/read/${i}`, { data: secret });
    await call('POST', `kv1/read/${i}`, secret);
  }
  await Promise.all(
    Array.from({ length: 20 }, async (_, part) => {
      for (let i = 0; i < 500; i++) await call('POST', `kv1/list/${part * 500 + i}`, secret);
    }),
  );
  return [
    { name: 'health', request: () => http('GET', '/v1/sys/health') },
    {
      name: 'token lookup',
      budget: 0.35,
      request: () => http('GET', '/v1/auth/token/lookup-self', { token: app }),
    },
    { name: 'KV v1 read', request: (n) => http('GET', `/v1/kv1/read/${n % 1000}`, { token: app }) },
    {
      name: 'KV v2 read',
      budget: 0.3,
      request: (n) => http('GET', `/v1/secret/data/read/${n % 1000}`, { token: app }),
    },
    {
      name: 'KV v1 write',
      request: (n) => http('POST', `/v1/kv1/write/${n % 5000}`, { token: app, body: secret }),
    },
    {
      name: 'KV v2 write',
      budget: 0.12,
      request: (n) =>
        http('POST', `/v1/secret/data/write/${n % 5000}`, { token: app, body: { data: secret } }),
    },
    {
      name: 'AppRole login',
      budget: 0.1,
      request: () => http('POST', '/v1/auth/approle/login', { body: { role_id, secret_id } }),
    },
    { name: 'list of 10,000 keys', connections: 4, request: () => http('LIST', '/v1/kv1/list', { token }) },
  ];
}

/** The rules that count stand at the end of a long policy. */
function manyRules(count: number): string {
  const rules = Array.from(
    { length: count },
    (_, i) => `path "other/data/team-${i}/*" { capabilities = ["read"] }`,
  );
  rules.push('path "secret/data/*" { capabilities = ["create", "read", "update"] }');
  rules.push('path "kv1/*" { capabilities = ["create", "read", "update", "list"] }');
  return rules.join('\n');
}

function report(): void {
  const yardstick = rows[0]!.result.perSecond;
  const lines = rows.map(({ name, result, cpuMicroseconds, budget }) => {
    const ratio = result.perSecond / yardstick;
    const verdict = budget === undefined ? '' : `${budget.toFixed(2)} ${ratio >= budget ? 'kept' : 'MISSED'}`;
    return [
      name.padEnd(22),
      result.perSecond.toFixed(0).padStart(8),
      ratio.toFixed(2).padStart(6),
      verdict.padStart(12),
      cpuMicroseconds.toFixed(0).padStart(8),
      result.p50.toFixed(2).padStart(8),
      result.p99.toFixed(2).padStart(8),
      String(result.failures).padStart(6),
    ].join(' ');
  });
  console.log(
    `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}, ${CONNECTIONS} connections, ${SECONDS} s each`,
  );
  console.log(
    `${'what'.padEnd(22)} ${'req/s'.padStart(8)} ${'ratio'.padStart(6)} ${'budget'.padStart(12)} ${'cpu µs'.padStart(8)} ${'p50 ms'.padStart(8)} ${'p99 ms'.padStart(8)} ${'failed'.padStart(6)}`,
  );
  console.log(lines.join('\n'));
  console.log(
    `resident memory of the server: ${(residentBytes(server.pid) / 2 ** 20).toFixed(0)} MiB; start-up: ${server.startMs.toFixed(0)} ms`,
  );
}

async function startBare(): Promise<{ port: number; pid: number }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'bare.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = Number(await firstLine(child.stdout!));
  return { port, pid: child.pid! };
}

async function startServer() {
  const config = join(folder, 'config.hcl');
  const port = await freePort();
  const { createStaticKeyFile } = await import('../src/seal/static.ts');
  const { systemRandom } = await import('../src/base/random.ts');
  const seal = await createStaticKeyFile(join(folder, 'seal.key'), systemRandom);
  writeFileSync(
    config,
    `storage "file" { path = "${join(folder, 'store')}" }
listener "tcp" { address = "127.0.0.1:${port}" tls_disable = true }
seal "static" { current_key_id = "${seal.current_key_id}" current_key = "${seal.current_key}" }
`,
  );
  const startedMs = performance.now();
  const child = spawn(process.execPath, [join(root, 'bin', 'coffer.ts'), 'server', `-config=${config}`], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: join(root, '.cache', 'compile') },
  });
  const exited = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  const base = `http://127.0.0.1:${port}/v1`;
  while (
    !(await fetch(`${base}/sys/health`).then(
      () => true,
      () => false,
    ))
  )
    await new Promise((resolve) => setTimeout(resolve, 10));
  const startMs = performance.now() - startedMs;
  const init = await fetch(`${base}/sys/init`, {
    method: 'POST',
    body: '{"recovery_shares":1,"recovery_threshold":1}',
  });
  const { root_token: rootToken } = (await init.json()) as { root_token: string };
  const setup = (path: string, body: unknown) =>
    fetch(`${base}/${path}`, {
      method: 'POST',
      headers: { 'X-Vault-Token': rootToken },
      body: JSON.stringify(body),
    });
  await setup('sys/mounts/secret', { type: 'kv', options: { version: '2' } });
  await setup('sys/audit/file', { type: 'file', options: { file_path: join(folder, 'audit.log') } });
  return { port, pid: child.pid!, rootToken, exited, startMs };
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve) => stream.once('data', (chunk) => resolve(String(chunk).split('\n')[0]!)));
}

/** User and system time of a process. Linux only; elsewhere 0. */
function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / Number(execFileSync('getconf', ['CLK_TCK']));
  } catch {
    return 0;
  }
}

function residentBytes(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
