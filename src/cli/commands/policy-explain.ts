import { isRecord, type UnknownRecord } from '../../base/json.ts';
import { stringsOf } from '../../client/reply.ts';
import { command } from '../command.ts';
import { attempt } from '../errors.ts';
import { boolean, string, strings } from '../flags.ts';
import { cleanPath } from '../input.ts';
import { keyValueTable, type Row } from '../output/table.ts';
import { plainText } from '../output/value.ts';

const OPERATIONS = ['create', 'read', 'update', 'patch', 'delete', 'list', 'scan'] as const;

export const explain = command({
  name: 'policy explain',
  synopsis: 'Tells why a request would be allowed or denied',
  usage: 'policy explain [options] [TOKEN | ACCESSOR] PATH',
  description: `
Tells whether a request would be allowed, by which rule of which policy, and if it would not, which rule came nearest. Asking about another token needs sudo.

The exit code is 0 where the request would be allowed and 2 where not.

    $ coffer policy explain -operation=read secret/data/foo
    $ coffer policy explain -operation=list hvs.CAES... secret/metadata/`,
  uses: ['http', 'format', 'field'],
  flags: {
    operation: string({ usage: 'What would be done. The default is read.', values: OPERATIONS }),
    capability: strings({
      usage: 'Capability that would be needed, instead of -operation; may be given several times.',
    }),
    accessor: boolean({ usage: 'Treat the first argument as an accessor instead of a token.' }),
  },
  arguments: { min: 1, max: 2 },
  completes: 'paths',
  async run({ client, flags, arguments: words, output }) {
    const subject = words.length === 2 ? words[0] : undefined;
    const word = words.at(-1)!;
    const body = {
      // A slash at the end means something to a policy: it is where LIST is asked for.
      path: `${cleanPath(word)}${word.trim().endsWith('/') ? '/' : ''}`,
      ...(flags.capability.length > 0
        ? { capabilities: flags.capability }
        : { operation: flags.operation ?? 'read' }),
      ...(subject !== undefined && { [flags.accessor ? 'accessor' : 'token']: subject }),
    };
    const connected = await client();
    const reply = await attempt(
      'Error explaining policies',
      connected.request('POST', 'sys/policies/explain', body),
    );
    const data = reply.data ?? {};
    if (output.field !== undefined || output.format !== 'table') output.reply(reply);
    else output.line(explanation(data));
    return data.allowed === true ? 0 : 2;
  },
});

function explanation(data: UnknownRecord): string {
  const rule = isRecord(data.deciding_rule) ? data.deciding_rule : undefined;
  const miss = isRecord(data.nearest_miss) ? data.nearest_miss : undefined;
  const rows: (Row | undefined)[] = [
    ['allowed', plainText(data.allowed)],
    ['path', plainText(data.path)],
    data.operation === undefined ? undefined : ['operation', plainText(data.operation)],
    ['capabilities', stringsOf(data.capabilities).join(', ')],
    rule ? ['deciding_rule', `${placeOf(rule)}: ${stringsOf(rule.capabilities).join(', ')}`] : undefined,
    miss ? ['nearest_miss', `${placeOf(miss)}: ${plainText(miss.reason)}`] : undefined,
  ];
  const table = keyValueTable(rows.filter((row) => row !== undefined));
  return typeof data.explanation === 'string' ? `${data.explanation}\n\n${table}` : table;
}

function placeOf(rule: UnknownRecord): string {
  const line = rule.line === undefined ? '' : `, line ${plainText(rule.line)}`;
  return `policy "${plainText(rule.policy)}"${line}, path "${plainText(rule.path)}"`;
}
