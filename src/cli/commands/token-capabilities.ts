import { stringsOf } from '../../client/reply.ts';
import { command } from '../command.ts';
import { attempt, UsageError } from '../errors.ts';
import { boolean } from '../flags.ts';

export const capabilities = command({
  name: 'token capabilities',
  synopsis: 'Print capabilities of a token on a path',
  usage: 'token capabilities [options] [TOKEN | ACCESSOR] PATH',
  description: `
Prints what a token may do at a path; without a token, what the present one may. To see why, use "coffer policy explain".

    $ coffer token capabilities secret/data/foo
    $ coffer token capabilities 96ddf4bc-d217-f3ba-f9bd-017055595017 cubbyhole/foo`,
  uses: ['http', 'format'],
  flags: { accessor: boolean({ usage: 'Treat the first argument as an accessor instead of a token.' }) },
  arguments: { min: 1, max: 2 },
  completes: 'paths',
  async run({ client, flags, arguments: words, output }) {
    const path = words.at(-1)!;
    const subject = words.length === 2 ? words[0] : undefined;
    if (flags.accessor && subject === undefined)
      throw new UsageError('-accessor needs an accessor and a path');
    const [endpoint, about] =
      subject === undefined
        ? ['capabilities-self', {}]
        : flags.accessor
          ? ['capabilities-accessor', { accessor: subject }]
          : ['capabilities', { token: subject }];
    const connected = await client();
    const request = connected.request('POST', `sys/${endpoint}`, { ...about, paths: [path] });
    const reply = await attempt('Error listing capabilities', request);
    const facts = reply.data ?? reply.body;
    const names = stringsOf(facts[path] ?? facts.capabilities).sort();
    output.data(names, () => names.join(', '));
    return 0;
  },
});
