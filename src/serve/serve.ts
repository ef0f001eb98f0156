/**
 * `coffer server`: what the process does around a running server. Owns arguments, the server log, signals, the development
 * mode and the quick start; what a server is made of is server.ts'.
 */
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import type { ConfiguredSeal } from '../lifecycle/seals.ts';
import { openServer, type RunningServer, type ServerSettings } from '../server.ts';
import { parseServeArguments, type ServeArguments } from './arguments.ts';
import { checkConfig, configuredStart } from './configured.ts';
import { devStart } from './dev.ts';
import { keepHeapSmall } from './heap.ts';
import type { ServerLog } from './log.ts';
import { quickStart } from './quick-start.ts';
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
  /** Before signals are waited for; `stopped` aborts when the server is about to end. */
  begin(server: RunningServer, stopped: AbortSignal): Promise<void>;
  /** Takes up the log levels of the configuration as it stands by now. Throws for one that cannot be used. */
  readLogLevels?(): void;
  /** The seals as the configuration has them by now. Rejects for a configuration that cannot be used. */
  seals?(): Promise<readonly ConfiguredSeal[]>;
  /** Written when the server runs, removed when it ends. */
  readonly pidFile?: string | undefined;
}

/** Runs a server until a signal ends it; gives the process's exit code. */
export async function serve(argv: readonly string[], terminal: ServeTerminal): Promise<number> {
  try {
    const args = parseServeArguments(argv, terminal.environment);
    if (args.check) return await checkConfig(args.configPaths, terminal);
    keepHeapSmall();
    const start = await prepare(args, terminal);
    const server: RunningServer = await openServer(start.settings, {
      clock: systemClock,
      random: systemRandom,
      log: start.log.log,
      logLevels: start.log.levels,
      monitorLog: start.log.monitor,
      async reloadProcess() {
        start.log.reopen();
        start.readLogLevels?.();
        if (start.seals) server.useSeals(await start.seals());
      },
    });
    return await runUntilStopped(server, start, terminal);
  } catch (error) {
    terminal.error.write(`Error: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

function prepare(args: ServeArguments, terminal: ServeTerminal): Promise<Start> {
  if (args.mode === 'development') return devStart(args, terminal);
  if (args.mode === 'quick start') return quickStart(args, terminal);
  return configuredStart(args, terminal);
}
