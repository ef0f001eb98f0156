import { closeSync, openSync, writeSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { createLogger, LOG_LEVELS, type Logger, type LogLevel, LogLevels } from '../base/logger.ts';

export interface ServerLog {
  readonly log: Logger;
  readonly levels: LogLevels;
  monitor(level: string, listener: (line: string) => void): () => void;
  /** Opens the log file anew, after it was moved away. */
  reopen(): void;
}

/** The server log: to standard error or a file, and to whoever listens through `sys/monitor`. */
export function openServerLog(options: { level: LogLevel; format: 'standard' | 'json'; file: string | undefined; clock: Clock }): ServerLog {
  const levels = new LogLevels(options.level);
  const listeners = new Set<{ level: string; listener: (line: string) => void }>();
  let file = options.file === undefined ? 2 : openSync(options.file, 'a', 0o600);
  const write = (line: string) => {
    writeSync(file, line);
    for (const each of listeners) if (atLeast(line, each.level)) each.listener(line);
  };
  return {
    log: createLogger({ level: options.level, format: options.format, write, now: () => options.clock.now() }, levels),
    levels,
    monitor(level, listener) {
      const entry = { level, listener };
      listeners.add(entry);
      return () => void listeners.delete(entry);
    },
    reopen() {
      if (options.file === undefined) return;
      const before = file;
      file = openSync(options.file, 'a', 0o600);
      closeSync(before);
    },
  };
}

/** Throws Error for a level that is none. */
export function logLevel(text: string | undefined): LogLevel {
  const level = (text || 'info').toLowerCase().replace(/^warning$/, 'warn').replace(/^err$/, 'error').replace(/^notice$/, 'info');
  const known = LOG_LEVELS.find((each) => each === level);
  if (!known) throw new Error(`unknown log level: ${text}`);
  return known;
}

function atLeast(line: string, level: string): boolean {
  const found = LOG_LEVELS.findIndex((each) => line.includes(`[${each.toUpperCase()}]`) || line.includes(`"@level":"${each}"`));
  return found >= LOG_LEVELS.findIndex((each) => each === level);
}
