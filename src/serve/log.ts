import { writeSync } from 'node:fs';
import { systemClock } from '../base/clock.ts';
import {
  createLogger,
  LOG_LEVELS,
  type LogFormat,
  type Logger,
  type LogLevel,
  LogLevels,
  LogTaps,
  renderEntry,
} from '../base/logger.ts';
import type { ServerFacts } from '../sys/parts.ts';
import { LogFile } from './log-file.ts';

export interface ServerLog {
  readonly log: Logger;
  readonly levels: LogLevels;
  readonly monitor: ServerFacts['monitorLog'];
  /** Opens the log file anew, after it was moved away. */
  reopen(): void;
}

export interface ServerLogOptions {
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** Beside standard error. */
  readonly logFile?: string;
  readonly logRotateDurationSeconds?: number;
  readonly logRotateBytes?: number;
  readonly logRotateMaxFiles?: number;
  readonly logRequestsLevel?: string;
}

const STANDARD_ERROR = 2;
const ROTATE_SECONDS_DEFAULT = 24 * 3600;

/** The server log: to standard error, to a file if there is one, and to whoever listens through `sys/monitor`. */
export function openServerLog(options: ServerLogOptions): ServerLog {
  const { logLevel: level, logFormat: format } = options;
  const levels = new LogLevels(level);
  levels.requests = requestsLevel(options.logRequestsLevel);
  const taps = new LogTaps();
  const file = options.logFile ? openFile(options, options.logFile) : undefined;
  const write = (line: string) => {
    writeLine(line);
    file?.write(line);
  };
  return {
    log: createLogger({ level, format, write, now: () => systemClock.now(), taps }, levels),
    levels,
    monitor: (wanted, listener) =>
      taps.add(wanted.level, (entry) => listener(renderEntry(entry, wanted.format))),
    reopen: () => file?.reopen(),
  };
}

function openFile(options: ServerLogOptions, path: string): LogFile {
  return new LogFile({
    path,
    rotateSeconds: options.logRotateDurationSeconds ?? ROTATE_SECONDS_DEFAULT,
    rotateBytes: options.logRotateBytes ?? 0,
    filesMax: options.logRotateMaxFiles ?? 0,
    clock: systemClock,
  });
}

/** `log_requests_level`; undefined: requests are not logged. Throws Error for a level that is none. */
export function requestsLevel(text = ''): LogLevel | undefined {
  const level = text.trim();
  return level === '' || level === 'off' ? undefined : logLevel(level);
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

/** A closed pipe takes the line; it must not fail the request that the line is about. */
function writeLine(line: string): void {
  try {
    writeSync(STANDARD_ERROR, line);
  } catch {
    // There is nowhere left to say it.
  }
}
