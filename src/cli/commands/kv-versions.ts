import { type Command, command } from '../command.ts';
import { attempt, UsageError } from '../errors.ts';
import { mountPath } from '../input.ts';
import { apiPath, mountFlag } from '../kv-mount.ts';
import { needVersion2, open, versionsFlag } from './kv.ts';

interface OnVersions {
  readonly verb: 'undelete' | 'destroy';
  readonly synopsis: string;
  readonly description: string;
}

function onVersions({ verb, synopsis, description }: OnVersions): Command {
  return command({
    name: `kv ${verb}`,
    synopsis,
    usage: `kv ${verb} [options] KEY`,
    description: `${description}\n\n    $ coffer kv ${verb} -mount=secret -versions=3 foo`,
    uses: ['http', 'format'],
    flags: { ...mountFlag, versions: versionsFlag() },
    arguments: { min: 1, max: 1 },
    completes: 'keys',
    async run(context) {
      const { flags, output } = context;
      if (flags.versions.length === 0)
        throw new UsageError(
          'No versions provided, use the "-versions" flag to specify the version to work on.',
        );
      const { client, place } = await open(context);
      needVersion2(place);
      const path = apiPath(place, verb);
      const request = client.request('PUT', path, { versions: flags.versions });
      const reply = await attempt(`Error writing data to ${path}`, request);
      if (Object.keys(reply.body).length === 0) output.success(`Success! Data written to: ${path}`);
      else output.reply(reply);
      return 0;
    },
  });
}

export const undelete = onVersions({
  verb: 'undelete',
  synopsis: 'Undeletes versions',
  description: 'Brings back the data of deleted versions.',
});

export const destroy = onVersions({
  verb: 'destroy',
  synopsis: 'Permanently removes versions',
  description: 'Removes the data of versions for good.',
});

export const enableVersioning = command({
  name: 'kv enable-versioning',
  synopsis: 'Turns on versioning for a KV store',
  usage: 'kv enable-versioning [options] PATH',
  description: `
Makes a store of version 1, mounted at the path, one of version 2. Its data is kept; paths of policies need "data/" then.

    $ coffer kv enable-versioning secret`,
  uses: ['http'],
  flags: {},
  arguments: { min: 1, max: 1 },
  completes: 'secrets',
  async run({ client, arguments: words, output }) {
    const path = mountPath(words[0]!);
    const connected = await client();
    const request = connected.request('POST', `sys/mounts/${path}tune`, { options: { version: '2' } });
    await attempt(`Error tuning secrets engine ${path}`, request);
    output.line(`Success! Tuned the secrets engine at: ${path}`);
    return 0;
  },
});
