/** A real PostgreSQL server on a free loopback port, with its data in a temporary folder. */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TemporaryFolder, temporaryFolder } from './folder.ts';
import { freePort } from './ports.ts';
import { type RunningProcess, runProcess, startProcess, waitUntil } from './process.ts';

export interface Postgres {
  readonly host: string;
  readonly port: number;
  /** A superuser. */
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** A connection URL, of the superuser if nobody else is named. */
  url(user?: string, password?: string): string;
  /** What the server has logged. */
  logs(): string;
  stop(): Promise<void>;
}

type User = { uid: number; gid: number } | undefined;

const HOST = '127.0.0.1';
const SUPERUSER = 'coffer_test';
const PASSWORD = 'superuser-password';
/** Nothing here has to survive a power cut. */
const SETTINGS = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'fsync=off',
  'shared_buffers=16MB',
];

/** Why there is no PostgreSQL to test with, or undefined when there is. */
export function available(): string | undefined {
  if (binaryFolder() === undefined) return 'PostgreSQL is not installed (Debian package postgresql)';
  if (process.getuid?.() === 0 && serverUser() === undefined) {
    return 'PostgreSQL does not run as root, and there is no user postgres to run it as';
  }
  return undefined;
}

export async function start(): Promise<Postgres> {
  const reason = available();
  if (reason !== undefined) throw new Error(reason);
  const folder = await temporaryFolder('postgres');
  try {
    const data = await initialise(folder);
    const port = await freePort();
    const server = startProcess({
      command: program('postgres'),
      args: ['-D', data, '-p', String(port), ...SETTINGS.flatMap((setting) => ['-c', setting])],
      cwd: folder.path,
      user: serverUser(),
    });
    await waitUntilReady(server);
    return describe(port, server, folder);
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

async function initialise(folder: TemporaryFolder): Promise<string> {
  const data = join(folder.path, 'data');
  const passwordFile = join(folder.path, 'password');
  await writeFile(passwordFile, PASSWORD);
  const user = serverUser();
  if (user) {
    await chown(folder.path, user.uid, user.gid);
    await chown(passwordFile, user.uid, user.gid);
  }
  const args = ['-D', data, '-U', SUPERUSER, '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C', '--no-sync'];
  const result = await runProcess({
    command: program('initdb'),
    args: [...args, `--pwfile=${passwordFile}`],
    cwd: folder.path,
    user,
  });
  if (result.code !== 0) throw new Error(`initdb failed:\n${result.stdout}${result.stderr}`);
  return data;
}

async function waitUntilReady(server: RunningProcess): Promise<void> {
  const ready = () => {
    if (!server.running) throw new Error(`PostgreSQL ended instead of starting:\n${server.output()}`);
    return server.output().includes('database system is ready to accept connections');
  };
  await waitUntil(ready, { what: 'PostgreSQL to accept connections' });
}

function describe(port: number, server: RunningProcess, folder: TemporaryFolder): Postgres {
  const database = 'postgres';
  return {
    host: HOST,
    port,
    user: SUPERUSER,
    password: PASSWORD,
    database,
    url: (user = SUPERUSER, password = PASSWORD) =>
      `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${HOST}:${port}/${database}?sslmode=disable`,
    logs: () => server.output(),
    async stop() {
      await server.stop('SIGINT'); // PostgreSQL's "fast" shutdown: it does not wait for clients.
      await folder.remove();
    },
  };
}

function program(name: string): string {
  return join(binaryFolder() ?? '', name);
}

/** The newest version's folder; Debian keeps the server's programs out of PATH. */
function binaryFolder(): string | undefined {
  const folders = globSync('/usr/lib/postgresql/*/bin').filter((folder) =>
    existsSync(join(folder, 'initdb')),
  );
  return folders.sort((a, b) => version(b) - version(a))[0];
}

function version(folder: string): number {
  return Number(folder.split('/').at(-2));
}

/** PostgreSQL refuses to run as root; Debian's package brings a user for it. */
function serverUser(): User {
  if (process.getuid?.() !== 0) return undefined;
  try {
    const id = (flag: string) =>
      Number(execFileSync('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] }));
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}
