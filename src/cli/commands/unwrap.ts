import type { Client } from '../../client/client.ts';
import type { Reply } from '../../client/reply.ts';
import { command } from '../command.ts';
import { attempt, RemoteError } from '../errors.ts';

export const unwrap = command({
  name: 'unwrap',
  synopsis: 'Unwrap a wrapped secret',
  usage: 'unwrap [options] [TOKEN]',
  description: `
Takes the reply out of a wrapping token, which can be done once. Without an argument the token of VAULT_TOKEN or of the last login is taken for the wrapping token.

    $ coffer unwrap 848f9ccf-7176-098c-5e2b-75a0689d41cd`,
  uses: ['http', 'format', 'field'],
  flags: {},
  arguments: { min: 0, max: 1 },
  async run({ client, arguments: words, output }) {
    const connected = await client();
    const reply = await attempt('Error unwrapping', unwrapToken(connected, words[0]?.trim()));
    if (Object.keys(reply.body).length === 0) throw new RemoteError('Could not find wrapped response');
    output.reply(reply);
    return 0;
  },
});

/** A wrapping token may unwrap itself; with another token at hand that one asks, and the audit log shows who did. */
export function unwrapToken(client: Client, token: string | undefined): Promise<Reply> {
  if (token === undefined || token === client.token) return client.request('PUT', 'sys/wrapping/unwrap');
  if (client.token === '') return client.with({ token }).request('PUT', 'sys/wrapping/unwrap');
  return client.request('PUT', 'sys/wrapping/unwrap', { token });
}
