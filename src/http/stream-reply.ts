import { once } from 'node:events';
import type { Socket } from 'node:net';

export interface StreamReply {
  readonly socket: Socket;
  /** Undefined for HEAD. */
  readonly body: AsyncIterable<string | Buffer> | undefined;
  /** Chunked transfer coding; otherwise the end of the connection ends the body. */
  readonly chunked: boolean;
  /** Ends the reply early: the client has gone, or the server stops. */
  readonly signal: AbortSignal;
}

/**
 * Writes a body as it comes, no faster than the client reads it. An abort ends the iteration, so that what feeds it
 * is released, and rejects nothing; a failure of the source rejects, and the caller must cut the connection so that
 * the client sees an incomplete message.
 */
export async function sendStream({ socket, body, chunked, signal }: StreamReply): Promise<void> {
  if (!body) return;
  const iterator = body[Symbol.asyncIterator]();
  const aborted = abortOf(signal);
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted.promise]);
      if (next === undefined || next.done) break;
      const bytes = typeof next.value === 'string' ? Buffer.from(next.value) : next.value;
      // An empty chunk would end the body.
      if (bytes.length === 0) continue;
      if (!writeChunk(socket, bytes, chunked)) await drained(socket, signal);
    }
  } finally {
    aborted.release();
    // A generator that is still waiting for its next value takes this up when the signal wakes it.
    void iterator.return?.()?.catch(() => {});
  }
  if (chunked && socket.writable) socket.write('0\r\n\r\n');
}

function writeChunk(socket: Socket, bytes: Buffer, chunked: boolean): boolean {
  if (!chunked) return socket.write(bytes);
  socket.cork();
  socket.write(`${bytes.length.toString(16)}\r\n`);
  socket.write(bytes);
  const hasRoom = socket.write('\r\n');
  socket.uncork();
  return hasRoom;
}

async function drained(socket: Socket, signal: AbortSignal): Promise<void> {
  if (!socket.writable) return;
  try {
    await once(socket, 'drain', { signal });
  } catch {
    // Aborted, or the connection failed: the loop sees the same signal next.
  }
}

function abortOf(signal: AbortSignal): { promise: Promise<undefined>; release: () => void } {
  let release = (): void => {};
  const promise = new Promise<undefined>((resolve) => {
    const onAbort = (): void => resolve(undefined);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    release = () => signal.removeEventListener('abort', onAbort);
  });
  return { promise, release };
}
