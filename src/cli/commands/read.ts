import type { Method, Query } from '../../client/client.ts';
import type { Reply } from '../../client/reply.ts';
import { type Command, type Context, command } from '../command.ts';
import { attempt, RemoteError } from '../errors.ts';
import { boolean, integer, string } from '../flags.ts';
import { cleanPath, mountPath, readQuery } from '../input.ts';
import { printKeys } from '../output/keys.ts';

export const read = command({
  name: 'read',
  synopsis: 'Read data and retrieve secrets',
  usage: 'read [options] PATH [DATA K=V...]',
  description: `
Reads data at the given path: secrets, generated credentials, configuration, and more. Pairs of K=V are sent as parameters of the request.

Read a role:

    $ coffer read database/roles/readonly

For secrets of the key-value store "coffer kv get" is more comfortable.`,
  uses: ['http', 'format', 'field'],
  flags: {},
  arguments: { min: 1 },
  completes: 'paths',
  async run(context) {
    const path = cleanPath(context.arguments[0]!);
    const query = await readQuery(context.arguments.slice(1), context.terminal);
    const reply = await find(context, { method: 'GET', path, query, doing: `Error reading ${path}` });
    context.output.reply(reply);
    return 0;
  },
});

export const remove = command({
  name: 'delete',
  synopsis: 'Delete secrets and configuration',
  usage: 'delete [options] PATH [DATA K=V...]',
  description: `
Deletes secrets and configuration at the given path. What that does is up to the engine there.

Remove data in the key-value store:

    $ coffer delete secret/data/my-secret`,
  uses: ['http', 'format', 'field'],
  flags: {},
  arguments: { min: 1 },
  completes: 'paths',
  async run(context) {
    const path = cleanPath(context.arguments[0]!);
    const query = await readQuery(context.arguments.slice(1), context.terminal);
    const client = await context.client();
    const reply = await attempt(`Error deleting ${path}`, client.request('DELETE', path, undefined, query));
    if (reply.data || reply.wrapInfo || reply.auth) context.output.reply(reply);
    else context.output.success(`Success! Data deleted (if it existed) at: ${path}`);
    return 0;
  },
});

const listFlags = {
  detailed: boolean({ usage: 'Show what is told about each key beside its name.' }),
  after: string({ usage: 'Begin after this key; for long lists.' }),
  limit: integer({ usage: 'Show at most this many keys.' }),
};

function listing(method: 'LIST' | 'SCAN'): Command {
  const name = method.toLowerCase();
  const whole = method === 'LIST' ? '' : ', and everything below it,';
  return command({
    name,
    synopsis: method === 'LIST' ? 'List data or secrets' : 'List data or secrets with all that is below them',
    usage: `${name} [options] PATH`,
    description: `
Lists what is at the given path${whole} if the engine there can. Names that end in a slash have more below them.

    $ coffer ${name} secret/metadata/my-app/`,
    uses: ['http', 'format'],
    flags: listFlags,
    arguments: { min: 1, max: 1 },
    completes: 'paths',
    async run(context) {
      const { after, limit, detailed } = context.flags;
      const path = mountPath(context.arguments[0]!);
      const query = { after, limit: limit === undefined ? undefined : String(limit) };
      const doing = `Error ${method === 'LIST' ? 'listing' : 'scanning'} ${path}`;
      const reply = await find(context, { method, path, query, doing });
      printKeys(context.output, reply, { detailed, path });
      return 0;
    },
  });
}

export const list = listing('LIST');
export const scan = listing('SCAN');

interface Search {
  readonly method: Method;
  readonly path: string;
  readonly query: Query;
  readonly doing: string;
}

async function find(context: Context, { method, path, query, doing }: Search): Promise<Reply> {
  const client = await context.client();
  const reply = await attempt(doing, client.find(method, path, undefined, query));
  if (reply) return reply;
  throw new RemoteError(`No value found at ${path}`);
}
