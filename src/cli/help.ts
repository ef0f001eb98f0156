import type { Command, Entry, Group } from './command.ts';
import type { Flag, FlagTable } from './flags.ts';
import { fieldFlags, formatFlags, httpFlags } from './global-flags.ts';
import { COMMON_COMMANDS } from './registry.ts';

/** Help is derived from the declarations; nothing about a command is written twice. */
const WIDTH = 78;

export function commandHelp(command: Command): string {
  const sections = [
    `Usage: coffer ${command.usage}`,
    indentText(command.description.trim()),
    ...(command.uses.includes('http') ? [flagSection('HTTP Options', httpFlags)] : []),
    ...outputSection(command),
    ...(Object.keys(command.flags).length > 0 ? [flagSection('Command Options', command.flags)] : []),
  ];
  return `${sections.join('\n\n')}\n`;
}

export function groupHelp(node: Group): string {
  const shown = [...node.subcommands];
  if (node.name !== '') shown.sort(([a], [b]) => (a < b ? -1 : 1));
  if (node.name !== '') {
    const usage = `Usage: coffer ${node.name} <subcommand> [options] [args]`;
    return `${usage}\n\n${indentText(node.description.trim())}\n\nSubcommands:\n${list(shown)}\n`;
  }
  const common = shown.filter(([name]) => COMMON_COMMANDS.includes(name));
  const others = shown.filter(([name]) => !COMMON_COMMANDS.includes(name));
  return `Usage: coffer <command> [args]\n\nCommon commands:\n${list(common)}\n\nOther commands:\n${list(others)}\n`;
}

/** What is said when a word names no subcommand: the likeliest meant one, then the help of the group. */
export function unknownCommand(node: Group, word: string): string {
  const names = [...node.subcommands.keys()];
  const nearest = names.map((name) => [distance(word, name), name] as const).sort((a, b) => a[0] - b[0])[0];
  const meant = nearest && nearest[0] <= 2 ? ` Did you mean "${nearest[1]}"?` : '';
  const place = node.name ? `"${node.name}" has no subcommand` : 'There is no command';
  return `${place} "${word}".${meant}\n\n${groupHelp(node)}`;
}

/** Fills paragraphs to `width`; lines that are indented are examples and stay as they are. */
export function fill(text: string, width: number): string {
  const paragraphs = text.split(/\n{2,}/).map((paragraph) => {
    if (/^\s/.test(paragraph)) return paragraph;
    const lines: string[] = [];
    for (const word of paragraph.split(/\s+/)) {
      const last = lines.at(-1);
      if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
      else lines[lines.length - 1] = `${last} ${word}`;
    }
    return lines.join('\n');
  });
  return paragraphs.join('\n\n');
}

function indentText(text: string): string {
  return indent(fill(text, WIDTH - 2), '  ');
}

function indent(text: string, by: string): string {
  return text.replace(/^(?=.)/gm, by);
}

function list(entries: readonly (readonly [string, Entry])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, { synopsis }]) => `    ${name.padEnd(width)}    ${synopsis}`).join('\n');
}

function outputSection(command: Command): string[] {
  const flags = {
    ...(command.uses.includes('field') && fieldFlags),
    ...(command.uses.includes('format') && formatFlags),
  };
  return Object.keys(flags).length === 0 ? [] : [flagSection('Output Options', flags)];
}

function flagSection(title: string, table: FlagTable): string {
  const names = Object.keys(table).sort();
  return `${title}:\n\n${names.map((name) => flagHelp(name, table[name]!)).join('\n\n')}`;
}

function flagHelp(name: string, flag: Flag<unknown>): string {
  const value = flag.kind === 'bool' ? '' : `=<${flag.kind}>`;
  const notes = [
    flag.usage,
    ...(flag.defaultText === undefined ? [] : [`The default is ${flag.defaultText}.`]),
    ...(flag.aliases ? [`This is aliased as ${flag.aliases.map((alias) => `"-${alias}"`).join(', ')}.`] : []),
    ...(flag.environment
      ? [`This can also be specified via the ${flag.environment} environment variable.`]
      : []),
  ];
  return `  -${name}${value}\n${indent(fill(notes.join(' '), WIDTH - 6), '      ')}`;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, left] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, right] of [...b].entries()) {
      next.push(Math.min(row[j]! + (left === right ? 0 : 1), row[j + 1]! + 1, next[j]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
