/** A load generator on bare sockets: many connections, one request each at a time, so that it costs less than what it measures. */
import { connect, type Socket } from 'node:net';

export interface Load {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** The next request's bytes. */
  request(sequence: number): string;
  /** Status that counts as success. */
  readonly status?: number;
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

export async function runLoad(load: Load): Promise<LoadResult> {
  const latencies: number[] = [];
  let failures = 0;
  let sequence = 0;
  const startMs = performance.now();
  const endMs = startMs + load.seconds * 1000;
  const client = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket: Socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true });
      let received = '';
      let sentMs = 0;
      const send = () => {
        sentMs = performance.now();
        socket.write(load.request(sequence++));
      };
      socket.setEncoding('latin1');
      socket.on('connect', send);
      socket.on('error', reject);
      socket.on('data', (chunk: string) => {
        received += chunk;
        const length = replyLength(received);
        if (length < 0 || received.length < length) return;
        const nowMs = performance.now();
        latencies.push(nowMs - sentMs);
        const status = Number(received.slice(9, 12));
        if (load.status === undefined ? status >= 400 : status !== load.status) failures++;
        received = '';
        if (nowMs < endMs) send();
        else {
          socket.destroy();
          resolve();
        }
      });
    });
  await Promise.all(Array.from({ length: load.connections }, client));
  const seconds = (performance.now() - startMs) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return {
    requests: latencies.length,
    perSecond: latencies.length / seconds,
    failures,
    p50: at(0.5),
    p99: at(0.99),
    max: latencies.at(-1) ?? 0,
  };
}

/** Bytes of the whole reply; -1 while its head is incomplete. Replies are framed by Content-Length, or have no body. */
function replyLength(received: string): number {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd < 0) return -1;
  const match = /\r\ncontent-length: (\d+)/i.exec(received.slice(0, headEnd + 2));
  return headEnd + 4 + (match ? Number(match[1]) : 0);
}
