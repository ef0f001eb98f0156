import { closeSync, fstatSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import type { Clock } from '../base/clock.ts';

export interface LogFileOptions {
  /** As configured: a folder takes the usual name, a name without ending the usual ending. */
  readonly path: string;
  /** Seconds after which a new file is begun; 0: never. */
  readonly rotateSeconds: number;
  /** Bytes a file may have; 0: any number. */
  readonly rotateBytes: number;
  /** Old files that are kept; 0: all, -1: none. */
  readonly filesMax: number;
  readonly clock: Clock;
}

const NAME_DEFAULT = 'coffer.log';
const MODE = 0o600;
/** Of the time in an old file's name: nanoseconds since the Unix epoch, as Vault names them. */
const STAMP = /^\d{19}$/;

/** The server log in a file. One that is full or old is set aside, with the time in its name. */
export class LogFile {
  readonly path: string;
  readonly #options: LogFileOptions;
  readonly #folder: string;
  readonly #stem: string;
  readonly #ending: string;
  #file: number;
  #bytes: number;
  #openedMs: number;
  #lastStamp = 0;

  /** Throws when it cannot be opened. */
  constructor(options: LogFileOptions) {
    this.#options = options;
    this.path = fullPath(options.path);
    this.#folder = dirname(this.path);
    this.#ending = extname(this.path);
    this.#stem = basename(this.path, this.#ending);
    this.#file = openSync(this.path, 'a', MODE);
    this.#bytes = fstatSync(this.#file).size;
    this.#openedMs = options.clock.now();
  }

  /** A full disk takes the line; it must not fail the request that the line is about. */
  write(line: string): void {
    try {
      if (this.#isDue(line)) this.#rotate();
      this.#bytes += writeSync(this.#file, line);
    } catch {
      // There is nowhere left to say it.
    }
  }

  /** After somebody else moved it away. Throws, and goes on with the old one, when it cannot be opened. */
  reopen(): void {
    const file = openSync(this.path, 'a', MODE);
    closeSync(this.#file);
    this.#file = file;
    this.#bytes = fstatSync(file).size;
    this.#openedMs = this.#options.clock.now();
  }

  close(): void {
    closeSync(this.#file);
  }

  #isDue(line: string): boolean {
    const { rotateBytes, rotateSeconds, clock } = this.#options;
    if (this.#bytes === 0) return false;
    if (rotateBytes > 0 && this.#bytes + Buffer.byteLength(line) > rotateBytes) return true;
    return rotateSeconds > 0 && clock.now() - this.#openedMs >= rotateSeconds * 1000;
  }

  /** Where that fails, the log goes on in the same file, and it is tried again when that is due once more. */
  #rotate(): void {
    try {
      renameSync(this.path, join(this.#folder, `${this.#stem}-${this.#stamp()}${this.#ending}`));
      this.reopen();
      this.#prune();
    } catch {
      this.#openedMs = this.#options.clock.now();
      this.#bytes = 0;
    }
  }

  /** Unique even within one millisecond. */
  #stamp(): string {
    this.#lastStamp = Math.max(this.#lastStamp + 1, this.#options.clock.now() * 1000);
    return `${this.#lastStamp}000`;
  }

  #prune(): void {
    const { filesMax } = this.#options;
    if (filesMax === 0) return;
    const before = `${this.#stem}-`;
    const old = readdirSync(this.#folder)
      .filter((name) => name.startsWith(before) && name.endsWith(this.#ending))
      .filter((name) => STAMP.test(name.slice(before.length, name.length - this.#ending.length)))
      .sort();
    const surplus = old.length - Math.max(0, filesMax);
    for (const name of old.slice(0, Math.max(0, surplus))) rmSync(join(this.#folder, name), { force: true });
  }
}

function fullPath(path: string): string {
  if (path.endsWith('/')) return join(path, NAME_DEFAULT);
  return extname(path) === '' ? `${path}.log` : path;
}
