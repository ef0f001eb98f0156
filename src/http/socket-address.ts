import { chmod, chown, lstat, readFile, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { InvalidRequest } from '../base/errors.ts';
import type { ListenerConfig } from './listener-config.ts';

/** Where a listener can be reached. */
export interface ListenerAddress {
  readonly scheme: 'http' | 'https' | 'unix';
  /** Without brackets; for Unix sockets the path. */
  readonly host: string;
  /** 0 for Unix sockets. */
  readonly port: number;
  /** `https://127.0.0.1:8200`, `unix:///run/coffer.sock` */
  readonly url: string;
}

/** Binds the server as the stanza says. Throws `InvalidRequest` naming the address. */
export async function bind(server: Server, config: ListenerConfig): Promise<ListenerAddress> {
  try {
    return config.type === 'unix' ? await bindUnix(server, config) : await bindTcp(server, config);
  } catch (error) {
    if (error instanceof InvalidRequest) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidRequest(`cannot listen on ${config.address}: ${reason}`, { cause: error });
  }
}

async function bindTcp(server: Server, config: ListenerConfig): Promise<ListenerAddress> {
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(config.address);
  if (!parts || Number(parts[3]) > 65535) {
    throw new InvalidRequest(`listener address ${JSON.stringify(config.address)} is not host:port`);
  }
  const host = parts[1] ?? parts[2] ?? '';
  await listening(server, { port: Number(parts[3]), ...(host === '' ? {} : { host }) });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no address');
  const scheme = config.tlsDisable ? 'http' : 'https';
  const shown = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return { scheme, host: bound.address, port: bound.port, url: `${scheme}://${shown}:${bound.port}` };
}

async function bindUnix(server: Server, config: ListenerConfig): Promise<ListenerAddress> {
  const path = config.address;
  const mode = config.socketMode ? octalMode(config.socketMode) : undefined;
  const owner = await ownerOf(config);
  await removeStale(path);
  // The socket file appears inside listen(), so its mode is narrowed there: chmod alone would come too late.
  const umask = mode === undefined ? undefined : process.umask(~mode & 0o777);
  const ready = listening(server, { path });
  if (umask !== undefined) process.umask(umask);
  await ready;
  if (owner) await chown(path, owner.user, owner.group);
  if (mode !== undefined) await chmod(path, mode);
  return { scheme: 'unix', host: path, port: 0, url: `unix://${path}` };
}

function listening(server: Server, where: { port: number; host?: string } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** A socket file that a killed process left behind is removed; one that somebody listens on is not. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found) return;
  if (!found.isSocket()) throw new InvalidRequest(`cannot listen on ${path}: a file is there`);
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => resolve(true));
    probe.once('error', () => resolve(false));
    probe.once('close', () => resolve(false));
    probe.once('connect', () => probe.destroy());
  });
  if (isAlive) throw new InvalidRequest(`cannot listen on ${path}: another process listens there`);
  await unlink(path);
}

function octalMode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text))
    throw new InvalidRequest(`socket_mode ${JSON.stringify(text)} is no file mode`);
  return Number.parseInt(text, 8);
}

async function ownerOf(config: ListenerConfig): Promise<{ user: number; group: number } | undefined> {
  const { socketUser, socketGroup } = config;
  if (!socketUser && !socketGroup) return undefined;
  return {
    user: socketUser ? await idOf('/etc/passwd', 'socket_user', socketUser) : -1,
    group: socketGroup ? await idOf('/etc/group', 'socket_group', socketGroup) : -1,
  };
}

/** A number as it is, or the third column of the line that the name begins. */
async function idOf(file: string, parameter: string, name: string): Promise<number> {
  if (/^\d+$/.test(name)) return Number(name);
  const table = await readFile(file, 'utf8');
  const columns = table
    .split('\n')
    .map((line) => line.split(':'))
    .find(([first]) => first === name);
  if (!columns?.[2]) throw new InvalidRequest(`${parameter}: ${JSON.stringify(name)} is not known here`);
  return Number(columns[2]);
}
