import { group } from '../command.ts';
import { mountCommands } from '../mount-commands.ts';

export const secrets = group(
  {
    name: 'secrets',
    description: `
Enables, shows, tunes, moves and disables secrets engines.

    $ coffer secrets list
    $ coffer secrets enable database
    $ coffer secrets tune -max-lease-ttl=24h database/`,
  },
  mountCommands({
    group: 'secrets',
    endpoint: 'sys/mounts',
    noun: 'secrets engine',
    one: 'a secrets engine',
    example: 'database',
    completes: 'secrets',
    enabled: (type, path) => `Success! Enabled the ${type} secrets engine at: ${path}`,
  }),
);
