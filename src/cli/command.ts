import type { Client } from '../client/client.ts';
import type { TokenStore } from '../client/token-store.ts';
import type { FlagTable, FlagValues } from './flags.ts';
import type { fieldFlags, formatFlags, httpFlags } from './global-flags.ts';
import type { Output } from './output/output.ts';
import type { StartServer, Terminal } from './terminal.ts';

/** Sets of flags that many commands share; which of them a command has is part of its declaration. */
export const FLAG_SETS = ['http', 'format', 'field'] as const;
export type FlagSet = (typeof FLAG_SETS)[number];
export type GlobalFlagValues = FlagValues<typeof httpFlags & typeof formatFlags & typeof fieldFlags>;

/** What completion offers for a command's arguments; `keys` are those of the key-value store. */
export type Completes = 'paths' | 'keys' | 'secrets' | 'auths' | 'audits' | 'policies' | 'files';

/** One command as data: help, usage errors and completion are derived from it. */
export interface Command<F extends FlagTable = FlagTable> {
  /** All its words, as in `kv get`. */
  readonly name: string;
  readonly synopsis: string;
  /** What follows `coffer <name>` in the usage line. */
  readonly usage: string;
  /** Paragraphs and examples for help, without indentation. */
  readonly description: string;
  readonly uses: readonly FlagSet[];
  readonly flags: F;
  /** How many arguments it takes; `max` missing means any number. */
  readonly arguments: { readonly min: number; readonly max?: number };
  readonly completes?: Completes;
  /** Reads its flags and arguments itself, as `server` does; `run` gets every word as an argument. */
  readonly raw?: boolean;
  /** Gives the exit code, where it is not 0. */
  run(context: Context<F>): Promise<number | undefined>;
}

export interface Group {
  readonly name: string;
  readonly description: string;
  readonly subcommands: ReadonlyMap<string, Entry>;
}

/** A command that is loaded when it is asked for; its synopsis is here so that help of its group loads nothing. */
export interface Entry {
  readonly synopsis: string;
  load(): Promise<Command | Group>;
}

export interface Context<F extends FlagTable = FlagTable> {
  readonly flags: FlagValues<F> & GlobalFlagValues;
  /** Names of the flags that were given. */
  readonly given: ReadonlySet<string>;
  readonly arguments: readonly string[];
  readonly terminal: Terminal;
  readonly output: Output;
  /** The client that flags, environment and the stored token make; the same one each time. */
  client(): Promise<Client>;
  tokenStore(): Promise<TokenStore>;
  readonly startServer: StartServer;
}

/** Keeps the types of a command's own flags for its `run`. */
export function command<const F extends FlagTable>(declaration: Command<F>): Command {
  return declaration;
}

/** A group whose commands are in one file. */
export function group(about: Omit<Group, 'subcommands'>, commands: readonly Command[]): Group {
  const entry = (one: Command): [string, Entry] => [
    one.name.slice(about.name.length + 1),
    { synopsis: one.synopsis, load: async () => one },
  ];
  return { ...about, subcommands: new Map(commands.map(entry)) };
}

export function isGroup(node: Command | Group): node is Group {
  return 'subcommands' in node;
}
