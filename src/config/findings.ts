import { InvalidRequest } from '../base/errors.ts';
import type { Position } from '../hcl/hcl.ts';

/** Something to say about a configuration. */
export interface Finding {
  readonly severity: 'error' | 'warning';
  /** The file's path, or `environment`. */
  readonly file: string;
  /** From 1; 0 when it is about no line (the environment, something missing). */
  readonly line: number;
  readonly column: number;
  /** Dotted, with labels: `listener.tcp.tls_min_version`; '' for the file as a whole. */
  readonly field: string;
  readonly message: string;
}

/** The configuration cannot be used. The message has one line for each error. */
export class ConfigError extends InvalidRequest {
  /** Errors and warnings. */
  readonly findings: readonly Finding[];
  constructor(findings: readonly Finding[]) {
    const errors = findings.filter((finding) => finding.severity === 'error');
    super(errors.map(formatFinding).join('\n'));
    this.findings = findings;
  }
}

/** `server.hcl:3:5: listener.tcp.address: expected a string, found a number`. */
export function formatFinding({ file, line, column, field, message }: Finding): string {
  const place = line > 0 ? `${file}:${line}:${column}` : file;
  return `${place}: ${field === '' ? '' : `${field}: `}${message}`;
}

/** Where a reader is: it names the place of what it finds. */
export class Scope {
  readonly file: string;
  readonly #path: string;
  readonly #findings: Finding[];

  constructor(file: string, findings: Finding[], path = '') {
    this.file = file;
    this.#findings = findings;
    this.#path = path;
  }

  inside(...names: readonly string[]): Scope {
    return new Scope(this.file, this.#findings, [this.#path, ...names].filter(Boolean).join('.'));
  }

  error(at: Position | undefined, message: string): void {
    this.#add('error', at, message);
  }

  warning(at: Position | undefined, message: string): void {
    this.#add('warning', at, message);
  }

  #add(severity: Finding['severity'], at: Position | undefined, message: string): void {
    const { line, column } = at ?? { line: 0, column: 0 };
    this.#findings.push({ severity, file: this.file, line, column, field: this.#path, message });
  }
}
