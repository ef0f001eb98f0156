import type { Context } from './command.ts';
import { LocalError, UsageError } from './errors.ts';
import { readText } from './input.ts';

/** A share of an unseal key, or a recovery key: the argument, with "-" standard input, or asked for and not shown. */
export async function readKeyShare(
  context: Context,
  word: string | undefined,
  question: string,
): Promise<string> {
  const { terminal, flags } = context;
  if (word !== undefined && word !== '-') return word.trim();
  if (word === '-') return (await terminal.readInput()).toString('utf8').trim();
  if (flags['non-interactive'])
    throw new UsageError('a key must be given, as -non-interactive forbids asking for it');
  if (!terminal.canAsk) {
    throw new LocalError(
      'there is no terminal to ask for the key at: give "-" to read it from standard input',
    );
  }
  return (await terminal.askHidden(question)).trim();
}

/**
 * PGP public keys for the API, in base64, from files named with commas between them. A file holds a key in binary, in
 * armor, or already in base64.
 */
export async function readPgpKeys(list: string | undefined): Promise<string[] | undefined> {
  if (list === undefined || list.trim() === '') return undefined;
  const names = list.split(',').map((name) => name.trim().replace(/^@/, ''));
  return Promise.all(names.map(readPgpKey));
}

async function readPgpKey(name: string): Promise<string> {
  if (name.startsWith('keybase:')) {
    throw new UsageError(
      `${name}: keys of Keybase are not fetched here; save the public key to a file and name that`,
    );
  }
  const { readFileSync } = await import('node:fs');
  const text = readText(name);
  if (text.includes('-----BEGIN PGP PUBLIC KEY BLOCK-----')) return fromArmor(text, name);
  const compact = text.replace(/\s+/g, '');
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(compact)) return compact;
  return readFileSync(name).toString('base64');
}

/** RFC 9580, section 6.2: headers, an empty line, base64, and a checksum line that begins with `=`. */
function fromArmor(text: string, name: string): string {
  const block = /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+\r?\n)*\s*\r?\n([\s\S]*?)-----END/.exec(
    text,
  )?.[1];
  const lines = (block ?? '').split(/\r?\n/).filter((line) => !line.startsWith('='));
  const encoded = lines.join('').trim();
  if (encoded === '') throw new LocalError(`${name} holds no PGP public key`);
  return encoded;
}
