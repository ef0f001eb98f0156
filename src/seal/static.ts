import { hash } from 'node:crypto';
import { constants, type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Seal } from './seal.ts';
import { KEY_BYTES, localSeal, type WrappingKey } from './wrapping-key.ts';

export const STATIC = 'static';

/** The `seal "static"` block. Keys are base64 or hex text, or refer to it by `file://` or `env://`; a file may hold raw bytes. */
export interface StaticSealConfig {
  readonly name?: string | undefined;
  readonly current_key_id: string;
  readonly current_key: string;
  readonly previous_key_id?: string | undefined;
  readonly previous_key?: string | undefined;
}

/** A mistake in the configuration; the message names the field, never the key. */
export class StaticSealInvalid extends Error {
  readonly code = 'static_seal_invalid';
}

/**
 * Opens the seal; the previous key unwraps what it once wrapped, the current one wraps anew. Rejects with
 * `StaticSealInvalid`. A key file that others may write is refused, one that others may read is warned about.
 */
export async function openStaticSeal(
  config: StaticSealConfig,
  deps: { random: Random; logger: Logger; environment: Readonly<Record<string, string | undefined>> },
): Promise<Seal> {
  const current = await readKey('current_key', config.current_key_id, config.current_key, deps);
  const keys: [WrappingKey, ...WrappingKey[]] = [current];
  if (config.previous_key !== undefined || config.previous_key_id !== undefined) {
    const previous = await readKey('previous_key', config.previous_key_id, config.previous_key, deps);
    if (previous.id === current.id) {
      throw new StaticSealInvalid('previous_key_id must differ from current_key_id');
    }
    keys.push(previous);
  }
  return localSeal({ type: STATIC, name: config.name ?? STATIC, keys, random: deps.random });
}

/**
 * Creates a key file of 32 raw bytes with mode 0600 and returns the configuration that refers to it. The file and its
 * entry in the folder are durable when it resolves. Rejects with the system's `EEXIST` when the file is there.
 */
export async function createStaticKeyFile(path: string, random: Random): Promise<StaticSealConfig> {
  const key = random.bytes(KEY_BYTES);
  const config = { current_key_id: staticKeyId(key), current_key: `file://${path}` };
  const file = await open(path, 'wx', 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(key);
    await file.sync();
  } finally {
    key.fill(0);
    await file.close();
  }
  const folder = await open(dirname(path), 'r');
  await folder.sync().finally(() => folder.close());
  return config;
}

/** The configuration for a key file made earlier: the id is computed from the key. Rejects as `openStaticSeal`. */
export async function staticKeyFileConfig(path: string, logger: Logger): Promise<StaticSealConfig> {
  const key = await readKeyFile('current_key', path, logger);
  const config = { current_key_id: staticKeyId(key), current_key: `file://${path}` };
  key.fill(0);
  return config;
}

/** A name for a random key that says nothing about it, so that id and key cannot drift apart. */
export function staticKeyId(key: Buffer): string {
  return hash('sha256', Buffer.concat([Buffer.from('coffer static seal key id\0'), key]), 'hex').slice(0, 16);
}

async function readKey(
  field: string,
  id: string | undefined,
  source: string | undefined,
  deps: { logger: Logger; environment: Readonly<Record<string, string | undefined>> },
): Promise<WrappingKey> {
  if (!id) throw new StaticSealInvalid(`${field}_id is required`);
  if (!source) throw new StaticSealInvalid(`${field} is required`);
  if (source.startsWith('file://')) {
    return { id, key: await readKeyFile(field, source.slice('file://'.length), deps.logger) };
  }
  if (!source.startsWith('env://')) return { id, key: decodeKey(field, source) };
  const variable = source.slice('env://'.length);
  const value = deps.environment[variable];
  if (!value) throw new StaticSealInvalid(`${field}: the environment variable ${variable} is not set`);
  return { id, key: decodeKey(field, value) };
}

async function readKeyFile(field: string, path: string, logger: Logger): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY).catch((error: NodeJS.ErrnoException) => {
    throw new StaticSealInvalid(`${field}: cannot open ${path} (${error.code})`);
  });
  try {
    await checkKeyFile(field, path, file, logger);
    const content = await file.readFile();
    if (content.length === KEY_BYTES) return content;
    const key = decodeKey(field, content.toString('latin1'));
    content.fill(0);
    return key;
  } finally {
    await file.close();
  }
}

async function checkKeyFile(field: string, path: string, file: FileHandle, logger: Logger): Promise<void> {
  const { mode, size } = await file.stat();
  if ((mode & constants.S_IFMT) !== constants.S_IFREG) {
    throw new StaticSealInvalid(`${field}: ${path} is not a regular file`);
  }
  if (size > 1024) throw new StaticSealInvalid(`${field}: ${path} is too long to be a key`);
  if ((mode & 0o022) !== 0) {
    throw new StaticSealInvalid(`${field}: ${path} may be changed by others; set its mode to 0600`);
  }
  if ((mode & 0o044) !== 0) {
    logger.warn('the seal key file may be read by others; set its mode to 0600', { path });
  }
}

function decodeKey(field: string, text: string): Buffer {
  const trimmed = text.trim();
  const key = /^[0-9a-f]{64}$/i.test(trimmed) ? Buffer.from(trimmed, 'hex') : Buffer.from(trimmed, 'base64');
  if (key.length !== KEY_BYTES || !/^([0-9a-f]{64}|[0-9a-z+/_-]{43}=?)$/i.test(trimmed)) {
    throw new StaticSealInvalid(`${field} must be ${KEY_BYTES} bytes in base64 or hex`);
  }
  return key;
}
