import { ProtocolError } from './errors.ts';
import type { Framing } from './request-head.ts';

/** Collects the body of one message from the bytes of the connection, within a limit. */
export interface BodyReader {
  /** Takes what it can use from the front of `bytes` and says how much that was; throws `ProtocolError`. */
  read(bytes: Buffer): number;
  readonly done: boolean;
  /** The whole body once `done`. May share memory with what was read. */
  readonly body: Buffer;
  /** Memory taken for what has come so far. */
  readonly heldBytes: number;
}

/** Go's text, which clients show to their users. */
const TOO_LARGE = 'http: request body too large';
const CHUNK_LINE_BYTES_MAX = 1024;
const TRAILER_BYTES_MAX = 8192;
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?$/;
const EMPTY: Buffer = Buffer.alloc(0);

/** Where the bytes of a body go. */
export interface BodySink {
  /** Bytes that came so far. */
  readonly length: number;
  /** Memory taken for them. */
  readonly capacity: number;
  /** All of them, where they were collected. */
  readonly bytes: Buffer;
  append(bytes: Buffer): void;
}

export function bodyReader(framing: Framing, bytesMax: number, sink?: BodySink): BodyReader {
  if (framing.kind === 'chunked') return new ChunkedBody(bytesMax, sink ?? new GrowingBuffer(bytesMax));
  if (framing.bytes > bytesMax) throw new ProtocolError(413, TOO_LARGE);
  return new LengthBody(framing.bytes, sink);
}

class LengthBody implements BodyReader {
  readonly #bytes: number;
  readonly #collected: BodySink;
  /** A body that comes as one piece is not copied. */
  readonly #mayShare: boolean;
  body: Buffer = EMPTY;
  done: boolean;

  constructor(bytes: number, sink: BodySink | undefined) {
    this.#bytes = bytes;
    this.#collected = sink ?? new GrowingBuffer(bytes);
    this.#mayShare = sink === undefined;
    this.done = bytes === 0;
  }
  get heldBytes(): number {
    return this.#collected.capacity;
  }
  read(bytes: Buffer): number {
    const taken = Math.min(bytes.length, this.#bytes - this.#collected.length);
    this.done = this.#collected.length + taken === this.#bytes;
    const whole = this.#mayShare && this.#collected.length === 0 && this.done;
    if (!whole) this.#collected.append(bytes.subarray(0, taken));
    if (this.done) this.body = whole ? bytes.subarray(0, taken) : this.#collected.bytes;
    return taken;
  }
}

/** RFC 9112 section 7.1. Extensions and trailers are read over; nothing of the API is in them. */
class ChunkedBody implements BodyReader {
  readonly #bytesMax: number;
  readonly #collected: BodySink;
  #state: 'size' | 'data' | 'end of data' | 'trailer' | 'done' = 'size';
  #chunkBytesLeft = 0;
  #trailerBytes = 0;

  constructor(bytesMax: number, sink: BodySink) {
    this.#bytesMax = bytesMax;
    this.#collected = sink;
  }
  get done(): boolean {
    return this.#state === 'done';
  }
  get body(): Buffer {
    return this.#collected.bytes;
  }
  get heldBytes(): number {
    return this.#collected.capacity;
  }
  read(bytes: Buffer): number {
    let offset = 0;
    while (this.#state !== 'done') {
      const taken = this.#state === 'data' ? this.#takeData(bytes, offset) : this.#takeLine(bytes, offset);
      if (taken === 0) break;
      offset += taken;
    }
    return offset;
  }
  #takeData(bytes: Buffer, offset: number): number {
    const taken = Math.min(bytes.length - offset, this.#chunkBytesLeft);
    this.#collected.append(bytes.subarray(offset, offset + taken));
    this.#chunkBytesLeft -= taken;
    if (this.#chunkBytesLeft === 0) this.#state = 'end of data';
    return taken;
  }
  #takeLine(bytes: Buffer, offset: number): number {
    const end = bytes.indexOf('\r\n', offset, 'latin1');
    const length = (end < 0 ? bytes.length : end) - offset;
    if (length > CHUNK_LINE_BYTES_MAX) throw new ProtocolError(400, 'malformed chunked encoding');
    if (end < 0) return 0;
    this.#onLine(bytes.toString('latin1', offset, end));
    return length + 2;
  }
  #onLine(line: string): void {
    if (this.#state === 'size') {
      const size = CHUNK_SIZE.exec(line);
      if (!size) throw new ProtocolError(400, 'malformed chunked encoding');
      this.#chunkBytesLeft = Number.parseInt(size[1]!, 16);
      if (this.#collected.length + this.#chunkBytesLeft > this.#bytesMax)
        throw new ProtocolError(413, TOO_LARGE);
      this.#state = this.#chunkBytesLeft === 0 ? 'trailer' : 'data';
    } else if (this.#state === 'end of data') {
      if (line !== '') throw new ProtocolError(400, 'malformed chunked encoding');
      this.#state = 'size';
    } else {
      this.#trailerBytes += line.length + 2;
      if (this.#trailerBytes > TRAILER_BYTES_MAX) throw new ProtocolError(431, 'too many trailer fields');
      if (line === '') this.#state = 'done';
    }
  }
}

/** One buffer that doubles: a body that comes in single bytes costs its size, not an object for each of them. */
class GrowingBuffer implements BodySink {
  readonly #capacityMax: number;
  #buffer: Buffer = EMPTY;
  length = 0;

  constructor(capacityMax: number) {
    this.#capacityMax = capacityMax;
  }
  get capacity(): number {
    return this.#buffer.length;
  }
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }
  append(bytes: Buffer): void {
    const needed = this.length + bytes.length;
    if (needed > this.#buffer.length) {
      const roomy = Math.max(needed, this.#buffer.length * 2, 1024);
      const larger = Buffer.allocUnsafeSlow(Math.min(roomy, this.#capacityMax));
      this.#buffer.copy(larger, 0, 0, this.length);
      this.#buffer = larger;
    }
    bytes.copy(this.#buffer, this.length);
    this.length = needed;
  }
}
