import { type BodyReader, type BodySink, bodyReader } from './body-reader.ts';
import type { Framing } from './request-head.ts';

/** Bytes that wait for whoever takes the body, before reading from the connection stops. */
const WAITING_BYTES_MAX = 256 * 1024;
const EMPTY: Buffer = Buffer.alloc(0);

/** What an upload asks of its connection. */
export interface UploadFlow {
  /** Somebody takes the body: from here on the client should send it. */
  begin(): void;
  /** No more for now. */
  pause(): void;
  resume(): void;
}

/**
 * A body that is handed on as it comes and no faster than it is taken, however long it is. Nothing of it is asked for
 * before somebody begins to take it, so that who may send it is known by then.
 */
export class Upload implements AsyncIterable<Buffer> {
  readonly #flow: UploadFlow;
  readonly #reader: BodyReader;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #begun = false;
  #failure: Error | undefined;
  #wake: () => void = () => {};

  constructor(framing: Framing, flow: UploadFlow) {
    this.#flow = flow;
    this.#reader = bodyReader(framing, Number.POSITIVE_INFINITY, this.#sink());
  }

  /** All of it has come; perhaps not all was taken. */
  get done(): boolean {
    return this.#reader.done;
  }

  /** Takes what it can use from the front of `bytes` and says how much that was; throws `ProtocolError`. */
  feed(bytes: Buffer): number {
    const taken = this.#reader.read(bytes);
    if (!this.done && (this.#waitingBytes > WAITING_BYTES_MAX || !this.#begun)) this.#flow.pause();
    this.#wake();
    return taken;
  }

  /** Ends it before its end: whoever takes it gets `error`. */
  fail(error: Error): void {
    if (this.done) return;
    this.#failure ??= error;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    if (this.#begun) throw new Error('the body of this request was taken before');
    this.#begun = true;
    this.#flow.begin();
    this.#flow.resume();
    for (;;) {
      const next = this.#waiting.shift();
      if (next) {
        this.#waitingBytes -= next.length;
        if (this.#waitingBytes <= WAITING_BYTES_MAX) this.#flow.resume();
        yield next;
        continue;
      }
      if (this.#failure) throw this.#failure;
      if (this.done) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #sink(): BodySink {
    const came = { length: 0 };
    return {
      get length() {
        return came.length;
      },
      capacity: 0,
      bytes: EMPTY,
      append: (bytes) => {
        came.length += bytes.length;
        this.#waiting.push(bytes);
        this.#waitingBytes += bytes.length;
      },
    };
  }
}
