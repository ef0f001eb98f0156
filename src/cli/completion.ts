import type { Client } from '../client/client.ts';
import { type Command, type Completes, type Entry, type Group, isGroup } from './command.ts';
import { flagNames } from './flags.ts';
import { tableFor } from './tables.ts';
import type { Terminal } from './terminal.ts';

/**
 * Answers the shell's question what could stand at the cursor: the shell puts the line into COMP_LINE and the cursor
 * into COMP_POINT, and reads one candidate a line. Whatever fails gives no candidates, because there is nobody to tell.
 */
export async function complete(root: Group, terminal: Terminal): Promise<number> {
  const { environment } = terminal;
  const line = environment.COMP_LINE ?? '';
  const point = Number(environment.COMP_POINT ?? line.length);
  const words = line.slice(0, Number.isSafeInteger(point) ? point : line.length).split(/\s+/);
  const last = words.at(-1) ?? '';
  try {
    for (const candidate of await candidates(root, words.slice(1, -1), last, terminal)) {
      terminal.output.write(`${candidate}\n`);
    }
  } catch {
    return 1;
  }
  return 0;
}

async function candidates(
  root: Group,
  before: readonly string[],
  last: string,
  terminal: Terminal,
): Promise<string[]> {
  let node: Command | Group = root;
  let at = 0;
  while (isGroup(node) && at < before.length) {
    const entry: Entry | undefined = node.subcommands.get(before[at]!);
    if (!entry) return [];
    node = await entry.load();
    at++;
  }
  if (isGroup(node)) {
    return [...node.subcommands.keys()].filter((name) => name.startsWith(last)).sort();
  }
  return commandCandidates(node, before.slice(at), last, terminal);
}

async function commandCandidates(
  command: Command,
  before: readonly string[],
  last: string,
  terminal: Terminal,
): Promise<string[]> {
  const table = tableFor(command);
  const names = flagNames(table);
  const [, dashes = '', name = '', value] = /^(-{1,2})([^=]*)=(.*)$/.exec(last) ?? [];
  if (value !== undefined) {
    const values = table[names.get(name) ?? '']?.values ?? [];
    return values.filter((one) => one.startsWith(value)).map((one) => `${dashes}${name}=${one}`);
  }
  if (last.startsWith('-')) {
    return [...names.keys()]
      .map((one) => `-${one}`)
      .filter((one) => one.startsWith(last))
      .sort();
  }
  const flagBefore = /^--?([^=]+)$/.exec(before.at(-1) ?? '')?.[1];
  const flag = flagBefore === undefined ? undefined : table[names.get(flagBefore) ?? ''];
  if (flag && flag.kind !== 'bool') return (flag.values ?? []).filter((one) => one.startsWith(last));
  return command.completes ? serverCandidates(command.completes, last, terminal) : [];
}

/** A shell waits with a blank line for this answer, so the server gets one second. */
const TIMEOUT = '1000ms';

async function serverCandidates(kind: Completes, last: string, terminal: Terminal): Promise<string[]> {
  if (kind === 'files') return fileCandidates(last);
  const { openConnections } = await import('./connect.ts');
  const environment = { ...terminal.environment, COFFER_CLIENT_TIMEOUT: TIMEOUT };
  const client = await openConnections({}, { ...terminal, environment }).client();
  const folder = last.slice(0, last.lastIndexOf('/') + 1);
  const names = await namesOf(kind, folder, client);
  return names.filter((name) => name.startsWith(last)).sort();
}

async function namesOf(kind: Exclude<Completes, 'files'>, folder: string, client: Client): Promise<string[]> {
  if (kind === 'secrets') return mountsOf(client, 'sys/mounts');
  if (kind === 'auths') return mountsOf(client, 'sys/auth');
  if (kind === 'audits') return mountsOf(client, 'sys/audit');
  if (kind === 'policies') return listed(client, 'sys/policies/acl');
  if (folder === '')
    return [...(await mountsOf(client, 'sys/mounts')), ...(kind === 'paths' ? ['auth/'] : [])];
  const within = async (path: string) => (await listed(client, path)).map((name) => `${folder}${name}`);
  if (kind === 'paths') return within(folder);
  const { apiPath, locate } = await import('./kv-mount.ts');
  return within(`${apiPath(await locate(client, folder, undefined), 'metadata')}/`);
}

async function mountsOf(client: Client, path: string): Promise<string[]> {
  const { data } = await client.request('GET', path);
  return Object.keys(data ?? {}).filter((name) => name.endsWith('/'));
}

async function listed(client: Client, path: string): Promise<string[]> {
  const { stringsOf } = await import('../client/reply.ts');
  return stringsOf((await client.find('LIST', path))?.data?.keys);
}

async function fileCandidates(last: string): Promise<string[]> {
  const { readdirSync } = await import('node:fs');
  const folder = last.includes('/') ? last.slice(0, last.lastIndexOf('/') + 1) : '';
  const entries = readdirSync(folder || '.', { withFileTypes: true });
  const names = entries.map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`);
  return names.filter((name) => name.startsWith(last)).sort();
}
