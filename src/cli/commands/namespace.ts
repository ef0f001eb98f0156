import { isRecord } from '../../base/json.ts';
import { type Command, command, group } from '../command.ts';
import { attempt, RemoteError } from '../errors.ts';
import { boolean, pairs, strings } from '../flags.ts';
import { cleanPath, mountPath } from '../input.ts';
import { printKeys } from '../output/keys.ts';

const customMetadata = pairs({ usage: 'Pair of one’s own; may be given several times.' });

function listing(method: 'LIST' | 'SCAN'): Command {
  const name = method.toLowerCase();
  return command({
    name: `namespace ${name}`,
    synopsis: method === 'LIST' ? 'List child namespaces' : 'List all namespaces below, recursively',
    usage: `namespace ${name} [options]`,
    description: `Lists the namespaces below the present one.\n\n    $ coffer namespace ${name} -detailed`,
    uses: ['http', 'format'],
    flags: { detailed: boolean({ usage: 'Show identifiers and custom metadata too.' }) },
    arguments: { min: 0, max: 0 },
    async run({ client, flags, output }) {
      const connected = await client();
      const reply = await attempt('Error listing namespaces', connected.find(method, 'sys/namespaces'));
      if (!reply) throw new RemoteError('No namespaces found');
      printKeys(output, reply, { detailed: flags.detailed, path: 'sys/namespaces' });
      return 0;
    },
  });
}

const create = command({
  name: 'namespace create',
  synopsis: 'Create a new namespace',
  usage: 'namespace create [options] PATH',
  description: `
Creates a namespace below the present one.

    $ coffer namespace create -custom-metadata=owner=ops ns1/`,
  uses: ['http', 'format', 'field'],
  flags: { 'custom-metadata': customMetadata },
  arguments: { min: 1, max: 1 },
  async run({ client, flags, arguments: words, output }) {
    const connected = await client();
    const body = { custom_metadata: flags['custom-metadata'] };
    const request = connected.request('POST', `sys/namespaces/${cleanPath(words[0]!)}`, body);
    output.reply(await attempt('Error creating namespace', request));
    return 0;
  },
});

const patch = command({
  name: 'namespace patch',
  synopsis: 'Patch an existing namespace',
  usage: 'namespace patch [options] PATH',
  description: `
Changes custom metadata of a namespace and keeps the rest.

    $ coffer namespace patch -custom-metadata=bar=123 -remove-custom-metadata=foo ns1/`,
  uses: ['http', 'format', 'field'],
  flags: {
    'custom-metadata': customMetadata,
    'remove-custom-metadata': strings({ usage: 'Name of a pair to take out; may be given several times.' }),
  },
  arguments: { min: 1, max: 1 },
  async run({ client, flags, arguments: words, output }) {
    const removed = Object.fromEntries(flags['remove-custom-metadata'].map((name) => [name, null]));
    const body = { custom_metadata: { ...flags['custom-metadata'], ...removed } };
    const connected = await client();
    const request = connected.request('PATCH', `sys/namespaces/${cleanPath(words[0]!)}`, body);
    output.reply(await attempt('Error patching namespace', request));
    return 0;
  },
});

const lookup = command({
  name: 'namespace lookup',
  synopsis: 'Look up an existing namespace',
  usage: 'namespace lookup [options] PATH',
  description: 'Shows what is known about a namespace.\n\n    $ coffer namespace lookup ns1/',
  uses: ['http', 'format', 'field'],
  flags: {},
  arguments: { min: 1, max: 1 },
  async run({ client, arguments: words, output }) {
    const connected = await client();
    const request = connected.find('GET', `sys/namespaces/${cleanPath(words[0]!)}`);
    const reply = await attempt('Error looking up namespace', request);
    if (!reply) throw new RemoteError(`Namespace not found: ${words[0]}`);
    output.reply(reply);
    return 0;
  },
});

const remove = command({
  name: 'namespace delete',
  synopsis: 'Delete an existing namespace',
  usage: 'namespace delete [options] PATH',
  description: 'Deletes a namespace with everything in it.\n\n    $ coffer namespace delete ns1/',
  uses: ['http'],
  flags: {},
  arguments: { min: 1, max: 1 },
  async run({ client, arguments: words, output }) {
    const path = mountPath(words[0]!);
    const connected = await client();
    const request = connected.request('DELETE', `sys/namespaces/${cleanPath(path)}`);
    const reply = await attempt('Error deleting namespace', request);
    // A large namespace is deleted in the background, which the reply says.
    if (reply.data) output.reply(reply);
    else output.line(`Success! Namespace deleted at: ${path}`);
    return 0;
  },
});

function locking(verb: 'lock' | 'unlock'): Command {
  const title = verb === 'lock' ? 'Lock' : 'Unlock';
  return command({
    name: `namespace ${verb}`,
    synopsis: `${title} the API for particular namespaces`,
    usage: `namespace ${verb} [options] [PATH]`,
    description: `
${title}s the API for the present namespace, or one below it, and for all below that.${verb === 'lock' ? ' The key that is printed unlocks it again.' : ''}

    $ coffer namespace ${verb}${verb === 'unlock' ? ' -unlock-key=...' : ''} ns1/`,
    uses: ['http', 'format', 'field'],
    flags: {},
    arguments: { min: 0, max: 1 },
    async run({ client, flags, arguments: words, output }) {
      const below = cleanPath(words[0] ?? '');
      const path = `sys/namespaces/api-lock/${verb}${below && `/${below}`}`;
      const body = verb === 'unlock' ? { unlock_key: flags['unlock-key'] } : {};
      const connected = await client();
      const reply = await attempt(`Error ${verb}ing namespace`, connected.request('PUT', path, body));
      if (isRecord(reply.body.data)) output.reply(reply);
      else output.line(`Success! Namespace ${verb}ed`);
      return 0;
    },
  });
}

export const namespace = group(
  {
    name: 'namespace',
    description: `
Creates, shows, changes, locks and deletes namespaces, each below the present one.

    $ coffer namespace create ns1/
    $ coffer namespace list`,
  },
  [create, remove, listing('LIST'), locking('lock'), lookup, patch, listing('SCAN'), locking('unlock')],
);
