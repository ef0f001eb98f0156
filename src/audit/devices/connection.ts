import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { connect, isIPv6, type NetConnectOpts, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import type { HostAndPort } from './destination.ts';
import { writeTo } from './output.ts';

export interface ConnectionOptions {
  readonly clock: Clock;
  /** Milliseconds for connecting and writing; undefined: no limit. */
  readonly timeoutMs: number | undefined;
}

/** A way to send bytes that mends itself. One call at a time. */
export interface Connection {
  /** Resolves when the kernel has the messages. */
  send(messages: readonly Buffer[]): Promise<void>;
  /** The next `send` starts from nothing. */
  close(): void;
}

/**
 * A TCP or Unix stream connection. One that broke since the last use is made anew once; what the kernel had taken
 * before it broke may be lost without notice, as with every stream that nobody acknowledges.
 */
export function streamConnection(
  target: NetConnectOpts,
  { clock, timeoutMs }: ConnectionOptions,
): Connection {
  let socket: Socket | undefined;
  /** Rises when whatever is under way is to be given up. */
  let generation = 0;
  const close = (): void => {
    generation += 1;
    socket?.destroy();
    socket = undefined;
  };
  const open = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const opening = connect(target);
      socket = opening;
      opening.unref();
      opening.once('error', reject);
      opening.once('connect', () => resolve(opening));
      // Nothing is expected; reading is how a closed peer is noticed.
      opening.resume();
      opening.once('close', () => {
        if (socket === opening) socket = undefined;
        reject(new Error('the connection was closed'));
      });
    });
  const attempt = async (bytes: Buffer): Promise<void> => {
    const ready = socket ?? (await open());
    await settledBefore(ready, writeTo(ready, bytes));
  };
  const send = async (bytes: Buffer): Promise<void> => {
    const wasOpen = socket !== undefined;
    const started = generation;
    try {
      await attempt(bytes);
    } catch (error) {
      if (!wasOpen || generation !== started) throw error;
      close();
      await attempt(bytes);
    }
  };
  return {
    send: (messages) => limited(clock, timeoutMs, send(Buffer.concat(messages)), close),
    close,
  };
}

/** UDP: each message a datagram. Whether anybody listens only shows if the other machine says so, and then one send late. */
export function datagramConnection(target: HostAndPort, { clock, timeoutMs }: ConnectionOptions): Connection {
  let socket: DatagramSocket | undefined;
  const close = (): void => {
    socket?.close();
    socket = undefined;
  };
  const open = (): Promise<DatagramSocket> =>
    new Promise((resolve, reject) => {
      const opening = createSocket(isIPv6(target.host) ? 'udp6' : 'udp4');
      opening.unref();
      opening.once('error', reject);
      opening.connect(target.port, target.host, () => {
        opening.off('error', reject).on('error', () => {
          if (socket === opening) close();
        });
        socket = opening;
        resolve(opening);
      });
    });
  const send = async (messages: readonly Buffer[]): Promise<void> => {
    const ready = socket ?? (await open());
    await Promise.all(messages.map((message) => sendDatagram(ready, message)));
  };
  const closing = (error: unknown): never => {
    close();
    throw error;
  };
  return { send: (messages) => limited(clock, timeoutMs, send(messages).catch(closing), close), close };
}

function sendDatagram(socket: DatagramSocket, message: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(message, (error) => (error ? reject(error) : resolve()));
  });
}

/** A write to a socket that is torn down may never call back. */
function settledBefore(socket: Socket, written: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = (): void => reject(new Error('the connection was closed'));
    socket.once('close', closed);
    written.then(resolve, reject).finally(() => socket.off('close', closed));
  });
}

/** Rejects after the time, having called `stop`. */
export function limited(
  clock: Clock,
  timeoutMs: number | undefined,
  work: Promise<void>,
  stop: () => void,
): Promise<void> {
  if (timeoutMs === undefined) return work;
  return new Promise((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () => {
      reject(new Error(`no answer within ${timeoutMs} ms`));
      stop();
    });
    work.then(resolve, reject).finally(cancel);
  });
}
