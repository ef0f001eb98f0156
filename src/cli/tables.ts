import type { Command } from './command.ts';
import type { FlagTable } from './flags.ts';
import { fieldFlags, formatFlags, httpFlags } from './global-flags.ts';

/** Every flag that a command takes: the sets that it uses, and its own, which go first. */
export function tableFor(command: Command): FlagTable {
  return {
    ...(command.uses.includes('http') && httpFlags),
    ...(command.uses.includes('format') && formatFlags),
    ...(command.uses.includes('field') && fieldFlags),
    ...command.flags,
  };
}
