import { isRecord } from '../../base/json.ts';
import { stringsOf } from '../../client/reply.ts';
import { command } from '../command.ts';
import { attempt } from '../errors.ts';
import { tableOf } from '../output/table.ts';
import { versionLine } from '../version.ts';

export const version = command({
  name: 'version',
  synopsis: 'Print the version',
  usage: 'version',
  description: 'Prints the version of this program.',
  uses: [],
  flags: {},
  arguments: { min: 0, max: 0 },
  async run({ output }) {
    output.line(versionLine());
    return 0;
  },
});

export const versionHistory = command({
  name: 'version-history',
  synopsis: 'Print the versions that the server has run',
  usage: 'version-history [options]',
  description:
    'Prints the versions that the server has run, oldest first, with the time when each was first started.',
  uses: ['http', 'format'],
  flags: {},
  arguments: { min: 0, max: 0 },
  async run({ client, output }) {
    const connected = await client();
    const reply = await attempt(
      'Error listing version history',
      connected.request('LIST', 'sys/version-history'),
    );
    const info = isRecord(reply.data?.key_info) ? reply.data.key_info : {};
    const rows = stringsOf(reply.data?.keys).map((key) => {
      const facts = isRecord(info[key]) ? info[key] : {};
      return [key, String(facts.timestamp_installed ?? ''), String(facts.build_date ?? '')];
    });
    output.data(reply.data, () => tableOf(['Version', 'Installation Time', 'Build Date'], rows));
    return 0;
  },
});
