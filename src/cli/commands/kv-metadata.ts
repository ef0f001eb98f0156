import { isRecord } from '../../base/json.ts';
import { type Command, command, group } from '../command.ts';
import { attempt, RemoteError } from '../errors.ts';
import { apiDuration, duration, integer, optionalBoolean, pairs, strings } from '../flags.ts';
import { apiPath, mountFlag } from '../kv-mount.ts';
import { printWarnings } from '../output/output.ts';
import { heading } from '../output/table.ts';
import { needVersion2, open, printTitled } from './kv.ts';

const get = command({
  name: 'kv metadata get',
  synopsis: 'Retrieves key metadata from the KV store',
  usage: 'kv metadata get [options] KEY',
  description: `
Shows what is known about a key and each of its versions.

    $ coffer kv metadata get -mount=secret foo`,
  uses: ['http', 'format', 'field'],
  flags: mountFlag,
  arguments: { min: 1, max: 1 },
  completes: 'keys',
  async run(context) {
    const { output } = context;
    const { client, place } = await open(context);
    needVersion2(place);
    const path = apiPath(place, 'metadata');
    const reply = await attempt(`Error reading ${path}`, client.find('GET', path));
    if (!reply) throw new RemoteError(`No value found at ${path}`);
    if (output.field !== undefined || output.format !== 'table' || !reply.data) {
      output.reply(reply);
      return 0;
    }
    const { versions, ...facts } = reply.data;
    printWarnings(output, reply.warnings);
    output.line(`${heading('Metadata Path', path.length)}\n${path}\n`);
    printTitled(context, 'Metadata', facts);
    const numbered = Object.entries(isRecord(versions) ? versions : {}).sort(
      ([a], [b]) => Number(a) - Number(b),
    );
    for (const [number, about] of numbered) {
      output.line('');
      printTitled(context, `Version ${number}`, isRecord(about) ? about : {});
    }
    return 0;
  },
});

const settings = {
  ...mountFlag,
  'cas-required': optionalBoolean({ usage: 'Whether each write must say which version it replaces.' }),
  'max-versions': integer({ usage: 'How many versions to keep; 0 is the default of the store.' }),
  'delete-version-after': duration({ usage: 'Time after which new versions are deleted; 0s is never.' }),
  'custom-metadata': pairs({ usage: 'Pair of one’s own; may be given several times.' }),
};

function writing(method: 'PUT' | 'PATCH'): Command {
  const isPatch = method === 'PATCH';
  const name = isPatch ? 'patch' : 'put';
  return command({
    name: `kv metadata ${name}`,
    synopsis: isPatch
      ? 'Patches key settings in the KV store'
      : 'Sets or updates key settings in the KV store',
    usage: `kv metadata ${name} [options] KEY`,
    description: `
${isPatch ? 'Changes some settings of a key and keeps the others.' : 'Sets the settings of a key, and makes the key if it does not exist.'}

    $ coffer kv metadata ${name} -mount=secret -max-versions=5 foo
    $ coffer kv metadata ${name} -mount=secret -custom-metadata=owner=ops foo`,
    uses: ['http', 'format'],
    flags: {
      ...settings,
      'remove-custom-metadata': strings({ usage: 'Name of a pair to take out; only for patch.' }),
    },
    arguments: { min: 1, max: 1 },
    completes: 'keys',
    async run(context) {
      const { flags, given, output } = context;
      const { client, place } = await open(context);
      needVersion2(place);
      const removed = Object.fromEntries(flags['remove-custom-metadata'].map((one) => [one, null]));
      const custom = { ...flags['custom-metadata'], ...(isPatch && removed) };
      const after = flags['delete-version-after'];
      const body = {
        cas_required: flags['cas-required'],
        max_versions: flags['max-versions'],
        delete_version_after: after === undefined ? undefined : apiDuration(after),
        custom_metadata: given.has('custom-metadata') || Object.keys(custom).length > 0 ? custom : undefined,
      };
      const path = apiPath(place, 'metadata');
      const reply = await attempt(`Error writing data to ${path}`, client.request(method, path, body));
      printWarnings(output, reply.warnings);
      output.success(`Success! Data written to: ${path}`);
      return 0;
    },
  });
}

const remove = command({
  name: 'kv metadata delete',
  synopsis: 'Deletes all versions and metadata for a key in the KV store',
  usage: 'kv metadata delete [options] KEY',
  description: `
Deletes a key with all its versions for good.

    $ coffer kv metadata delete -mount=secret foo`,
  uses: ['http', 'format'],
  flags: mountFlag,
  arguments: { min: 1, max: 1 },
  completes: 'keys',
  async run(context) {
    const { client, place } = await open(context);
    needVersion2(place);
    const path = apiPath(place, 'metadata');
    await attempt(`Error deleting ${path}`, client.request('DELETE', path));
    context.output.success(`Success! Data deleted (if it existed) at: ${path}`);
    return 0;
  },
});

export const metadata = group(
  {
    name: 'kv metadata',
    description: `
Works with what version 2 of the store knows about a key.

    $ coffer kv metadata put -mount=secret -max-versions=5 foo
    $ coffer kv metadata get -mount=secret foo
    $ coffer kv metadata delete -mount=secret foo`,
  },
  [remove, get, writing('PATCH'), writing('PUT')],
);
