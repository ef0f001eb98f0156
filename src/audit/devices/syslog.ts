import { type ChildProcess, spawn } from 'node:child_process';
import { hostname } from 'node:os';
import { InvalidRequest } from '../../base/errors.ts';
import type { AuditDevice, AuditDeviceDeps, AuditDeviceType } from '../device.ts';
import {
  type Connection,
  type ConnectionOptions,
  datagramConnection,
  limited,
  streamConnection,
} from './connection.ts';
import { parseHostAndPort, writeTimeoutMs } from './destination.ts';
import { writeTo } from './output.ts';

/**
 * Entries to syslog, one message each, severity INFO. With `address` (`udp://host:514`, `tcp://host:601`,
 * `unix:///path` for a stream socket) they go there as RFC 5424 messages, over TCP and Unix streams counted as in
 * RFC 6587. Without, they go to the local agent: its socket takes datagrams, which Node cannot send, so that util-linux's
 * `logger` program is kept running for it; what it was given counts as written. Over UDP, long entries do not fit and fail.
 */
export const syslogDevice: AuditDeviceType = {
  type: 'syslog',
  options: ['facility', 'tag', 'address', 'write_timeout'],
  configure(options, deps) {
    const facility = (options.facility || 'AUTH').toUpperCase();
    const code = FACILITIES.get(facility);
    if (code === undefined) throw new InvalidRequest(`unknown syslog facility ${JSON.stringify(facility)}`);
    const tag = options.tag || 'vault';
    // RFC 5424, section 6.2.5, without what a program could take for an option.
    if (!/^[\w][\w.:/-]{0,47}$/.test(tag))
      throw new InvalidRequest('tag must be up to 48 letters, digits, or any of _.:/-');
    const timeoutMs = writeTimeoutMs(options);
    if (!options.address) return async () => localAgent({ facility, tag, timeoutMs, deps });
    const { open, frame } = parseAddress(options.address, { clock: deps.clock, timeoutMs });
    const header = `<${code * 8 + SEVERITY_INFO}>1`;
    const origin = `${hostname() || '-'} ${tag} ${process.pid} -`;
    return async () => {
      const connection = open();
      const message = (line: Buffer): Buffer =>
        frame(
          `${header} ${new Date(deps.clock.now()).toISOString()} ${origin} - ${line.toString().trimEnd()}`,
        );
      return {
        write: (lines) => connection.send(lines.map(message)),
        reload: async () => connection.close(),
        close: async () => connection.close(),
      };
    };
  },
};

const SEVERITY_INFO = 6;

/** RFC 5424, table 1, by the names that syslog.conf and Vault's option use. */
const FACILITIES: ReadonlyMap<string, number> = new Map([
  ['KERN', 0],
  ['USER', 1],
  ['MAIL', 2],
  ['DAEMON', 3],
  ['AUTH', 4],
  ['SYSLOG', 5],
  ['LPR', 6],
  ['NEWS', 7],
  ['UUCP', 8],
  ['CRON', 9],
  ['AUTHPRIV', 10],
  ['FTP', 11],
  ...Array.from({ length: 8 }, (_, index): [string, number] => [`LOCAL${index}`, 16 + index]),
]);

interface Destination {
  readonly open: () => Connection;
  readonly frame: (message: string) => Buffer;
}

function parseAddress(address: string, options: ConnectionOptions): Destination {
  const [, scheme = '', rest = ''] = /^(\w+):\/\/(.+)$/.exec(address) ?? [];
  switch (scheme) {
    case 'udp': {
      const target = parseHostAndPort(rest, 514);
      return { open: () => datagramConnection(target, options), frame: (message) => Buffer.from(message) };
    }
    case 'tcp': {
      const target = parseHostAndPort(rest, 601);
      return { open: () => streamConnection(target, options), frame: counted };
    }
    case 'unix':
      return { open: () => streamConnection({ path: rest }, options), frame: counted };
    default:
      throw new InvalidRequest('address must begin with udp://, tcp:// or unix://');
  }
}

/** RFC 6587, section 3.4.1. */
function counted(message: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(message)} ${message}`);
}

interface LocalAgentOptions {
  readonly facility: string;
  readonly tag: string;
  readonly timeoutMs: number | undefined;
  readonly deps: AuditDeviceDeps;
}

function localAgent({ facility, tag, timeoutMs, deps }: LocalAgentOptions): AuditDevice {
  let program: ChildProcess | undefined;
  const stop = (): void => {
    program?.stdin?.end();
    program = undefined;
  };
  const start = (): ChildProcess => {
    const flags = [
      `--tag=${tag}`,
      `--priority=${facility.toLowerCase()}.info`,
      '--size=1MiB',
      '--socket-errors=on',
    ];
    const started = spawn('logger', flags, {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: deps.environment.PATH },
    });
    const forget = (): void => {
      if (program === started) program = undefined;
    };
    started.on('error', forget).on('exit', forget);
    started.stdin.on('error', forget);
    program = started;
    return started;
  };
  const send = async (bytes: Buffer): Promise<void> => {
    const running = program ?? start();
    await aliveWhile(running, writeTo(running.stdin!, bytes));
  };
  return {
    write: (lines) => limited(deps.clock, timeoutMs, send(Buffer.concat(lines)), () => program?.kill()),
    reload: async () => stop(),
    close: async () => stop(),
  };
}

function aliveWhile(program: ChildProcess, written: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (): void =>
      reject(new Error('the local syslog agent cannot be reached through the logger program'));
    program.once('error', failed).once('exit', failed);
    written.then(resolve, failed).finally(() => program.off('error', failed).off('exit', failed));
  });
}
