import { isRecord } from '../../base/json.ts';
import { type Reply, stringsOf } from '../../client/reply.ts';
import { RemoteError } from '../errors.ts';
import { type Output, printWarnings } from './output.ts';
import { tableOf } from './table.ts';
import { plainText } from './value.ts';

/** Prints the keys of a LIST or SCAN; a reply without any fails, as it does for Vault's command line. */
export function printKeys(output: Output, reply: Reply, options: { detailed: boolean; path: string }): void {
  if (reply.wrapInfo || output.format === 'raw') {
    output.reply(reply);
    return;
  }
  const keys = stringsOf(reply.data?.keys).sort();
  if (keys.length === 0) throw new RemoteError(`No entries found at ${options.path}`);
  if (output.format === 'table') printWarnings(output, reply.warnings);
  const info = isRecord(reply.data?.key_info) ? reply.data.key_info : undefined;
  const value = options.detailed && info ? reply.data : keys;
  output.data(value, () => (options.detailed && info ? detailedTable(keys, info) : keyTable(keys)));
}

export function keyTable(keys: readonly string[]): string {
  return tableOf(
    ['Keys'],
    keys.map((key) => [key]),
  );
}

/** One column for each name that any key's information has. */
function detailedTable(keys: readonly string[], info: Readonly<Record<string, unknown>>): string {
  const facts = keys.map((key) => (isRecord(info[key]) ? info[key] : {}));
  const names = [...new Set(facts.flatMap((fact) => Object.keys(fact)))].sort();
  const rows = keys.map((key, at) => [
    key,
    ...names.map((name) => (facts[at]?.[name] === undefined ? '' : plainText(facts[at][name]))),
  ]);
  return tableOf(['Keys', ...names], rows);
}
