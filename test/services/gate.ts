/** A way to a service that a test can close and open again, as a network that fails. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Gate {
  readonly port: number;
  /** Cuts all connections; new ones are refused or, with `silent`, accepted and never answered. */
  shut(how?: 'refusing' | 'silent'): Promise<void>;
  open(): Promise<void>;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';

export async function gateTo(targetPort: number): Promise<Gate> {
  const sockets = new Set<Socket>();
  let silent = false;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer((socket) => {
    keep(socket);
    if (silent) return;
    const onward = connect(targetPort, HOST);
    keep(onward);
    socket.pipe(onward).pipe(socket);
    socket.on('close', () => onward.destroy());
    onward.on('close', () => socket.destroy());
  });
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, HOST, resolve);
    });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const stop = () => {
    const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
    cut();
    return server.listening ? stopped : stopped.catch(() => {});
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async shut(how = 'refusing') {
      silent = how === 'silent';
      if (silent) cut();
      else await stop();
    },
    async open() {
      cut();
      silent = false;
      if (!server.listening) await listen(port);
    },
    close: stop,
  };
}
