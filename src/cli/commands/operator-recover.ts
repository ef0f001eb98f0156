import { type Command, command } from '../command.ts';
import { attempt, LocalError } from '../errors.ts';
import { booleanOr, string, stringOr } from '../flags.ts';
import { plainText } from '../output/value.ts';
import { openFile } from '../snapshot-file.ts';

const LOAD = 'sys/storage/raft/snapshot-load';

export function loadCommand(prefix: string): Command {
  return command({
    name: `${prefix} load`,
    synopsis: 'Loads a snapshot to bring single things back from',
    usage: `${prefix} load [options] FILE`,
    description: `
Loads a snapshot beside what the server has. Nothing changes by that; "coffer operator snapshot recover" then brings single secrets or mounts back.

    $ coffer ${prefix} load backup.snap`,
    uses: ['http', 'format', 'field'],
    flags: {},
    arguments: { min: 1, max: 1 },
    completes: 'files',
    async run({ client, output, arguments: [path = ''] }) {
      const file = openFile(path);
      const connected = await client();
      output.reply(await attempt('Error loading the snapshot', connected.upload(LOAD, file)));
      return 0;
    },
  });
}

export function unloadCommand(prefix: string): Command {
  return command({
    name: `${prefix} unload`,
    synopsis: 'Unloads a snapshot',
    usage: `${prefix} unload [options] ID`,
    description: `Unloads a loaded snapshot.\n\n    $ coffer ${prefix} unload 2403d301-94f2-46a1-a39d-02be83e2831a`,
    uses: ['http'],
    flags: {},
    arguments: { min: 1, max: 1 },
    async run({ client, output, arguments: [id = ''] }) {
      const connected = await client();
      await attempt('Error unloading the snapshot', connected.request('DELETE', `${LOAD}/${id}`));
      output.line(`Success! Unloaded: ${id}`);
      return 0;
    },
  });
}

export function recoverCommand(): Command {
  return command({
    name: 'operator snapshot recover',
    synopsis: 'Brings one secret or mount back from a loaded snapshot',
    usage: 'operator snapshot recover [options] PATH',
    description: `
Brings a secret back as it was in a loaded snapshot. For key/value version 2, the path has data/ in it, and the secret comes back as one more version.

    $ coffer operator snapshot recover -snapshot-id=ID secret/data/app

With -mount, PATH is that of a whole secrets mount, which takes the place of the one that is there now, if any. It must have no leases.

    $ coffer operator snapshot recover -snapshot-id=ID -mount secret`,
    uses: ['http'],
    flags: {
      'snapshot-id': string({ usage: 'The loaded snapshot, as "operator snapshot load" shows it.' }),
      mount: booleanOr(false, { usage: 'Bring back a whole mount.' }),
      as: stringOr('', { usage: 'Another path of the same mount to write the secret to.' }),
    },
    arguments: { min: 1, max: 1 },
    async run({ client, flags, output, arguments: [path = ''] }) {
      const id = flags['snapshot-id'];
      if (id === undefined) throw new LocalError('-snapshot-id must be given');
      const connected = await client();
      const what = flags.mount ? { mount: path } : { path, as: flags.as };
      const body = { snapshot_id: id, ...what };
      const request = connected.request('POST', 'sys/storage/snapshot/recover', body);
      const { data = {}, warnings } = await attempt('Error recovering', request);
      for (const warning of warnings) output.warn(warning);
      const how = flags.mount ? ` (${plainText(data.records)} records)` : '';
      output.line(`Success! Recovered: ${flags.as || path}${how}`);
      return 0;
    },
  });
}
