import { isRecord } from '../../base/json.ts';
import type { Client } from '../../client/client.ts';
import { command, group } from '../command.ts';
import { attempt, RemoteError } from '../errors.ts';
import { cleanPath, mountPath } from '../input.ts';
import { loginMethods } from '../login-methods.ts';
import { mountCommands } from '../mount-commands.ts';

const help = command({
  name: 'auth help',
  synopsis: 'Prints usage for an auth method',
  usage: 'auth help [options] TYPE | PATH',
  description: `
Tells how to log in with an auth method, given its type or the path where it is enabled.

    $ coffer auth help userpass
    $ coffer auth help userpass/`,
  uses: ['http'],
  flags: {},
  arguments: { min: 1, max: 1 },
  completes: 'auths',
  async run({ client, arguments: words, output }) {
    const word = words[0]!.trim();
    const known = loginMethods.get(word) ?? loginMethods.get(await typeAt(await client(), word));
    if (known) {
      output.line(known.help.trim().replaceAll('-method=TYPE', `-method=${cleanPath(word)}`));
      return 0;
    }
    const path = `auth/${cleanPath(word)}`;
    const connected = await client();
    const reply = await attempt(
      `Error retrieving help for ${path}`,
      connected.request('GET', path, undefined, { help: '1' }),
    );
    output.line(String((reply.data ?? reply.body).help ?? ''));
    return 0;
  },
});

async function typeAt(client: Client, path: string): Promise<string> {
  const reply = await attempt('Error listing auth methods', client.request('GET', 'sys/auth'));
  const mount = (reply.data ?? reply.body)[mountPath(path)];
  if (isRecord(mount)) return String(mount.type);
  throw new RemoteError(
    `No auth method is enabled at ${mountPath(path)}, and no method of that type is known here`,
  );
}

export const auth = group(
  {
    name: 'auth',
    description: `
Enables, shows, tunes, moves and disables auth methods.

    $ coffer auth list
    $ coffer auth enable userpass
    $ coffer auth help userpass`,
  },
  [
    help,
    ...mountCommands({
      group: 'auth',
      endpoint: 'sys/auth',
      noun: 'auth method',
      one: 'an auth method',
      example: 'userpass',
      completes: 'auths',
      enabled: (type, path) => `Success! Enabled ${type} auth method at: ${path}`,
    }),
  ],
);
