import { command, group } from '../command.ts';

const printToken = command({
  name: 'print token',
  synopsis: 'Prints the token currently in use',
  usage: 'print token',
  description: `
Prints the token that commands use: that of VAULT_TOKEN, or that of the last login.`,
  uses: [],
  flags: {},
  arguments: { min: 0, max: 0 },
  async run({ client, output }) {
    output.line((await client()).token);
    return 0;
  },
});

export const print = group(
  {
    name: 'print',
    description: 'Prints what commands would work with.',
  },
  [printToken],
);
