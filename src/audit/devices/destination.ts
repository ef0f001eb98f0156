import { isIP } from 'node:net';
import { parseDuration } from '../../base/duration.ts';
import { InvalidRequest } from '../../base/errors.ts';
import type { AuditOptions } from '../device.ts';

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** `host:port` or `[::1]:port`. Throws `InvalidRequest`. */
export function parseHostAndPort(address: string, portDefault?: number): HostAndPort {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? portDefault : Number(match[3]);
  if (
    host === undefined ||
    port === undefined ||
    port < 1 ||
    port > 65_535 ||
    (match?.[1] && isIP(host) !== 6)
  ) {
    throw new InvalidRequest(`address must be host:port, not ${JSON.stringify(address)}`);
  }
  return { host, port };
}

const WRITE_TIMEOUT_SECONDS = 2;

/** `write_timeout` in milliseconds; undefined (option value 0) waits as long as it takes. Throws `InvalidRequest`. */
export function writeTimeoutMs(options: AuditOptions): number | undefined {
  const text = options.write_timeout ?? '';
  let seconds: number;
  try {
    seconds = text === '' ? WRITE_TIMEOUT_SECONDS : parseDuration(text);
  } catch {
    throw new InvalidRequest('write_timeout must be a duration such as "2s"');
  }
  if (seconds < 0) throw new InvalidRequest('write_timeout must not be negative');
  return seconds === 0 ? undefined : seconds * 1000;
}

/** The text itself, or what `env://NAME` or `file://path` refers to is left to the caller: this names which. */
export function reference(text: string): { kind: 'text' | 'env' | 'file'; value: string } {
  if (text.startsWith('env://')) return { kind: 'env', value: text.slice('env://'.length) };
  if (text.startsWith('file://')) return { kind: 'file', value: text.slice('file://'.length) };
  return { kind: 'text', value: text };
}
