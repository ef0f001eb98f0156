import { closeSync, openSync, writeSync } from 'node:fs';
import { systemClock } from '../base/clock.ts';
import { createLogger, LOG_LEVELS, type Logger, type LogLevel, LogLevels } from '../base/logger.ts';

export interface ServerLog {
  readonly log: Logger;
  readonly levels: LogLevels;
  monitor(level: string, listener: (line: string) => void): () => void;
  /** Opens the log file anew, after it was moved away. */
  reopen(): void;
}

export interface ServerLogOptions {
  readonly logLevel: LogLevel;
  readonly logFormat: 'standard' | 'json';
  /** Standard error without one. */
  readonly logFile?: string;
}

const STANDARD_ERROR = 2;

/** The server log: to standard error or a file, and to whoever listens through `sys/monitor`. */
export function openServerLog({ logLevel: level, logFormat: format, logFile }: ServerLogOptions): ServerLog {
  const levels = new LogLevels(level);
  const listeners = new Set<{ level: string; listener: (line: string) => void }>();
  const open = (): number => (logFile === undefined ? STANDARD_ERROR : openSync(logFile, 'a', 0o600));
  let file = open();
  const write = (line: string) => {
    writeLine(file, line);
    for (const each of listeners) if (atLeast(line, each.level)) each.listener(line);
  };
  return {
    log: createLogger({ level, format, write, now: () => systemClock.now() }, levels),
    levels,
    monitor(wanted, listener) {
      const entry = { level: wanted, listener };
      listeners.add(entry);
      return () => void listeners.delete(entry);
    },
    reopen() {
      if (logFile === undefined) return;
      const before = file;
      file = open();
      closeSync(before);
    },
  };
}

/** Vault's names for levels. Throws Error for one that is none. */
export function logLevel(text: string): LogLevel {
  const lower = text.toLowerCase();
  const level = LEVEL_NAMES.get(lower) ?? LOG_LEVELS.find((each) => each === lower);
  if (!level) throw new Error(`unknown log level: ${text}`);
  return level;
}

const LEVEL_NAMES: ReadonlyMap<string, LogLevel> = new Map([
  ['notice', 'info'],
  ['warning', 'warn'],
  ['err', 'error'],
]);

/** A full disk or a closed pipe takes the line; it must not fail the request that the line is about. */
function writeLine(file: number, line: string): void {
  try {
    writeSync(file, line);
  } catch {
    // There is nowhere left to say it.
  }
}

function atLeast(line: string, level: string): boolean {
  const found = LOG_LEVELS.findIndex(
    (each) => line.includes(`[${each.toUpperCase()}]`) || line.includes(`"@level":"${each}"`),
  );
  return found >= LOG_LEVELS.findIndex((each) => each === level);
}
