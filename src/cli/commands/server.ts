import { command } from '../command.ts';

export const server = command({
  name: 'server',
  synopsis: 'Start a server',
  usage: 'server [options]',
  description: `
Starts a server that answers the API. Without -dev it starts sealed, and must be initialised once and unsealed after each start unless its seal does that by itself.

Start with a configuration file:

    $ coffer server -config=/etc/coffer/config.hcl

Start for trying things out, in memory:

    $ coffer server -dev -dev-root-token-id=root

  -config=<path>                         file or directory of files in HCL or JSON; may be given several times
  -check                                 read the configuration, name the file, line and field of a mistake, and end
  -dev                                   run in memory, initialised and unsealed
  -dev-listen-address=<host:port>        where -dev listens; the default is 127.0.0.1:8200
  -dev-root-token-id=<token>             root token of -dev
  -dev-tls                               -dev with TLS, by certificates made on the spot
  -dev-tls-cert-dir=<path>               where to put them; a temporary folder without it
  -dev-tls-san=<name>                    a further host name or address; may be given several times
  -dev-no-store-token                    do not keep the root token of -dev in the token helper
  -dev-kv-v1, -dev-no-kv                 what -dev mounts at secret/: KV version 1, or nothing; the default is version 2
  -quickstart                            run on ./data (COFFER_DATA names another folder), unsealed by a key file in it
  -listen-address=<host:port>            where -quickstart listens; the default is 127.0.0.1:8200
  -log-level=<level>                     trace, debug, info, warn or error; the default is info
  -log-format=<format>                   standard or json
  -log-file=<path>                       where the log goes instead of standard error`,
  uses: [],
  flags: {},
  arguments: { min: 0 },
  raw: true,
  run: (context) => context.startServer(context.arguments, context.terminal),
});

export const diagnose = command({
  name: 'operator diagnose',
  synopsis: 'Checks a configuration before a server starts with it',
  usage: 'operator diagnose [options]',
  description: `
Reads the configuration as "coffer server -check" does, and names the file, line and field of a mistake.

    $ coffer operator diagnose -config=/etc/coffer/config.hcl`,
  uses: [],
  flags: {},
  arguments: { min: 0 },
  raw: true,
  run: (context) => context.startServer(['-check', ...context.arguments], context.terminal),
});
