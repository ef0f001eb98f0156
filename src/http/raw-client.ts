/** For tests: a connection whose bytes are ours, and a reader of replies that is only as clever as it must be. */
import { once } from 'node:events';
import { connect, type NetConnectOpts, type Socket } from 'node:net';

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
