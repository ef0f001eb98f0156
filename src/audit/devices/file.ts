import { constants } from 'node:fs';
import { type FileHandle, lstat, open, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { InvalidRequest } from '../../base/errors.ts';
import {
  type AuditDevice,
  type AuditDeviceDeps,
  type AuditDeviceType,
  type AuditOptions,
  requiredOption,
} from '../device.ts';
import { outputDevice } from './output.ts';

/**
 * A file that entries are appended to. `file_path` may be `stdout`, `stderr` or `discard`; `mode` is octal text.
 * A file that was moved or removed is noticed within `VERIFY_EVERY_MS`: it is made anew, and what was written to a
 * removed one in that time is written again.
 */
export const fileDevice: AuditDeviceType = {
  type: 'file',
  options: ['file_path', 'path', 'mode'],
  configure(options, deps) {
    const path = requiredOption({ file_path: options.file_path || options.path || '' }, 'file_path');
    const mode = parseMode(options);
    const output = OUTPUTS.get(path);
    if (output) return async () => outputDevice(output(deps));
    if (path.includes('\0')) throw new InvalidRequest('file_path must not contain a NUL');
    return () => FileDevice.open({ path: resolve(path), mode, deps });
  },
};

const OUTPUTS = new Map<string, (deps: AuditDeviceDeps) => NodeJS.WritableStream | undefined>([
  ['stdout', ({ stdout }) => stdout],
  ['/dev/stdout', ({ stdout }) => stdout],
  ['stderr', ({ stderr }) => stderr],
  ['/dev/stderr', ({ stderr }) => stderr],
  ['discard', () => undefined],
  ['/dev/null', () => undefined],
]);

const MODE_DEFAULT = 0o600;
const VERIFY_EVERY_MS = 100;
/** Bytes kept for writing again; reaching it means looking at once. */
const UNVERIFIED_LENGTH_MAX = 1024 * 1024;
/** Files there are switches of the kernel, whatever they look like. */
const SYSTEM_FOLDERS = ['/proc', '/sys', '/dev'];

const LINE_FEED = Buffer.from('\n');
const NOTHING = Buffer.alloc(0);

interface FileOptions {
  readonly path: string;
  /** 0: leave the mode of an existing file alone. */
  readonly mode: number;
  readonly deps: AuditDeviceDeps;
}

class FileDevice implements AuditDevice {
  readonly #options: FileOptions;
  #handle: FileHandle;
  #verifiedAtMs = Number.NEGATIVE_INFINITY;
  #unverified: Buffer[] = [];
  #unverifiedLength = 0;
  /** The last write ended inside a line. */
  #torn = false;
  /** The last write failed: what is open may be of no more use (a stale network file, say). */
  #broken = false;

  private constructor(options: FileOptions, handle: FileHandle) {
    this.#options = options;
    this.#handle = handle;
  }

  static async open(options: FileOptions): Promise<FileDevice> {
    return new FileDevice(options, await openForAppending(options));
  }

  async write(lines: readonly Buffer[]): Promise<void> {
    const bytes = Buffer.concat(lines);
    if (this.#broken) await this.reload();
    await this.#append(bytes);
    this.#unverified.push(bytes);
    this.#unverifiedLength += bytes.length;
    const elapsedMs = this.#options.deps.clock.monotonic() - this.#verifiedAtMs;
    if (elapsedMs >= VERIFY_EVERY_MS || this.#unverifiedLength > UNVERIFIED_LENGTH_MAX) await this.#verify();
  }

  async reload(): Promise<void> {
    const handle = await openForAppending(this.#options);
    await this.#handle.close().catch(() => {});
    this.#handle = handle;
    this.#broken = false;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #append(lines: Buffer): Promise<void> {
    // A line that a full disk cut short must not swallow the next one.
    const bytes = this.#torn ? Buffer.concat([LINE_FEED, lines]) : lines;
    let written = 0;
    try {
      while (written < bytes.length) {
        const { bytesWritten } = await this.#handle.write(bytes, written);
        written += bytesWritten;
      }
      this.#torn = false;
    } catch (error) {
      if (written > 0) this.#torn = true;
      this.#broken = true;
      throw error;
    }
  }

  /** Is what lies at the path still what is being written to? If not, opens the path anew. */
  async #verify(): Promise<void> {
    const [there, ours] = await Promise.all([
      lstat(this.#options.path).catch(() => undefined),
      this.#handle.stat(),
    ]);
    if (there?.ino !== ours.ino || there.dev !== ours.dev) {
      const lost = ours.nlink === 0 ? Buffer.concat(this.#unverified) : NOTHING;
      await this.reload();
      if (lost.length > 0) await this.#append(lost);
      this.#options.deps.log.warn('the audit file was moved or removed and has been opened anew', {
        path: this.#options.path,
      });
    }
    this.#unverified = [];
    this.#unverifiedLength = 0;
    this.#verifiedAtMs = this.#options.deps.clock.monotonic();
  }
}

/** Throws a plain `Error` that says what is wrong with the path. */
async function openForAppending({ path, mode, deps }: FileOptions): Promise<FileHandle> {
  const refuse = (reason: string): Error =>
    new Error(`unable to open ${JSON.stringify(path)} for writing: ${reason}`);
  const target = await confined(path, deps.fileFolders).catch((error) => {
    throw refuse(systemReason(error));
  });
  // NOFOLLOW: no link is written through, also not one made a moment ago. NONBLOCK: a pipe fails instead of waiting.
  const flags =
    constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(target, flags, mode || MODE_DEFAULT).catch((error) => {
    throw refuse(systemReason(error));
  });
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw refuse('it is not a regular file');
    if ((found.mode & 0o111) !== 0) throw refuse('it is executable');
    if (mode !== 0 && (found.mode & 0o777) !== mode) await handle.chmod(mode);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The path with its folder's links resolved, if that folder may hold audit files. */
async function confined(path: string, folders: readonly string[] | undefined): Promise<string> {
  const folder = await realpath(dirname(path));
  if (SYSTEM_FOLDERS.some((system) => within(folder, system)))
    throw new Error('its folder belongs to the system');
  if (folders) {
    const allowed = await Promise.all(
      folders.map((allowedFolder) => realpath(allowedFolder).catch(() => undefined)),
    );
    if (!allowed.some((allowedFolder) => allowedFolder !== undefined && within(folder, allowedFolder))) {
      throw new Error('its folder is not one that the server configuration allows');
    }
  }
  return join(folder, basename(path));
}

function within(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}

const REASONS = new Map([
  ['ENOENT', 'no such file or directory'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'operation not permitted'],
  ['EISDIR', 'is a directory'],
  ['ENOTDIR', 'not a directory'],
  ['ELOOP', 'it is a symbolic link'],
  ['ENXIO', 'it is not a regular file'],
  ['EROFS', 'read-only file system'],
  ['ENOSPC', 'no space left on device'],
]);

function systemReason(error: NodeJS.ErrnoException): string {
  return error.code === undefined ? error.message : (REASONS.get(error.code) ?? error.code);
}

function parseMode({ mode = '' }: AuditOptions): number {
  if (mode === '') return MODE_DEFAULT;
  if (!/^(0o?)?[0-7]{1,4}$/.test(mode))
    throw new InvalidRequest(`mode must be octal, not ${JSON.stringify(mode)}`);
  const bits = Number.parseInt(mode.replace(/^0o/, ''), 8);
  if ((bits & 0o111) !== 0) throw new InvalidRequest('mode must not have an executable bit');
  if (bits > 0o777) throw new InvalidRequest('mode must only have permission bits');
  return bits;
}
