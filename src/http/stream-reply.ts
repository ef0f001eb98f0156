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
 * Writes a body as it comes, no faster than the client reads it. An abort ends the iteration without the end of the
 * body, so that what feeds it is released and nobody takes a part for the whole. A failure of the source rejects, and
 * the caller must cut the connection.
 */
export async function sendStream({ socket, body, chunked, signal }: StreamReply): Promise<void> {
  if (!body) return;
  const iterator = body[Symbol.asyncIterator]();
  const source = nextUnlessAborted(iterator, signal);
  try {
    for (let next = await source.next(); next && !next.done; next = await source.next()) {
      const bytes = typeof next.value === 'string' ? Buffer.from(next.value) : next.value;
      // An empty chunk would end the body.
      if (bytes.length > 0 && !writeChunk(socket, bytes, chunked)) await drained(socket, signal);
    }
  } finally {
    source.release();
    // A generator that still waits for its next value takes this up when the signal wakes it.
    iterator.return?.()?.catch(() => {});
  }
  if (chunked && !signal.aborted) socket.write('0\r\n\r\n');
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

/**
 * Next values, or undefined from the moment of an abort on. `Promise.race` against one long-lived promise would do
 * the same and keep a reaction of every round in memory for as long as the stream lives.
 */
function nextUnlessAborted<T>(
  iterator: AsyncIterator<T>,
  signal: AbortSignal,
): { next: () => Promise<IteratorResult<T> | undefined>; release: () => void } {
  let wake = (): void => {};
  const onAbort = (): void => wake();
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    next: () =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          resolve(undefined);
          return;
        }
        wake = () => resolve(undefined);
        iterator.next().then(resolve, reject);
      }),
    release: () => signal.removeEventListener('abort', onAbort),
  };
}
