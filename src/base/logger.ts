/** Server log: never for secrets, never for what the audit log is for. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';
export const LOG_LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error'];

export interface Logger {
  readonly name: string;
  trace(message: string, details?: Record<string, unknown>): void;
  debug(message: string, details?: Record<string, unknown>): void;
  info(message: string, details?: Record<string, unknown>): void;
  warn(message: string, details?: Record<string, unknown>): void;
  error(message: string, details?: Record<string, unknown>): void;
  /** A logger for a subsystem: `core` gives `core.expiration`. */
  named(name: string): Logger;
}

/** What one call of a logger says. */
export interface LogEntry {
  readonly level: LogLevel;
  readonly name: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly timeMs: number;
}

export type LogFormat = 'standard' | 'json';

export interface LoggerOptions {
  level: LogLevel;
  format: LogFormat;
  write: (line: string) => void;
  now: () => number;
  /** Who else listens, at levels of their own. */
  taps?: LogTaps;
}

const RANKS: Readonly<Record<LogLevel, number>> = { trace: 0, debug: 1, info: 2, warn: 3, error: 4 };

/**
 * Levels by logger name; shared by every logger of one tree, so that `sys/loggers` takes effect at once. What is set for
 * `core` holds for `core.slow` as well, until that gets its own.
 */
export class LogLevels {
  /** At which level requests that were answered are logged, if at all. */
  requests: LogLevel | undefined;
  #configured: LogLevel;
  #default: LogLevel;
  readonly #byName = new Map<string, LogLevel>();
  /** What was worked out for a name, until something changes. */
  readonly #effective = new Map<string, LogLevel>();
  readonly #seen = new Set<string>();
  constructor(level: LogLevel) {
    this.#configured = level;
    this.#default = level;
  }
  level(name: string): LogLevel {
    let level = this.#effective.get(name);
    if (level === undefined) {
      const parent = name.lastIndexOf('.');
      level = this.#byName.get(name) ?? (parent < 0 ? this.#default : this.level(name.slice(0, parent)));
      this.#effective.set(name, level);
    }
    return level;
  }
  /** Of one logger and those below it, or of all. */
  set(name: string | undefined, level: LogLevel): void {
    if (name === undefined) {
      this.#default = level;
      this.#byName.clear();
    } else this.#byName.set(name, level);
    this.#effective.clear();
  }
  /** Back to what the configuration says. */
  reset(name: string | undefined): void {
    if (name === undefined) this.set(undefined, this.#configured);
    else this.set(name, this.#configured);
  }
  /** The configuration was read again. */
  configure(level: LogLevel): void {
    this.#configured = level;
    this.set(undefined, level);
  }
  note(name: string): void {
    this.#seen.add(name);
  }
  names(): string[] {
    return [...this.#seen].sort();
  }
}

/** Listeners to everything that is logged at a level and above, whatever the loggers' own levels (`sys/monitor`). */
export class LogTaps {
  readonly #taps = new Set<{ readonly rank: number; readonly take: (entry: LogEntry) => void }>();
  #lowest = Number.POSITIVE_INFINITY;

  /** The returned function stops. */
  add(level: LogLevel, take: (entry: LogEntry) => void): () => void {
    const tap = { rank: RANKS[level], take };
    this.#taps.add(tap);
    this.#measure();
    return () => {
      this.#taps.delete(tap);
      this.#measure();
    };
  }
  wants(level: LogLevel): boolean {
    return RANKS[level] >= this.#lowest;
  }
  take(entry: LogEntry): void {
    for (const { rank, take } of this.#taps) if (RANKS[entry.level] >= rank) take(entry);
  }
  #measure(): void {
    this.#lowest = Math.min(...Array.from(this.#taps, ({ rank }) => rank));
  }
}

export function createLogger(
  options: LoggerOptions,
  levels = new LogLevels(options.level),
  name = '',
): Logger {
  levels.note(name);
  const { taps } = options;
  const at =
    (level: LogLevel) =>
    (message: string, details: Record<string, unknown> = {}) => {
      const shown = RANKS[level] >= RANKS[levels.level(name)];
      const tapped = taps?.wants(level) ?? false;
      if (!shown && !tapped) return;
      const entry = { level, name, message, details, timeMs: options.now() };
      if (shown) options.write(renderEntry(entry, options.format));
      if (tapped) taps?.take(entry);
    };
  return {
    name,
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    named: (child) => createLogger(options, levels, name ? `${name}.${child}` : child),
  };
}

export const silentLogger: Logger = createLogger({
  level: 'error',
  format: 'standard',
  write: () => {},
  now: () => 0,
});

/** One line, with its newline. */
export function renderEntry(entry: LogEntry, format: LogFormat): string {
  const { level, name, message, details, timeMs } = entry;
  const time = new Date(timeMs).toISOString();
  const plain = Object.fromEntries(
    Object.entries(details).map(([key, value]) => [key, value instanceof Error ? value.message : value]),
  );
  if (format === 'json') {
    const fields = { '@level': level, '@message': message, '@module': name, '@timestamp': time, ...plain };
    return `${JSON.stringify(fields)}\n`;
  }
  const pairs = Object.entries(plain)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  const subject = name ? `${name}: ` : '';
  return `${time} [${level.toUpperCase()}]${level.length === 4 ? '  ' : ' '}${subject}${oneLine(message)}${pairs.length ? ':' : ''}${pairs.join('')}\n`;
}

function oneLine(text: string): string {
  return text.replaceAll('\r', '\\r').replaceAll('\n', '\\n');
}
