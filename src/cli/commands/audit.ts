import { isRecord, type UnknownRecord } from '../../base/json.ts';
import { command, group } from '../command.ts';
import { attempt, RemoteError } from '../errors.ts';
import { boolean, string } from '../flags.ts';
import { cleanPath, mountPath, readData } from '../input.ts';
import { tableOf } from '../output/table.ts';
import { plainText, sortedEntries } from '../output/value.ts';

const list = command({
  name: 'audit list',
  synopsis: 'Lists enabled audit devices',
  usage: 'audit list [options]',
  description: 'Lists the enabled audit devices.\n\n    $ coffer audit list -detailed',
  uses: ['http', 'format'],
  flags: { detailed: boolean({ usage: 'Show options and replication too.' }) },
  arguments: { min: 0, max: 0 },
  async run({ client, flags, output }) {
    const connected = await client();
    const reply = await attempt('Error listing audits', connected.request('GET', 'sys/audit'));
    const devices = sortedEntries(reply.data ?? reply.body).filter(
      (entry): entry is [string, UnknownRecord] => {
        return entry[0].endsWith('/') && isRecord(entry[1]);
      },
    );
    if (devices.length === 0 && output.format === 'table')
      throw new RemoteError('No audit devices are enabled.');
    const head = flags.detailed
      ? ['Path', 'Type', 'Description', 'Replication', 'Options']
      : ['Path', 'Type', 'Description'];
    const rows = devices.map(([path, device]) => {
      const row = [path, plainText(device.type), plainText(device.description ?? '')];
      return flags.detailed
        ? [...row, device.local ? 'local' : 'replicated', optionsText(device.options)]
        : row;
    });
    output.data(Object.fromEntries(devices), () => tableOf(head, rows));
    return 0;
  },
});

const enable = command({
  name: 'audit enable',
  synopsis: 'Enables an audit device',
  usage: 'audit enable [options] TYPE [CONFIG K=V...]',
  description: `
Enables an audit device. From then on the server answers no request that it could not log to at least one of its devices.

    $ coffer audit enable file file_path=/var/log/coffer/audit.log`,
  uses: ['http'],
  flags: {
    description: string({ usage: 'What it is for.' }),
    path: string({ usage: 'Name of the device. The default is its type.' }),
    local: boolean({ usage: 'Keep it in this cluster: it is not replicated.' }),
  },
  arguments: { min: 1 },
  async run({ client, flags, arguments: words, output, terminal }) {
    const type = words[0]!.trim();
    const path = mountPath(flags.path ?? type);
    const options = await readData(words.slice(1), terminal);
    const connected = await client();
    const body = { type, description: flags.description ?? '', local: flags.local, options };
    const request = connected.request('PUT', `sys/audit/${cleanPath(path)}`, body);
    await attempt('Error enabling audit device', request);
    output.line(`Success! Enabled the ${type} audit device at: ${path}`);
    return 0;
  },
});

const disable = command({
  name: 'audit disable',
  synopsis: 'Disables an audit device',
  usage: 'audit disable [options] PATH',
  description: `
Disables an audit device. What it hashed can no longer be compared with what an audit device hashes later.

    $ coffer audit disable file/`,
  uses: ['http'],
  flags: {},
  arguments: { min: 1, max: 1 },
  completes: 'audits',
  async run({ client, arguments: words, output }) {
    const path = mountPath(words[0]!);
    const connected = await client();
    await attempt(
      'Error disabling audit device',
      connected.request('DELETE', `sys/audit/${cleanPath(path)}`),
    );
    output.line(`Success! Disabled audit device (if it was enabled) at: ${path}`);
    return 0;
  },
});

export const audit = group(
  {
    name: 'audit',
    description: `
Enables, shows and disables audit devices, which log who asked what.

    $ coffer audit list
    $ coffer audit enable file file_path=/var/log/coffer/audit.log`,
  },
  [disable, enable, list],
);

function optionsText(options: unknown): string {
  if (!isRecord(options)) return '';
  return sortedEntries(options)
    .map(([name, value]) => `${name}=${plainText(value)}`)
    .join(' ');
}
