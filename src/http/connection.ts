import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type BodyReader, bodyReader } from './body-reader.ts';
import { ProtocolError } from './errors.ts';
import type { ListenerSettings } from './listener-config.ts';
import type { Remote } from './remote.ts';
import { parseHead, type RequestHead } from './request-head.ts';
import { Upload } from './upload.ts';

/** What answers the requests of a connection, one at a time. */
export interface Exchange {
  /** Called once, when the whole body is there, or nothing of an upload's; ends in `connection.finish`, perhaps before it returns. */
  run(body: Buffer, upload?: Upload): void;
  /** The client went away. */
  abort(): void;
  /** The longest time of a request is over. */
  expire(): void;
}

export interface ConnectionContext {
  readonly settings: ListenerSettings;
  /** Monotonic milliseconds as of the last sweep: exact enough for deadlines, and free. */
  readonly nowMs: () => number;
  begin(connection: Connection, head: RequestHead): Exchange;
  /** Whether the body goes to the pipeline as it comes. */
  takesUpload(head: RequestHead): boolean;
  /** Answers a message that is not HTTP or over a limit; the connection ends after it. */
  refuse(connection: Connection, error: ProtocolError): void;
  closed(connection: Connection): void;
  /** Counts memory that bodies take (negative: give back) over all connections; false when it is too much. */
  hold(bytes: number): boolean;
}

const END_OF_HEAD = Buffer.from('\r\n\r\n');
const EMPTY: Buffer = Buffer.alloc(0);
/** Pipelined bytes that are held while a request is being answered, before reading stops. */
const READ_AHEAD_BYTES_MAX = 64 * 1024;
/** How long a client may go on sending after the last reply, so that closing does not tear the reply away. */
const LINGER_MS = 2000;

/**
 * One connection: splits its bytes into messages and hands them on strictly one after another. Every wait has a
 * deadline, which the listener's sweep looks at; timers per request would cost more than the requests.
 */
export class Connection {
  readonly socket: Socket;
  readonly remote: Remote;
  readonly #context: ConnectionContext;
  #state: 'idle' | 'head' | 'body' | 'answering' | 'flushing' | 'ended' = 'idle';
  #deadlineMs: number;
  #pending: Buffer = EMPTY;
  #searchedBytes = 0;
  #startedMs = 0;
  #head: RequestHead | undefined;
  #reader: BodyReader | undefined;
  #upload: Upload | undefined;
  #exchange: Exchange | undefined;
  #heldBytes = 0;
  #advancing = false;
  #isLast = false;
  #certificates: readonly Buffer[] | undefined;

