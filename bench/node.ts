/** The processes that are measured: the yardstick, and a real node on disk; and what the kernel says of them. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemRandom } from '../src/base/random.ts';
import { type CofferNode, start } from '../test/services/coffer.ts';
import type { JsonReply } from '../test/services/http.ts';
import { freePort } from '../test/services/ports.ts';
import { startProcess, waitForPort, waitUntil } from '../test/services/process.ts';
import type { Parameters } from './parameters.ts';

/** A server under measurement. */
export interface Measured {
  readonly port: number;
  readonly pid: number;
}

/** A node that unseals itself, with KV v2 at `secret/` and audit to a file. */
export interface BenchNode extends Measured {
  readonly rootToken: string;
  readonly configFile: string;
  /** Sends a request by the root token; rejects with what was answered when it fails. */
  call(method: string, path: string, body?: unknown): Promise<JsonReply>;
  /** Cuts the process off. */
  kill(): Promise<void>;
  /** Starts it again on the same files; resolves once it serves, with the milliseconds that took. */
  restart(): Promise<number>;
  stop(): Promise<void>;
}

/** A bare `node:http` server that answers `{}`. */
export async function startBare(): Promise<Measured & { stop(): Promise<unknown> }> {
  const port = await freePort();
  const bare = startProcess({
    command: process.execPath,
    args: [join(import.meta.dirname, 'bare.ts'), String(port)],
  });
  await waitForPort(port, bare);
  return { port, pid: bare.pid, stop: () => bare.stop() };
}

export async function startNode({ program }: Parameters): Promise<BenchNode> {
  const key = systemRandom.bytes(32).toString('base64');
  const configuration = `seal "static" { current_key_id = "bench" current_key = "${key}" }`;
  const node = await start({ program, configuration, env: { NODE_COMPILE_CACHE: undefined } });
  try {
    return await prepared(node);
  } catch (error) {
    await node.stop();
    throw error;
  }
}

async function prepared(node: CofferNode): Promise<BenchNode> {
  const send = async (token: string, method: string, path: string, body?: unknown): Promise<JsonReply> => {
    const { status, text, json } = await node.request(method, path, { token, body });
    if (status >= 400) throw new Error(`${method} ${path} answered ${status}: ${text}`);
    return text === '' ? {} : json();
  };
  const { root_token: rootToken } = await send('', 'PUT', 'sys/init', {
    recovery_shares: 1,
    recovery_threshold: 1,
  });
  const call: BenchNode['call'] = (method, path, body) => send(rootToken, method, path, body);
  await call('POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } });
  await call('POST', 'sys/audit/file', { type: 'file', options: { file_path: node.auditFile } });
  return {
    port: node.port,
    get pid() {
      return node.pid;
    },
    rootToken,
    configFile: node.configFile,
    call,
    kill: async () => void (await node.kill9()),
    async restart() {
      await node.kill9();
      const startMs = performance.now();
      await node.restart();
      const serving = async () => (await node.request('GET', 'sys/health')).status === 200;
      await waitUntil(serving, { what: 'the node to unseal itself', everyMs: 5 });
      return performance.now() - startMs;
    },
    stop: async () => void (await node.stop()),
  };
}

/** Resident bytes: the process's own, its program's among them, and beside them the pages of its store that it has mapped. */
export interface Memory {
  readonly own: number;
  /** The kernel's cache of the file, which it takes back when somebody needs memory. */
  readonly store: number;
}

export function memoryOf({ pid }: Measured): Memory {
  const maps = procfs(pid, 'smaps').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const resident = (map: string) => Number(/^Rss:\s+(\d+) kB/m.exec(map)?.[1] ?? 0) * 1024;
  const sum = (some: readonly string[]) => some.reduce((bytes, map) => bytes + resident(map), 0);
  const store = sum(maps.filter((map) => /\.mdb$/m.test(map)));
  return maps.length > 1 ? { own: sum(maps) - store, store } : { own: Number.NaN, store: Number.NaN };
}

/** Processor time that the process has used, user's and system's. */
export function cpuSecondsOf({ pid }: Measured): number {
  const [user, system] = times(pid);
  return (user + system) / ticksPerSecond();
}

/** Processor time of this process's children that have ended. */
export function cpuSecondsOfChildren(): number {
  const [, , user, system] = times('self');
  return (user + system) / ticksPerSecond();
}

/** utime, stime, cutime, cstime of proc_pid_stat(5), in ticks. */
function times(pid: number | 'self'): [number, number, number, number] {
  const fields = procfs(pid, 'stat').split(') ')[1]?.split(' ').slice(11, 15).map(Number);
  const [user = Number.NaN, system = Number.NaN, childUser = Number.NaN, childSystem = Number.NaN] =
    fields ?? [];
  return [user, system, childUser, childSystem];
}

/** '' where there is no /proc. */
function procfs(pid: number | 'self', name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}

let ticks = 0;
function ticksPerSecond(): number {
  ticks ||= Number(execFileSync('getconf', ['CLK_TCK']));
  return ticks;
}
