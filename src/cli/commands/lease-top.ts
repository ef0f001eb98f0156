import { isRecord, type UnknownRecord } from '../../base/json.ts';
import { command } from '../command.ts';
import { attempt, UsageError } from '../errors.ts';
import { boolean, integerOr, stringOr } from '../flags.ts';
import { tableOf } from '../output/table.ts';
import { plainText } from '../output/value.ts';

const GROUPS: ReadonlyMap<string, string> = new Map([
  ['mount', 'mounts'],
  ['role', 'roles'],
  ['entity', 'entities'],
]);

export const top = command({
  name: 'lease top',
  synopsis: 'Shows who makes the most leases',
  usage: 'lease top [options]',
  description: `
Shows who has made the most leases of late and since the server was unsealed. -count counts all that there are first, and sorts by that.

    $ coffer lease top
    $ coffer lease top -by=role -count`,
  uses: ['http', 'format'],
  flags: {
    by: stringOr('mount', { usage: 'mount, role or entity.', values: [...GROUPS.keys()] }),
    count: boolean({ usage: 'Count all leases that there are.' }),
    limit: integerOr(10, { usage: 'How many to show.' }),
  },
  arguments: { min: 0, max: 0 },
  async run({ client, flags, output }) {
    const group = GROUPS.get(flags.by);
    if (group === undefined) throw new UsageError('-by must be mount, role or entity');
    const connected = await client();
    const asked = { by: flags.by, limit: String(flags.limit) };
    const request = flags.count
      ? connected.request('PUT', 'sys/leases/top', asked)
      : connected.request('GET', 'sys/leases/top', undefined, asked);
    const { data = {} } = await attempt('Error reading the top lease creators', request);
    output.data(data, () => {
      const recent = talliesOf(data.recent, group);
      const created = talliesOf(data.created, group);
      const counted = talliesOf(data.counted, group);
      const first = flags.count ? counted : recent.size > 0 ? recent : created;
      const names = [...new Set([...first.keys(), ...created.keys()])].slice(0, flags.limit);
      const head = [title(flags.by), 'Recent', 'Since Unseal', ...(data.counted ? ['Now'] : [])];
      const rows = names.map((name) => [
        name,
        ...[recent, created, ...(data.counted ? [counted] : [])].map((each) => each.get(name) ?? '-'),
      ]);
      return rows.length > 0 ? tableOf(head, rows) : 'No leases were made.';
    });
    return 0;
  },
});

function title(by: string): string {
  return `${by.slice(0, 1).toUpperCase()}${by.slice(1)}`;
}

/** By name, in the server's order: the most first. */
function talliesOf(section: unknown, group: string): Map<string, string> {
  const listed: UnknownRecord = isRecord(section) ? section : {};
  const tallies = Array.isArray(listed[group]) ? listed[group].filter(isRecord) : [];
  return new Map(tallies.map(({ name, leases }) => [plainText(name), plainText(leases)]));
}
