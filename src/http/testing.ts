/** For tests: listeners on free ports, and clients whose every byte is the test's own. */
import { once } from 'node:events';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { systemClock } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import type { Handle } from '../pipeline/wire.ts';
import type { ListenerConfig } from './listener-config.ts';
import { type ListenOptions, type OpenListeners, openListeners } from './listeners.ts';

/** Opens listeners and clients and closes what a test left open. */
export class TestWire {
  readonly #opened: OpenListeners[] = [];
  readonly #clients: RawClient[] = [];

  /** One listener, plain TCP on a free port unless the stanza says otherwise. */
  async serve(handle: Handle, config: Partial<ListenerConfig> = {}, options: Partial<ListenOptions> = {}) {
    const listeners = await openListeners({
      listeners: [{ type: 'tcp', address: '127.0.0.1:0', tlsDisable: true, ...config }],
      handle,
      logger: silentLogger,
      clock: systemClock,
      ...options,
    });
    this.#opened.push(listeners);
    const { host, port, scheme } = listeners.addresses[0]!;
    const connect = async (): Promise<RawClient> =>
      this.keep(await RawClient.open(scheme === 'unix' ? { path: host } : { port, host }));
    return { listeners, port, connect };
  }

  keep<T extends RawClient>(client: T): T {
    this.#clients.push(client);
    return client;
  }

  async close(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    for (const listeners of this.#opened.splice(0)) await listeners.close({ graceMs: 0 });
  }
}

/** Answers with what it was asked. */
export const echo: Handle = ({ method, path, query, body, bytes, remote, clientCertificates }) => ({
  status: 200,
  body: {
    method,
    path,
    query,
    body,
    bytes: bytes?.toString('hex'),
    remote,
    certificates: clientCertificates.map((der) => der.toString('base64')),
  },
});

/** Lets sockets and timers do what they are about to. */
export const turn = (ms = 20): Promise<void> => new Promise((resolve) => systemClock.after(ms, resolve));

export interface RawReply {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Record<string, string>;
  readonly body: string;
}

export class RawClient {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on('error', () => {});
  }

  static async open(where: NetConnectOpts): Promise<RawClient> {
    const socket = connect({ noDelay: true, allowHalfOpen: true, ...where });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  static over(socket: Socket): RawClient {
    return new RawClient(socket);
  }

  send(...parts: readonly (string | Buffer)[]): void {
    for (const part of parts) this.socket.write(part);
  }

  /** A whole request with a Host field. */
  request(method: string, target: string, fields: readonly string[] = [], body = ''): void {
    const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
    this.send(
      `${[`${method} ${target} HTTP/1.1`, 'Host: test', ...fields, ...length].join('\r\n')}\r\n\r\n${body}`,
    );
  }

  /** The next reply; rejects when the connection ends before it is complete. */
  async reply(options: { head?: boolean } = {}): Promise<RawReply> {
    const head = await this.#take(() => {
      const end = this.#received.indexOf('\r\n\r\n');
      return end < 0 ? undefined : end + 4;
    });
    const [statusLine = '', ...lines] = head.toString().trimEnd().split('\r\n');
    const headers: Record<string, string> = Object.create(null);
    for (const line of lines)
      headers[line.split(':')[0]!.toLowerCase()] = line.slice(line.indexOf(':') + 1).trim();
    const status = Number(statusLine.split(' ')[1]);
    return { status, headers, body: options.head ? '' : await this.#body(status, headers) };
  }

  /** The next reply's JSON. */
  async json(): Promise<Record<string, unknown>> {
    return JSON.parse((await this.reply()).body);
  }

  /** Everything until the server closes. */
  async rest(): Promise<string> {
    while (!this.#ended) await this.#more();
    const rest = this.#received.toString();
    this.#received = Buffer.alloc(0);
    return rest;
  }

  get received(): string {
    return this.#received.toString();
  }

  close(): void {
    this.socket.destroy();
  }

  async #body(status: number, headers: Record<string, string>): Promise<string> {
    if (status === 204 || status === 100) return '';
    if (headers['transfer-encoding'] !== 'chunked') {
      return (await this.#take(() => Number(headers['content-length'] ?? 0))).toString();
    }
    let body = '';
    for (;;) {
      const line = await this.#take(() => lineLength(this.#received));
      const size = Number.parseInt(line.toString(), 16);
      body += (await this.#take(() => size)).toString();
      await this.#take(() => 2);
      if (size === 0) return body;
    }
  }

  async #take(length: () => number | undefined): Promise<Buffer> {
    for (;;) {
      const wanted = length();
      if (wanted !== undefined && wanted <= this.#received.length) {
        const taken = this.#received.subarray(0, wanted);
        this.#received = this.#received.subarray(wanted);
        return taken;
      }
      if (this.#ended) throw new Error(`connection ended after ${JSON.stringify(this.#received.toString())}`);
      await this.#more();
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function lineLength(bytes: Buffer): number | undefined {
  const end = bytes.indexOf('\r\n');
  return end < 0 ? undefined : end + 2;
}
