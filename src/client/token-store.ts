import { chmod, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { Random } from '../base/random.ts';
import { type Environment, variable } from './environment.ts';
import { SettingError } from './errors.ts';

/** Where the token of the last login is kept: a file of the user, or a program that the user names. */
export interface TokenStore {
  /** The stored token, or an empty text. */
  get(): Promise<string>;
  store(token: string): Promise<void>;
  erase(): Promise<void>;
}

export interface TokenStoreOptions {
  readonly homeDirectory: string;
  readonly environment: Environment;
  readonly random: Random;
}

/**
 * Opens the program that `~/.vault` names (`token_helper = "/path"`; `VAULT_CONFIG_PATH` names another file), or else the
 * file `~/.vault-token` (`VAULT_TOKEN_PATH` names another). Throws `SettingError`.
 */
export async function openTokenStore(options: TokenStoreOptions): Promise<TokenStore> {
  const configuration = variable(options.environment, 'CONFIG_PATH') ?? join(options.homeDirectory, '.vault');
  const helper = tokenHelperOf(await readOptional(configuration), configuration);
  if (helper !== undefined) return externalTokenStore(helper, options.environment);
  const file = variable(options.environment, 'TOKEN_PATH') ?? join(options.homeDirectory, '.vault-token');
  return fileTokenStore(file, options.random);
}

/** The path that the configuration gives for `token_helper`, which must be absolute. */
export function tokenHelperOf(configuration: string, file: string): string | undefined {
  for (const line of configuration.split('\n')) {
    const match = /^\s*"?token_helper"?\s*[=:]?\s*("(?:[^"\\]|\\.)*")\s*,?\s*(?:(?:#|\/\/).*)?$/.exec(line);
    if (!match) continue;
    const path = JSON.parse(match[1]!) as string;
    if (path === '') return undefined;
    if (isAbsolute(path)) return path;
    throw new SettingError(`${file}: token_helper "${path}" must be an absolute path`);
  }
  return undefined;
}

function fileTokenStore(file: string, random: Random): TokenStore {
  return {
    async get() {
      return (await readOptional(file)).trim();
    },
    async store(token) {
      // Written beside and renamed: a reader finds the old token or the new one, and never a file others can read.
      const target = await realpath(file).catch(() => file);
      const draft = `${target}.${random.base62(8)}`;
      const handle = await open(draft, 'wx', 0o600);
      try {
        await handle.writeFile(token);
        await handle.close();
        await chmod(draft, 0o600);
        await rename(draft, target);
      } catch (error) {
        await handle.close().catch(() => {});
        await rm(draft, { force: true });
        throw error;
      }
    },
    async erase() {
      await rm(file, { force: true });
    },
  };
}

function externalTokenStore(program: string, environment: Environment): TokenStore {
  return {
    get: async () => (await runHelper(program, 'get', environment, '')).trim(),
    store: async (token) => void (await runHelper(program, 'store', environment, token)),
    erase: async () => void (await runHelper(program, 'erase', environment, '')),
  };
}

async function runHelper(
  program: string,
  verb: string,
  environment: Environment,
  input: string,
): Promise<string> {
  const { spawn } = await import('node:child_process');
  return new Promise((resolve, reject) => {
    const child = spawn(program, [verb], { env: environment, stdio: ['pipe', 'pipe', 'pipe'] });
    const outputs: Buffer[] = [];
    const complaints: Buffer[] = [];
    child.stdout.on('data', (part: Buffer) => outputs.push(part));
    child.stderr.on('data', (part: Buffer) => complaints.push(part));
    child.on('error', (error) => {
      reject(new SettingError(`cannot run the token helper ${program}: ${error.message}`));
    });
    child.on('close', (code) => {
      if (code === 0) return resolve(Buffer.concat(outputs).toString('utf8'));
      const said = Buffer.concat(complaints).toString('utf8').trim();
      reject(new SettingError(`the token helper ${program} failed (exit ${code}) on "${verb}": ${said}`));
    });
    // A helper that never reads its input closes the pipe early; that is its right.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

async function readOptional(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw new SettingError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
