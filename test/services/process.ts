/**
 * Child processes as tests need them: each in a process group of its own, so that ending one ends all it started;
 * what they print is kept for the message of a failing test; none outlives the test process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export interface ProcessOptions {
  readonly command: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  /** Set on top of this process's environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whom to run as; only root may say. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly running: boolean;
  /** What it printed so far, standard output and error as they came. */
  output(): string;
  signal(signal: NodeJS.Signals): void;
  /** Sends `signal`, and SIGKILL to the whole group if it has not ended after `patienceMs`. */
  stop(signal?: NodeJS.Signals, patienceMs?: number): Promise<Exit>;
}

export interface FinishedProcess extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

const STOP_PATIENCE_MS = 10_000;
const WAIT_MS = 30_000;

const groups = new Set<number>();
process.on('exit', () => {
  for (const pid of groups) signalGroup(pid, 'SIGKILL');
});

export function startProcess(options: ProcessOptions): RunningProcess {
  const child = spawnGroup(options, 'ignore');
  if (child.pid === undefined) throw new Error(`cannot start ${options.command}`);
  const pid = child.pid;
  let output = '';
  let ended: Exit | undefined;
  const keep = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const exited = exitOf(child, pid);
  exited.then((exit) => {
    ended = exit;
  });
  return {
    pid,
    exited,
    get running() {
      return ended === undefined;
    },
    output: () => output,
    signal: (signal) => signalGroup(pid, signal),
    async stop(signal = 'SIGTERM', patienceMs = STOP_PATIENCE_MS) {
      if (ended) return ended;
      signalGroup(pid, signal);
      const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), patienceMs);
      const exit = await exited;
      clearTimeout(timer);
      return exit;
    },
  };
}

/** Runs a program to its end, with `input` on its standard input. Rejects only when it cannot be started. */
export async function runProcess(options: ProcessOptions, input = ''): Promise<FinishedProcess> {
  const child = spawnGroup(options, 'pipe');
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin?.on('error', () => {}); // It may end without reading all of its input.
  child.stdin?.end(input);
  if (child.pid === undefined) {
    return new Promise((_, reject) => child.on('error', reject));
  }
  const exit = await exitOf(child, child.pid);
  return { ...exit, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}

/** Waits until something accepts connections on a loopback port; rejects when `service` ends before. */
export async function waitForPort(port: number, service: RunningProcess, timeoutMs = WAIT_MS): Promise<void> {
  const accepts = async () => {
    if (!service.running)
      throw new Error(`process ${service.pid} ended instead of listening:\n${service.output()}`);
    return acceptsConnections(port);
  };
  await waitUntil(accepts, { what: `something listening on port ${port}`, timeoutMs });
}

/** Polls until `condition` holds; the error names `what` did not come. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  { what, timeoutMs = WAIT_MS, everyMs = 20 }: { what: string; timeoutMs?: number; everyMs?: number },
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await pause(everyMs);
  }
}

function spawnGroup(
  { command, args = [], cwd, env, user }: ProcessOptions,
  stdin: 'ignore' | 'pipe',
): ChildProcess {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    detached: true,
    stdio: [stdin, 'pipe', 'pipe'],
    ...user,
  });
  if (child.pid !== undefined) groups.add(child.pid);
  return child;
}

function exitOf(child: ChildProcess, pid: number): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      groups.delete(pid);
      resolve({ code, signal });
    });
  });
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has ended.
  }
}

function acceptsConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const answer = (accepted: boolean) => {
      socket.destroy();
      resolve(accepted);
    };
    socket.on('connect', () => answer(true));
    socket.on('error', () => answer(false));
  });
}
