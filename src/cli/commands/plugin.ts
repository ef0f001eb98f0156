import { isRecord, type UnknownRecord } from '../../base/json.ts';
import { stringsOf } from '../../client/reply.ts';
import { command, group } from '../command.ts';
import { attempt, RemoteError, UsageError } from '../errors.ts';
import { boolean, string } from '../flags.ts';
import { type Row, tableOf } from '../output/table.ts';

const TYPES = ['auth', 'database', 'secret'] as const;

const list = command({
  name: 'plugin list',
  synopsis: 'Lists available plugins',
  usage: 'plugin list [options] [TYPE]',
  description: `
Lists the plugins of the catalog, all or those of one type: auth, database or secret.

    $ coffer plugin list database`,
  uses: ['http', 'format'],
  flags: { detailed: boolean({ usage: 'Show deprecation too.' }) },
  arguments: { min: 0, max: 1 },
  async run({ client, flags, arguments: words, output }) {
    const type = words[0]?.trim();
    if (type !== undefined) checkType(type);
    const connected = await client();
    const reply = await attempt(
      'Error listing available plugins',
      connected.request('GET', 'sys/plugins/catalog'),
    );
    const plugins = pluginsOf(reply.data ?? {}).filter(
      (plugin) => type === undefined || plugin.type === type,
    );
    const head = ['Name', ...(type === undefined ? ['Type'] : []), 'Version'];
    const rows = plugins.map((plugin): Row => {
      const shown = [
        String(plugin.name),
        ...(type === undefined ? [String(plugin.type)] : []),
        String(plugin.version ?? ''),
      ];
      return flags.detailed ? [...shown, String(plugin.deprecation_status ?? '')] : shown;
    });
    output.data({ detailed: plugins }, () =>
      tableOf(flags.detailed ? [...head, 'Deprecation Status'] : head, rows),
    );
    return 0;
  },
});

const info = command({
  name: 'plugin info',
  synopsis: 'Read information about a plugin in the catalog',
  usage: 'plugin info [options] TYPE NAME',
  description: `
Shows what the catalog knows about a plugin.

    $ coffer plugin info database postgresql-database-plugin`,
  uses: ['http', 'format', 'field'],
  flags: { version: string({ usage: 'Version of the plugin.', aliases: ['plugin-version'] }) },
  arguments: { min: 2, max: 2 },
  async run({ client, flags, arguments: words, output }) {
    const [type, name] = [words[0]!.trim(), words[1]!.trim()];
    checkType(type);
    const connected = await client();
    const request = connected.find('GET', `sys/plugins/catalog/${type}/${name}`, undefined, {
      version: flags.version,
    });
    const reply = await attempt('Error reading plugin', request);
    if (!reply) throw new RemoteError(`No value found for plugin "${name}"`);
    output.reply(reply);
    return 0;
  },
});

export const plugin = group(
  {
    name: 'plugin',
    description: 'Shows which kinds of engines and auth methods the server has.\n\n    $ coffer plugin list',
  },
  [info, list],
);

function checkType(type: string): void {
  if (TYPES.some((one) => one === type)) return;
  throw new UsageError(`"${type}" is no type of plugin (one of ${TYPES.join(', ')})`);
}

/** Details by plugin, or names by type from a server that has no details. */
function pluginsOf(data: UnknownRecord): UnknownRecord[] {
  const detailed = Array.isArray(data.detailed) ? data.detailed.filter(isRecord) : [];
  if (detailed.length > 0) return detailed;
  return TYPES.flatMap((type) => stringsOf(data[type]).map((name) => ({ name, type })));
}
