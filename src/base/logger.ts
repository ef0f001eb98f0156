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

export interface LoggerOptions {
  level: LogLevel;
  format: 'standard' | 'json';
  write: (line: string) => void;
  now: () => number;
}

/** Levels by logger name; shared by every logger of one tree, so that `sys/loggers` takes effect at once. */
export class LogLevels {
  #default: LogLevel;
  readonly #byName = new Map<string, LogLevel>();
  readonly #seen = new Set<string>();
  constructor(level: LogLevel) {
    this.#default = level;
  }
  level(name: string): LogLevel {
    return this.#byName.get(name) ?? this.#default;
  }
  set(name: string | undefined, level: LogLevel): void {
    if (name === undefined) {
      this.#default = level;
      this.#byName.clear();
    } else this.#byName.set(name, level);
  }
  reset(name: string | undefined, level: LogLevel): void {
    if (name === undefined) this.set(undefined, level);
    else this.#byName.delete(name);
  }
  note(name: string): void {
    this.#seen.add(name);
  }
  names(): string[] {
    return [...this.#seen].sort();
  }
}

export function createLogger(
  options: LoggerOptions,
  levels = new LogLevels(options.level),
  name = '',
): Logger {
  levels.note(name);
  const at = (level: LogLevel) => (message: string, details?: Record<string, unknown>) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(levels.level(name))) return;
    options.write(render(options, level, name, message, details));
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

function render(
  options: LoggerOptions,
  level: LogLevel,
  name: string,
  message: string,
  details: Record<string, unknown> = {},
): string {
  const time = new Date(options.now()).toISOString();
  const plain = Object.fromEntries(
    Object.entries(details).map(([key, value]) => [key, value instanceof Error ? value.message : value]),
  );
  if (options.format === 'json') {
    const fields = { '@level': level, '@message': message, '@module': name, '@timestamp': time, ...plain };
    return `${JSON.stringify(fields)}\n`;
  }
  const pairs = Object.entries(plain).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  const subject = name ? `${name}: ` : '';
  return `${time} [${level.toUpperCase()}]${level.length === 4 ? '  ' : ' '}${subject}${message}${pairs.length ? ':' : ''}${pairs.join('')}\n`;
}
