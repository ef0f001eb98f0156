/**
 * Installs what the slow suites talk to, as far as this machine allows. What cannot be had is not an error: the suites
 * that need it skip themselves and say why.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runProcess } from './process.ts';

interface DebianPackage {
  readonly name: string;
  /** Whether what the tests need of it is there, wherever it came from. */
  readonly found: () => boolean;
}

const DEBIAN_PACKAGES: readonly DebianPackage[] = [
  { name: 'postgresql', found: () => globSync('/usr/lib/postgresql/*/bin/postgres').length > 0 },
  { name: 'openssl', found: () => runs('openssl', 'version') },
  { name: 'softhsm2', found: () => globSync('/usr/lib/{*/,}softhsm/libsofthsm2.so').length > 0 },
  { name: 'opensc', found: () => existsSync('/usr/bin/pkcs11-tool') },
  { name: 'python3-pip', found: () => runs('python3', '-m', 'pip', '--version') },
];

const requirements = join(import.meta.dirname, 'requirements.txt');

/** Where the pinned Python packages lie once installed; the name changes with the pins. */
export const pythonPackages = join(
  dirname(dirname(import.meta.dirname)),
  '.cache',
  `python-${requirementsHash()}`,
);

/** Programs of a Debian package that is unpacked rather than installed: installing it would start a daemon. */
export const prometheusFolder = join(dirname(dirname(import.meta.dirname)), '.cache', 'prometheus');

/** Installs what is missing; returns a sentence for each thing that could not be had. */
export async function installServices(): Promise<string[]> {
  const absent = await installDebianPackages();
  return [...absent, ...(await installPythonPackages()), ...(await unpack('prometheus', prometheusFolder))];
}

async function unpack(name: string, target: string): Promise<string[]> {
  if (existsSync(target)) return [];
  if (!existsSync('/usr/bin/apt-get')) return [`${name} cannot be unpacked: there is no apt-get here`];
  const unfinished = `${target}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  try {
    const loaded = await runProcess({ command: 'apt-get', args: ['download', '-q', name], cwd: unfinished });
    const [archive] = globSync('*.deb', { cwd: unfinished });
    if (loaded.code !== 0 || !archive) return [`${name} cannot be had: ${lastLine(loaded.stderr)}`];
    const { code, stderr } = await runProcess({
      command: 'dpkg',
      args: ['-x', archive, '.'],
      cwd: unfinished,
    });
    if (code !== 0) return [`${name} cannot be unpacked: ${lastLine(stderr)}`];
    await rm(join(unfinished, archive));
    await rename(unfinished, target).catch((error: unknown) => {
      if (!existsSync(target)) throw error;
    });
    return [];
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function installDebianPackages(): Promise<string[]> {
  const missing = DEBIAN_PACKAGES.filter((each) => !each.found()).map((each) => each.name);
  if (missing.length === 0) return [];
  const absent = (reason: string) => missing.map((name) => `${name} is not installed: ${reason}`);
  if (process.getuid?.() !== 0) return absent('only root can install it');
  if (!existsSync('/usr/bin/apt-get')) return absent('there is no apt-get here');
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await runProcess({ command: 'apt-get', args: ['update', '-q'], env });
  const args = ['install', '-q', '-y', '--no-install-recommends', ...missing];
  const { code, stderr } = await runProcess({ command: 'apt-get', args, env });
  return code === 0 ? [] : absent(lastLine(stderr));
}

/** Into a folder of the project's own, first beside its place, so that a broken or doubled installation never shows. */
async function installPythonPackages(): Promise<string[]> {
  if (existsSync(pythonPackages)) return [];
  const unfinished = `${pythonPackages}.${process.pid}`;
  await mkdir(dirname(pythonPackages), { recursive: true });
  const args = ['-m', 'pip', 'install', '--quiet', '--target', unfinished, '--requirement', requirements];
  try {
    const { code, stderr } = await runProcess({ command: 'python3', args });
    if (code !== 0) return [`Python's packages (hvac, moto) are not installed: ${lastLine(stderr)}`];
    await rename(unfinished, pythonPackages).catch((error: unknown) => {
      if (!existsSync(pythonPackages)) throw error;
    });
    return [];
  } catch (error) {
    return [
      `Python's packages (hvac, moto) are not installed: ${error instanceof Error ? error.message : error}`,
    ];
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

function runs(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function requirementsHash(): string {
  return createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}
