import { command } from '../command.ts';
import { attempt, RemoteError } from '../errors.ts';
import { cleanPath } from '../input.ts';
import { plainText } from '../output/value.ts';

export const pathHelp = command({
  name: 'path-help',
  synopsis: 'Retrieve API help for paths',
  usage: 'path-help [options] PATH',
  description: `
Shows what the server says about a path: the engine there, its paths, and their fields.

    $ coffer path-help database/
    $ coffer path-help database/roles/readonly`,
  uses: ['http', 'format'],
  flags: {},
  arguments: { min: 1, max: 1 },
  completes: 'paths',
  async run({ client, arguments: words, output }) {
    const path = cleanPath(words[0]!);
    const connected = await client();
    const doing = `Error retrieving help for ${path}`;
    const reply = await attempt(doing, connected.request('GET', path, undefined, { help: '1' }));
    const shown = reply.data ?? reply.body;
    if (typeof shown.help !== 'string') throw new RemoteError(`No help found at ${path}`);
    output.data(shown, () => plainText(shown.help).trimEnd());
    return 0;
  },
});
