/** What commands print, and in which form; data goes to standard output, everything said about it to standard error. */
import type { Reply } from '../../client/reply.ts';
import { LocalError } from '../errors.ts';
import type { Format } from '../global-flags.ts';
import type { Terminal } from '../terminal.ts';
import { dataOf, envelopeOf, fieldOf, tableOfReply } from './secret.ts';
import { plainText } from './value.ts';
import { yamlOf } from './yaml.ts';

export interface Output {
  readonly format: Format;
  /** `-field`, if it was given. */
  readonly field: string | undefined;
  /** A line on standard output, in every format. */
  line(text: string): void;
  /** A line that says what was done; only where output is for people. */
  success(text: string): void;
  /** A line on standard error. */
  warn(text: string): void;
  /** A reply of the API, or the one field of it that was asked for. Throws `LocalError` where it has no such field. */
  reply(reply: Reply): void;
  /** Any data; `table` gives the form for people. */
  data(value: unknown, table: () => string): void;
  /** A single value as `-field` prints it. */
  value(value: unknown): void;
}

export function createOutput(terminal: Terminal, format: Format, field: string | undefined): Output {
  const line = (text: string) => terminal.output.write(`${text}\n`);
  const output: Output = {
    format,
    field,
    line,
    success: (text) => (format === 'table' || format === 'pretty' ? line(text) : undefined),
    warn: (text) => terminal.error.write(`${text}\n`),
    reply: (reply) => printReply(output, reply),
    data(value, table) {
      line(format === 'table' || format === 'raw' ? table() : structured(format, value));
    },
    value(value) {
      const text = format === 'json' || format === 'yaml' ? structured(format, value) : plainText(value);
      // Without a newline, so that `password=$(… -field=password)` and pipes get the value and nothing else.
      terminal.output.write(terminal.output.isTerminal ? `${text}\n` : text);
    },
  };
  return output;
}

/** JSON and YAML; `pretty` is YAML too, of which only the data is shown for replies. */
function structured(format: Format, value: unknown): string {
  return format === 'json' ? JSON.stringify(value, undefined, 2) : yamlOf(value);
}

function printReply(output: Output, reply: Reply): void {
  if (output.field !== undefined) {
    const value = fieldOf(reply, output.field);
    if (value === undefined) throw new LocalError(`Field "${output.field}" not present in secret`);
    output.value(value);
  } else if (output.format === 'raw') {
    output.line(reply.raw.replace(/\n$/, ''));
  } else if (output.format === 'pretty') {
    const shown = reply.auth ?? reply.wrapInfo ?? dataOf(reply);
    if (shown) output.line(yamlOf(shown));
  } else if (output.format === 'table') {
    printWarnings(output, reply.warnings);
    const table = tableOfReply(reply);
    if (table !== undefined) output.line(table);
  } else output.line(structured(output.format, envelopeOf(reply)));
}

/** Warnings are part of the data in the other formats. */
export function printWarnings(output: Output, warnings: readonly string[]): void {
  if (warnings.length === 0) return;
  output.warn('WARNING! The following warnings were returned from Vault:\n');
  for (const warning of warnings) output.warn(`  * ${warning}\n`);
}
