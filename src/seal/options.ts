import { readFileSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';

/** The options of a `seal` block by their wire names; what must be set has been checked by whoever read the block. */
export type SealOptions = Readonly<Record<string, string | undefined>>;

/** What opening a seal needs besides its options. */
export interface SealDeps {
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A mistake in the configuration of a seal; the message names the option, never a secret. */
export class SealInvalid extends Error {
  readonly code = 'seal_invalid';
}

/** Throws `SealInvalid` when it is not set. */
export function required(options: SealOptions, name: string): string {
  const value = options[name];
  if (!value) throw new SealInvalid(`${name} must be set`);
  return value;
}

/** As the configuration reads booleans. Throws `SealInvalid`. */
export function flag(options: SealOptions, name: string): boolean {
  const value = (options[name] ?? '').toLowerCase();
  if (['', '0', 'f', 'false'].includes(value)) return false;
  if (['1', 't', 'true'].includes(value)) return true;
  throw new SealInvalid(`${name} must be true or false`);
}

/** A secret, or where to look it up: `env://NAME`, or `file:///path`, which is read anew each time. Throws `SealInvalid`. */
export function secretOption(options: SealOptions, name: string, { environment }: SealDeps): () => string {
  const value = required(options, name);
  if (value.startsWith('file://')) {
    const path = value.slice('file://'.length);
    const read = () => readSealFile(name, path).trim();
    read();
    return read;
  }
  if (!value.startsWith('env://')) return () => value;
  const variable = value.slice('env://'.length);
  const found = environment[variable];
  if (!found) throw new SealInvalid(`${name}: the environment variable ${variable} is not set`);
  return () => found;
}

/** The text of a file that an option names. Throws `SealInvalid`. */
export function readSealFile(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : error;
    throw new SealInvalid(`${name}: cannot read ${path} (${code})`);
  }
}
