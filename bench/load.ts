/** A load generator on bare sockets: many connections, one request each at a time, so that it costs less than what it measures. */
import { connect, type Socket } from 'node:net';

/** It ends after `seconds`, after `requests`, or when `signal` says so: whichever is first. */
export interface Load {
  readonly port: number;
  readonly connections: number;
  readonly seconds?: number;
  readonly requests?: number;
  readonly signal?: AbortSignal;
  /** The next request's bytes. */
  request(sequence: number): string;
}

/** What one run saw; `summary` makes figures of several. */
export interface LoadRun {
  readonly seconds: number;
  readonly failures: number;
  readonly latenciesMs: readonly number[];
}

export interface LoadResult {
  readonly requests: number;
  readonly perSecond: number;
  readonly failures: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function http(
  method: string,
  path: string,
  options: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
): string {
  const body = options.body === undefined ? '' : JSON.stringify(options.body);
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1', 'X-Vault-Request: true'];
  if (options.token) lines.push(`X-Vault-Token: ${options.token}`);
  for (const [name, value] of Object.entries(options.headers ?? {})) lines.push(`${name}: ${value}`);
  if (body) lines.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`);
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

export async function runLoad(load: Load): Promise<LoadRun> {
  const latenciesMs: number[] = [];
  let failures = 0;
  let sequence = 0;
  const startMs = performance.now();
  const endMs = startMs + (load.seconds ?? Number.POSITIVE_INFINITY) * 1000;
  const isOver = (nowMs: number) =>
    nowMs >= endMs || sequence >= (load.requests ?? Number.POSITIVE_INFINITY) || load.signal?.aborted;
  const client = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket: Socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true });
      let received = '';
      let sentMs = 0;
      const sendNext = (nowMs: number) => {
        if (isOver(nowMs)) {
          socket.destroy();
          resolve();
          return;
        }
        sentMs = nowMs;
        socket.write(load.request(sequence++));
      };
      socket.setEncoding('latin1');
      socket.on('connect', () => sendNext(performance.now()));
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('the server closed the connection')));
      socket.on('data', (chunk: string) => {
        received += chunk;
        const length = replyLength(received);
        if (length < 0 || received.length < length) return;
        const nowMs = performance.now();
        latenciesMs.push(nowMs - sentMs);
        if (Number(received.slice(9, 12)) >= 400) failures++;
        received = '';
        sendNext(nowMs);
      });
    });
  await Promise.all(Array.from({ length: load.connections }, client));
  return { seconds: (performance.now() - startMs) / 1000, failures, latenciesMs };
}

export function summary(runs: readonly LoadRun[]): LoadResult {
  const latencies = Float64Array.from(runs.flatMap(({ latenciesMs }) => latenciesMs)).sort();
  const sum = (of: (run: LoadRun) => number) => runs.reduce((total, run) => total + of(run), 0);
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN;
  return {
    requests: latencies.length,
    perSecond: latencies.length / sum(({ seconds }) => seconds),
    failures: sum(({ failures }) => failures),
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
  };
}

/** Bytes of the whole reply; -1 while its head is incomplete. Replies are framed by Content-Length, or have no body. */
function replyLength(received: string): number {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd < 0) return -1;
  const match = /\r\ncontent-length: (\d+)/i.exec(received.slice(0, headEnd + 2));
  return headEnd + 4 + (match ? Number(match[1]) : 0);
}
