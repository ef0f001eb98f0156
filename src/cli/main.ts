/**
 * The command line: words in, exit code out. This folder owns flags, commands, what they print and how they fail; how
 * requests travel is `client/`, and what the server does with them is not known here. Nothing is loaded before it is
 * needed: a command that takes longer to load than to run is the difference one feels.
 */
import { variable } from '../client/environment.ts';
import { type Command, type Context, type Entry, type Group, isGroup } from './command.ts';
import { UsageError } from './errors.ts';
import { type ParsedFlags, parseFlags } from './flags.ts';
import { FORMATS, type Format } from './global-flags.ts';
import { createOutput } from './output/output.ts';
import { root } from './registry.ts';
import { tableFor } from './tables.ts';
import type { StartServer, Terminal } from './terminal.ts';

export interface Host {
  readonly terminal: Terminal;
  readonly startServer: StartServer;
}

/** Exit codes: 0 done, 1 wrong use or local failure, 2 the server's answer; 127 for a command that does not exist. */
export async function main(argv: readonly string[], host: Host): Promise<number> {
  const { terminal } = host;
  if (terminal.environment.COMP_LINE !== undefined) {
    const { complete } = await import('./completion.ts');
    return complete(root, terminal);
  }
  if (argv[0]?.startsWith('-')) {
    const code = await runTopLevelFlag(argv[0].replace(/^-+/, ''), terminal);
    if (code !== undefined) return code;
  }
  const { node, rest, unknown } = await find(root, argv);
  if (isGroup(node)) return helpForGroup(node, { rest, unknown, terminal });
  try {
    return await runCommand(node, rest, host);
  } catch (error) {
    const { reportFailure } = await import('./failures.ts');
    return reportFailure(error, node, terminal);
  }
}

interface Found {
  readonly node: Command | Group;
  readonly rest: readonly string[];
  /** The word that should have named a subcommand and does not. */
  readonly unknown: string | undefined;
}

async function find(start: Group, argv: readonly string[]): Promise<Found> {
  let node: Command | Group = start;
  for (const [at, word] of argv.entries()) {
    if (!isGroup(node)) return { node, rest: argv.slice(at), unknown: undefined };
    const entry: Entry | undefined = node.subcommands.get(word);
    if (!entry) {
      const asksHelp = word.startsWith('-') || word === 'help';
      return { node, rest: argv.slice(at), unknown: asksHelp ? undefined : word };
    }
    node = await entry.load();
  }
  return { node, rest: [], unknown: undefined };
}

async function helpForGroup(
  node: Group,
  found: { rest: readonly string[]; unknown: string | undefined; terminal: Terminal },
): Promise<number> {
  const { groupHelp, unknownCommand } = await import('./help.ts');
  const { rest, unknown, terminal } = found;
  if (unknown !== undefined) {
    terminal.error.write(unknownCommand(node, unknown));
    return 127;
  }
  if (rest[0] === 'help' && rest.length > 1) {
    const inner = await find(node, rest.slice(1));
    return inner.unknown === undefined
      ? showHelp(inner.node, terminal)
      : helpForGroup(node, { ...inner, terminal });
  }
  const asked = rest[0] === 'help' || isHelpFlag(rest[0] ?? '');
  (asked ? terminal.output : terminal.error).write(groupHelp(node));
  return asked ? 0 : node === root ? 127 : 1;
}

async function showHelp(node: Command | Group, terminal: Terminal): Promise<number> {
  const { commandHelp, groupHelp } = await import('./help.ts');
  terminal.output.write(isGroup(node) ? groupHelp(node) : commandHelp(node));
  return 0;
}

function isHelpFlag(word: string): boolean {
  return word === '-h' || word === '-help' || word === '--help';
}

async function runTopLevelFlag(flag: string, terminal: Terminal): Promise<number | undefined> {
  if (flag === 'autocomplete-install' || flag === 'autocomplete-uninstall') {
    const { changeShells } = await import('./completion-install.ts');
    return changeShells(flag === 'autocomplete-install', terminal);
  }
  if (flag !== 'version' && flag !== 'v') return undefined;
  const { versionLine } = await import('./version.ts');
  terminal.output.write(`${versionLine()}\n`);
  return 0;
}

async function runCommand(command: Command, words: readonly string[], host: Host): Promise<number> {
  const { terminal } = host;
  const end = words.indexOf('--');
  if (words.slice(0, end < 0 ? undefined : end).some(isHelpFlag)) return showHelp(command, terminal);
  if (command.raw) return run(command, { values: {}, given: new Set(), arguments: words }, host);
  const table = tableFor(command);
  const parsed = parseFlags(table, words);
  warnOfLateFlags(parsed.arguments, table, terminal);
  checkArguments(command, parsed.arguments.length);
  return run(command, parsed, host);
}

async function run(command: Command, parsed: ParsedFlags, host: Host): Promise<number> {
  const { terminal, startServer } = host;
  const flags = parsed.values as Context['flags'];
  const format = formatOf(flags.format, terminal);
  const connections = async () => (await import('./connect.ts')).openConnections(flags, terminal);
  let opened: ReturnType<typeof connections> | undefined;
  const open = () => {
    opened ??= connections();
    return opened;
  };
  const code = await command.run({
    flags,
    given: parsed.given,
    arguments: parsed.arguments,
    terminal,
    output: createOutput(terminal, format, flags.field),
    client: async () => (await open()).client(),
    tokenStore: async () => (await open()).tokenStore(),
    startServer,
  });
  return code ?? 0;
}

function formatOf(flag: string | undefined, terminal: Terminal): Format {
  const text = flag ?? variable(terminal.environment, 'FORMAT') ?? 'table';
  const format = FORMATS.find((one) => one === text.toLowerCase());
  if (format) return format;
  throw new UsageError(`Invalid output format: ${text} (one of ${FORMATS.join(', ')})`);
}

function checkArguments({ arguments: takes }: Command, count: number): void {
  const { min, max } = takes;
  const expected =
    max === undefined || max > min ? `${min}${max === undefined ? ' or more' : ` to ${max}`}` : `${min}`;
  if (count < min) throw new UsageError(`Not enough arguments (expected ${expected}, got ${count})`);
  if (max !== undefined && count > max)
    throw new UsageError(`Too many arguments (expected ${expected}, got ${count})`);
}

function warnOfLateFlags(
  words: readonly string[],
  table: ReturnType<typeof tableFor>,
  terminal: Terminal,
): void {
  const late = words.filter((word) => {
    const name = /^--?([^=]+)/.exec(word)?.[1];
    return name !== undefined && Object.hasOwn(table, name);
  });
  if (late.length === 0) return;
  const list = late.join(' ');
  terminal.error.write(
    `Command flags must be provided before positional arguments. The following arguments will not be parsed as flags: [${list}]\n`,
  );
}
