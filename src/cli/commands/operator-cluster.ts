import { isRecord, type UnknownRecord } from '../../base/json.ts';
import { command } from '../command.ts';
import { attempt, LocalError } from '../errors.ts';
import { string } from '../flags.ts';
import { alignRows, tableOf } from '../output/table.ts';
import { plainText } from '../output/value.ts';

export const members = command({
  name: 'operator members',
  synopsis: 'Returns the nodes of the cluster',
  usage: 'operator members [options]',
  description:
    'Shows the active node and those that it heard of since it is active.\n\n    $ coffer operator members',
  uses: ['http', 'format'],
  flags: {},
  arguments: { min: 0, max: 0 },
  async run({ client, output }) {
    const connected = await client();
    const reply = await attempt('Error reading HA status', connected.request('GET', 'sys/ha-status'));
    const answer = reply.data ?? reply.body;
    const nodes = Array.isArray(answer.nodes) ? answer.nodes.filter(isRecord) : [];
    const columns = [
      ['Host Name', 'hostname'],
      ['API Address', 'api_address'],
      ['Cluster Address', 'cluster_address'],
      ['Active Node', 'active_node'],
      ['Version', 'version'],
      ['Upgrade Version', 'upgrade_version'],
      ['Redundancy Zone', 'redundancy_zone'],
      ['Last Echo', 'last_echo'],
    ] as const;
    const rows = nodes.map((node) =>
      columns.map(([, name]) => (node[name] === null ? '' : plainText(node[name] ?? ''))),
    );
    const head = columns.map(([title]) => title);
    output.data(answer, () => tableOf(head, rows));
    return 0;
  },
});

export const usage = command({
  name: 'operator usage',
  synopsis: 'Lists historical client counts',
  usage: 'operator usage [options]',
  description: `
Shows how many clients each namespace had.

    $ coffer operator usage -start-time=2026-01 -end-time=2026-03`,
  uses: ['http', 'format'],
  flags: {
    'start-time': string({
      usage: 'First month: YYYY-MM, YYYY-MM-DD, a time of RFC 3339, or seconds since 1970.',
    }),
    'end-time': string({ usage: 'Last month, in the same forms.' }),
  },
  arguments: { min: 0, max: 0 },
  async run({ client, flags, output }) {
    const connected = await client();
    const query = { start_time: timeOf(flags['start-time']), end_time: timeOf(flags['end-time']) };
    const request = connected.request('GET', 'sys/internal/counters/activity', undefined, query);
    const reply = await attempt('Error retrieving client counts', request);
    const data = reply.data ?? {};
    if (Object.keys(data).length === 0) output.warn('No data is available for the given time range.');
    output.data(data, () => usageReport(data));
    return 0;
  },
});

/** A month or a day begins with its first second. */
function timeOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (/^\d{4}-\d{2}$/.test(text)) return `${text}-01T00:00:00Z`;
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return `${text}T00:00:00Z`;
  if (/^\d+$/.test(text)) return new Date(Number(text) * 1000).toISOString();
  if (!Number.isNaN(Date.parse(text))) return text;
  throw new LocalError(`"${text}" is no time: give YYYY-MM, YYYY-MM-DD, RFC 3339, or seconds since 1970`);
}

function usageReport(data: UnknownRecord): string {
  const head = ['Namespace path', 'Distinct entities', 'Non-Entity tokens', 'Active clients'];
  const row = (name: string, counts: unknown) => {
    const facts = isRecord(counts) ? counts : {};
    const entities = plainText(facts.distinct_entities ?? facts.entity_clients ?? 0);
    const others = plainText(facts.non_entity_tokens ?? facts.non_entity_clients ?? 0);
    return [name, entities, others, plainText(facts.clients ?? 0)];
  };
  const namespaces = Array.isArray(data.by_namespace) ? data.by_namespace.filter(isRecord) : [];
  const rows = namespaces.map((one) => row(String(one.namespace_path ?? '') || '[root]', one.counts));
  const dashes = head.map((title) => '-'.repeat(title.length));
  const lines = alignRows([head, dashes, ...rows, row('Total', data.total)]).split('\n');
  const table = [...lines.slice(0, -1), '', lines.at(-1)].join('\n');
  return `Period start: ${plainText(data.start_time)}\nPeriod end: ${plainText(data.end_time)}\n\n${table}`;
}
