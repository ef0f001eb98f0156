import type { Clock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';

/** A place entries go to. Opened and ready; its caller makes one call at a time. */
export interface AuditDevice {
  /** Writes whole entries in UTF-8, each ending in a line feed. Resolves when the receiver (or its kernel) has all of them; rejects otherwise. */
  write(lines: readonly Buffer[]): Promise<void>;
  /** Closes and opens anew what lies behind: on SIGHUP, after log rotation. */
  reload?(): Promise<void>;
  close(): Promise<void>;
}

/** What the registry lists. */
export interface AuditDeviceType {
  readonly type: string;
  /** Options of its own, beside the common ones. */
  readonly options: readonly string[];
  /** Of these, the ones that may hold secrets: never shown again. */
  readonly secretOptions?: readonly string[];
  /** Checks the options (throws `InvalidRequest`); the result opens the device, anew after each failure. */
  configure(options: AuditOptions, deps: AuditDeviceDeps): () => Promise<AuditDevice>;
}

/** As the API takes them: all text. */
export type AuditOptions = Readonly<Record<string, string>>;

export interface AuditDeviceDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Audit files lie in one of these folders; undefined: anywhere that is no system interface. From the configuration file only. */
  readonly fileFolders?: readonly string[] | undefined;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/** Go's `strconv.ParseBool`, as the options have always been read. Throws `InvalidRequest`. */
export function booleanOption(options: AuditOptions, name: string, absent: boolean): boolean {
  const text = options[name];
  if (text === undefined || text === '') return absent;
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw new InvalidRequest(`unable to parse ${name}: expected true or false`);
}

/** Throws `InvalidRequest` when the option is missing or empty. */
export function requiredOption(options: AuditOptions, name: string): string {
  const text = options[name]?.trim();
  if (!text) throw new InvalidRequest(`${name} is required`);
  return text;
}