  constructor(socket: Socket, remote: Remote, context: ConnectionContext) {
    this.socket = socket;
    this.remote = remote;
    this.#context = context;
    this.#deadlineMs = context.nowMs() + context.settings.readHeaderTimeoutMs;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.#onEnd());
    socket.on('error', () => socket.destroy());
    socket.on('drain', () => this.#onDrain());
    socket.on('close', () => {
      this.#state = 'ended';
      this.#hold(0);
      this.#abort();
      context.closed(this);
    });
  }

  /** No request will follow the one at hand: the client said so, the server is stopping, or nobody wants the rest of a body. */
  get isLast(): boolean {
    return this.#isLast || (this.#upload !== undefined && !this.#upload.done);
  }

  /** DER of the certificates that the client sent, leaf first. */
  get clientCertificates(): readonly Buffer[] {
    this.#certificates ??= this.socket instanceof TLSSocket ? certificateChain(this.socket) : [];
    return this.#certificates;
  }

  /** The reply to the request at hand has been written. */
  finish(keepAlive: boolean): void {
    this.#exchange = undefined;
    this.#hold(0);
    if (this.#state !== 'answering') return;
    const isLast = this.isLast;
    this.#upload = undefined;
    if (!keepAlive || isLast) {
      this.end();
      return;
    }
    const isFlushing = this.socket.writableNeedDrain;
    this.#state = isFlushing ? 'flushing' : 'idle';
    const { writeTimeoutMs, idleTimeoutMs } = this.#context.settings;
    this.#wait(isFlushing ? Math.min(writeTimeoutMs, idleTimeoutMs) : idleTimeoutMs);
    if (isFlushing) return;
    this.socket.resume();
    this.#advance();
  }

  /** Sends what is written, then closes. What still comes in is read and dropped. */
  end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#pending = EMPTY;
    this.#wait(LINGER_MS);
    this.socket.end();
    this.socket.resume();
  }

  /** For replies that take as long as they take. */
  withoutDeadline(): void {
    this.#wait(this.#context.settings.writeTimeoutMs);
  }

  /** Called now and then with the monotonic time. */
  sweep(nowMs: number): void {
    if (nowMs < this.#deadlineMs) return;
    if (this.#state === 'answering') {
      this.#upload?.fail(new Error('the client sent nothing for too long'));
      this.#exchange?.expire();
    } else if (this.#state === 'head' || this.#state === 'body') {
      this.#refuse(new ProtocolError(408, 'request timed out before it was complete'));
    } else if (this.#state === 'idle') {
      this.#state = 'ended';
      this.socket.destroySoon();
    } else this.socket.destroy();
  }

  /** Closes as soon as the request at hand, if any, is answered. */
  drain(): void {
    this.#isLast = true;
    if (this.#state === 'idle') this.socket.destroySoon();
    else if (this.#state === 'flushing') this.end();
  }

  #wait(ms: number): void {
    this.#deadlineMs = this.#context.nowMs() + ms;
  }

  #onData(chunk: Buffer): void {
    if (this.#state === 'ended') return;
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    if (this.#upload && !this.#upload.done) this.#readUpload(this.#upload);
    else if (this.#state !== 'answering' && this.#state !== 'flushing') this.#advance();
    else if (this.#pending.length > READ_AHEAD_BYTES_MAX) this.socket.pause();
  }

  #onEnd(): void {
    this.#isLast = true;
    if (this.#state === 'answering') this.#abort();
    else this.end();
  }

  #abort(): void {
    this.#upload?.fail(new Error('the client has gone away'));
    this.#exchange?.abort();
  }

  #onDrain(): void {
    if (this.#state !== 'flushing') return;
    this.#state = 'idle';
    this.#wait(this.#context.settings.idleTimeoutMs);
    this.socket.resume();
    this.#advance();
  }

  /** A loop, not a recursion: pipelined requests may all be answered at once. */
  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    try {
      while (this.#readHead() && (this.#upload ? this.#runUpload(this.#upload) : this.#readBody()));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#refuse(error);
    } finally {
      this.#advancing = false;
    }
  }

  /** True when a head is there. */
  #readHead(): boolean {
    if (this.#state === 'body') return true;
    if (this.#state === 'idle') {
      // RFC 9112 section 2.2: empty lines before a request are ignored.
      while (this.#pending[0] === 0x0d && this.#pending[1] === 0x0a)
        this.#pending = this.#pending.subarray(2);
      if (this.#pending.length === 0) return false;
      this.#state = 'head';
      this.#searchedBytes = 0;
      this.#startedMs = this.#context.nowMs();
      this.#deadlineMs = this.#startedMs + this.#context.settings.readHeaderTimeoutMs;
    }
    if (this.#state !== 'head') return false;
    const end = this.#pending.indexOf(END_OF_HEAD, Math.max(0, this.#searchedBytes - 3));
    const headBytes = end < 0 ? this.#pending.length : end + 4;
    if (headBytes > this.#context.settings.headBytesMax)
      throw new ProtocolError(431, 'request header too large');
    this.#searchedBytes = this.#pending.length;
    if (end < 0) return false;
    this.#onHead(parseHead(this.#pending.subarray(0, end + 2)), headBytes);
    return true;
  }

  #onHead(head: RequestHead, headBytes: number): void {
    const { bodyBytesMax, readTimeoutMs } = this.#context.settings;
    this.#pending = this.#pending.subarray(headBytes);
    this.#head = head;
    if (this.#context.takesUpload(head)) {
      this.#upload = this.#openUpload(head);
      return;
    }
    this.#reader = bodyReader(head.framing, bodyBytesMax);
    this.#state = 'body';
    this.#deadlineMs = this.#startedMs + readTimeoutMs;
    if (head.expectsContinue && head.minorVersion === 1 && !this.#reader.done && this.#pending.length === 0) {
      this.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    }
  }

  /** True when the body was there and the request is answered already. */
  #readBody(): boolean {
    const reader = this.#reader!;
    if (!reader.done) this.#pending = this.#pending.subarray(reader.read(this.#pending));
    if (!this.#hold(reader.heldBytes)) throw new ProtocolError(503, 'too many large requests at once');
    if (!reader.done) return false;
    this.#reader = undefined;
    return this.#run(reader.body);
  }

  /** True when it is answered already. */
  #run(body: Buffer, upload?: Upload): boolean {
    this.#state = 'answering';
    this.#wait(this.#context.settings.requestDurationMs);
    const exchange = this.#context.begin(this, this.#head!);
    this.#exchange = exchange;
    exchange.run(body, upload);
    return this.#stateNow() === 'idle';
  }

  /** The longest time of a request counts anew whenever something of the body comes or is taken. */
  #openUpload(head: RequestHead): Upload {
    const expectsContinue = head.expectsContinue && head.minorVersion === 1;
    const { requestDurationMs } = this.#context.settings;
    return new Upload(head.framing, {
      begin: () => {
        if (expectsContinue) this.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      },
      pause: () => this.socket.pause(),
      resume: () => {
        if (this.#state === 'answering') this.#wait(requestDurationMs);
        this.socket.resume();
      },
    });
  }

  /** Begins to answer before anything of the body is read: who asks, and whether he may, is known before it is wanted. */
  #runUpload(upload: Upload): boolean {
    if (this.#pending.length > 0) this.#readUpload(upload);
    return this.#run(EMPTY, upload);
  }

  #readUpload(upload: Upload): void {
    this.#wait(this.#context.settings.requestDurationMs);
    try {
      this.#pending = this.#pending.subarray(upload.feed(this.#pending));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#isLast = true;
      upload.fail(error);
    }
  }

  #hold(bytes: number): boolean {
    if (bytes === this.#heldBytes) return true;
    const more = bytes - this.#heldBytes;
    this.#heldBytes = bytes;
    return this.#context.hold(more);
  }

  /** What `run` may have changed meanwhile, which the compiler cannot know. */
  #stateNow(): string {
    return this.#state;
  }

  #refuse(error: ProtocolError): void {
    this.#isLast = true;
    this.#reader = undefined;
    this.#hold(0);
    this.#context.refuse(this, error);
    this.end();
  }
}

function certificateChain(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = [];
  const seen = new Set<string>();
  let certificate = socket.getPeerX509Certificate();
  while (certificate && !seen.has(certificate.fingerprint256)) {
    seen.add(certificate.fingerprint256);
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  return chain;
}
