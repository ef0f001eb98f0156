import { type Command, command } from '../command.ts';
import { attempt, UsageError } from '../errors.ts';
import { boolean } from '../flags.ts';
import { cleanPath, readData } from '../input.ts';
import { finishMultiFactor } from '../multi-factor.ts';

const writeFlags = {
  force: boolean({
    usage: 'Go on without any K=V pair, for paths that need or expect no data.',
    aliases: ['f'],
  }),
};

function writing(method: 'PUT' | 'PATCH'): Command {
  const isPatch = method === 'PATCH';
  const name = isPatch ? 'patch' : 'write';
  return command({
    name,
    synopsis: isPatch ? 'Patch data, configuration, and secrets' : 'Write data, configuration, and secrets',
    usage: `${name} [options] PATH [DATA K=V...]`,
    description: `
${isPatch ? 'Changes only the given parts of the data' : 'Writes data'} at the given path: credentials, secrets, configuration, or any other data. What that does is up to the engine there.

Data is given as pairs of key=value. A value that begins with "@" is read from a file, and the value "-" from standard input. "@file" or "-" alone stand for a JSON object with all of the data.

    $ coffer ${name} auth/userpass/users/bob token_policies=admin

    $ echo $MY_TOKEN | coffer ${name} consul/config/access token=-

    $ coffer ${name} pki/roles/example @role.json`,
    uses: ['http', 'format', 'field'],
    flags: writeFlags,
    arguments: { min: 1 },
    completes: 'paths',
    async run(context) {
      const { arguments: words, flags, output, terminal } = context;
      if (words.length === 1 && !flags.force) throw new UsageError('Must supply data or use -force');
      const path = cleanPath(words[0]!);
      const data = await readData(words.slice(1), terminal);
      const client = await context.client();
      const first = await attempt(`Error writing data to ${path}`, client.request(method, path, data));
      const reply = await finishMultiFactor(first, client, context);
      // A reply without a body says that it is done; any other speaks for itself.
      if (Object.keys(reply.body).length === 0) {
        if (output.field === undefined) output.success(`Success! Data written to: ${path}`);
      } else output.reply(reply);
      return 0;
    },
  });
}

export const write = writing('PUT');
export const patch = writing('PATCH');
