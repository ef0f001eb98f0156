import { systemClock } from '../base/clock.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import { ConfigError, type Finding, formatFinding, loadConfig } from '../config/config.ts';
import { loadTls } from '../http/tls.ts';
import type { RunningServer } from '../server.ts';
import type { ServeArguments } from './arguments.ts';
import { openServerLog, requestsLevel } from './log.ts';
import type { ServeTerminal, Start } from './serve.ts';
import { openSeals, settingsOf, withArguments } from './settings.ts';

/** `coffer server -config=…`. */
export async function configuredStart(args: ServeArguments, terminal: ServeTerminal): Promise<Start> {
  const loaded = loadConfig({ paths: args.configPaths, environment: terminal.environment });
  for (const warning of loaded.warnings) terminal.error.write(`Warning: ${formatFinding(warning)}\n`);
  const config = withArguments(loaded.config, args);
  const log = openServerLog(config);
  const { environment } = terminal;
  const readAgain = () => loadConfig({ paths: args.configPaths, environment }).config;
  return {
    settings: await settingsOf(config, { environment, log: log.log }),
    log,
    pidFile: config.pidFile,
    readLogLevels() {
      const { logLevel, logRequestsLevel } = withArguments(readAgain(), args);
      log.levels.configure(logLevel);
      log.levels.requests = requestsLevel(logRequestsLevel);
    },
    seals: () => openSeals(readAgain().seals, environment, log.log),
    begin: (server, stopped) => announce(server, { terminal, log: log.log, stopped }),
  };
}

/** `coffer server -check`: says what is wrong, by file, line and field. Exit code 1 when something is. */
export async function checkConfig(paths: readonly string[], terminal: ServeTerminal): Promise<number> {
  const say = (finding: Finding) => terminal.output.write(`${finding.severity}: ${formatFinding(finding)}\n`);
  try {
    const { environment } = terminal;
    const { config, warnings } = loadConfig({ paths, environment });
    for (const warning of warnings) say(warning);
    const warn = (message: string) => void terminal.output.write(`warning: ${message}\n`);
    const settings = await settingsOf(config, { environment, log: { ...silentLogger, warn } });
    for (const { seal } of settings.seals) seal.close();
    for (const listener of settings.listeners)
      if (!listener.tlsDisable && listener.type === 'tcp') await loadTls(listener);
    terminal.output.write('The configuration is valid.\n');
    return 0;
  } catch (error) {
    if (error instanceof ConfigError) for (const finding of error.findings) say(finding);
    else terminal.output.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

interface AnnounceParts {
  readonly terminal: ServeTerminal;
  readonly log: Logger;
  readonly stopped: AbortSignal;
}

async function announce(server: RunningServer, parts: AnnounceParts): Promise<void> {
  const { output } = parts.terminal;
  for (const address of server.addresses) output.write(`==> Coffer listens at ${address}\n`);
  if (!server.lifecycle.initialized) {
    output.write('==> Not initialized yet: run "coffer operator init"\n');
    return;
  }
  await server.lifecycle.unsealAutomatically().catch((error) => {
    parts.log.error('no seal unsealed the server; it is tried again', { error });
    retry(server, parts, RETRY_MS_FIRST);
  });
  if (server.lifecycle.sealed) output.write('==> Sealed: run "coffer operator unseal"\n');
}

const RETRY_MS_FIRST = 2000;
const RETRY_MS_MAX = 60_000;

/** A key service that is away comes back: wait for it rather than end. Not all servers ask it at the same moment. */
function retry(server: RunningServer, parts: AnnounceParts, delayMs: number): void {
  systemClock.after(delayMs * (0.75 + systemRandom.below(500) / 1000), () => {
    if (parts.stopped.aborted) return;
    server.lifecycle.unsealAutomatically().catch((error) => {
      parts.log.warn('no seal unsealed the server', { error });
      retry(server, parts, Math.min(delayMs * 2, RETRY_MS_MAX));
    });
  });
}
