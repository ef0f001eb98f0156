/** An HSM in software: Debian's SoftHSM, with a token in a temporary folder. */
import { globSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from './folder.ts';
import { runProcess } from './process.ts';

export interface SoftHsm {
  /** The library's path. */
  readonly lib: string;
  readonly tokenLabel: string;
  /** Decimal. */
  readonly slot: string;
  readonly pin: string;
  /** What the library has to find in its environment. */
  readonly environment: Readonly<Record<string, string>>;
  createAesKey(label: string, id: string): Promise<void>;
  createRsaKey(label: string, id: string): Promise<void>;
  stop(): Promise<void>;
}

const LIBRARIES = '/usr/lib/{*/,}softhsm/libsofthsm2.so';
const TOKEN = 'coffer test';
const PIN = 'user-pin-4321';
const SO_PIN = 'officer-pin-8765';

/** Why there is no HSM to test with, or undefined when there is. */
export function available(): string | undefined {
  if (!library()) return 'SoftHSM is not installed (Debian package softhsm2)';
  return globSync('/usr/bin/pkcs11-tool').length > 0
    ? undefined
    : 'pkcs11-tool is not installed (Debian package opensc)';
}

export async function start(): Promise<SoftHsm> {
  const lib = library();
  if (!lib) throw new Error(available());
  const folder = await temporaryFolder('softhsm');
  try {
    const configuration = join(folder.path, 'softhsm2.conf');
    const tokens = join(folder.path, 'tokens');
    await mkdir(tokens);
    await writeFile(configuration, `directories.tokendir = ${tokens}\nobjectstore.backend = file\n`);
    const environment = { SOFTHSM2_CONF: configuration };
    const run = async (command: string, ...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await runProcess({ command, args, env: environment });
      if (code !== 0) throw new Error(`${command}: ${stdout}${stderr}`);
      return stdout;
    };
    const pins = ['--pin', PIN, '--so-pin', SO_PIN];
    const made = await run('softhsm2-util', '--init-token', '--free', '--label', TOKEN, ...pins);
    const generate = (kind: string[], label: string, id: string) =>
      run(
        'pkcs11-tool',
        ...['--module', lib, '--token-label', TOKEN, '--login', '--pin', PIN],
        ...[...kind, '--label', label, '--id', id],
      );
    return {
      lib,
      tokenLabel: TOKEN,
      slot: /slot (\d+)\s*$/.exec(made)?.[1] ?? '',
      pin: PIN,
      environment,
      createAesKey: async (label, id) =>
        void (await generate(['--keygen', '--key-type', 'AES:32', '--sensitive'], label, id)),
      createRsaKey: async (label, id) =>
        void (await generate(['--keypairgen', '--key-type', 'rsa:2048'], label, id)),
      stop: () => folder.remove(),
    };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

function library(): string | undefined {
  return globSync(LIBRARIES)[0];
}
