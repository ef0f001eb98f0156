/**
 * `coffer server`: what the process does around a running server. Owns arguments, the server log, signals, the development
 * mode and the quick start; what a server is made of is server.ts'.
 */
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { openServer, type RunningServer, type ServerSettings } from '../server.ts';
import { ArgumentsInvalid, parseServeArguments, type ServeArguments } from './arguments.ts';
import { checkConfig, configuredSettings } from './configured.ts';
import { devSettings, startDev } from './dev.ts';
import { logLevel, openServerLog, type ServerLog } from './log.ts';
import { quickStartSettings, startQuickly } from './quick-start.ts';
import { runUntilStopped } from './signals.ts';

/** What `serve` writes to and reads from. */
export interface ServeTerminal {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly homeDirectory: string;
  readonly output: { write(text: string): void };
  readonly error: { write(text: string): void };
}

/** A way to start: where the settings come from, and what happens once the server runs. */
export interface Start {
  readonly settings: ServerSettings;
  readonly log: ServerLog;
  /** Before signals are waited for. */
  begin(server: RunningServer): Promise<void>;
  /** The configuration's, which the arguments go before. */
  readonly pidFile?: string | undefined;
}

/** Runs a server until a signal ends it; gives the process's exit code. */
export async function serve(argv: readonly string[], terminal: ServeTerminal): Promise<number> {
  try {
    const args = parseServeArguments(argv, terminal.environment);
    if (args.check) return await checkConfig(args.configPaths, terminal);
    const start = await prepare(args, terminal);
    const server = await openServer(start.settings, {
      clock: systemClock,
      random: systemRandom,
      log: start.log.log,
      logLevels: start.log.levels,
      monitorLog: start.log.monitor,
      reloadProcess: async () => start.log.reopen(),
    });
    return await runUntilStopped(server, start, terminal);
  } catch (error) {
    terminal.error.write(`Error: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

function prepare(args: ServeArguments, terminal: ServeTerminal): Promise<Start> {
  if (args.dev) return devStart(args, terminal);
  if (args.quickStart) return quickStart(args, terminal);
  if (args.configPaths.length === 0) {
    throw new ArgumentsInvalid('a configuration file must be given with -config, or -dev for a server in memory');
  }
  return configuredSettings(args, terminal);
}

async function devStart(args: ServeArguments, terminal: ServeTerminal): Promise<Start> {
  const settings = devSettings(args, terminal);
  const log = logOf(args);
  return { settings, log, begin: (server) => startDev(server, args, terminal) };
}

async function quickStart(args: ServeArguments, terminal: ServeTerminal): Promise<Start> {
  const log = logOf(args);
  const settings = await quickStartSettings(args, terminal, log.log);
  return { settings, log, begin: (server) => startQuickly(server, terminal) };
}

function logOf(args: ServeArguments): ServerLog {
  return openServerLog({
    level: logLevel(args.logLevel),
    format: args.logFormat === 'json' ? 'json' : 'standard',
    file: args.logFile,
    clock: systemClock,
  });
}
