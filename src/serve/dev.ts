import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatFinding } from '../config/config.ts';
import type { RunningServer } from '../server.ts';
import type { ServeArguments } from './arguments.ts';
import { mountSecret, replaceRootToken } from './first-steps.ts';
import { openServerLog } from './log.ts';
import type { ServeTerminal, Start } from './serve.ts';
import { configWithoutFile, settingsOf, withArguments } from './settings.ts';

/** Everything in memory, unsealed, without TLS: for trying out, never for secrets. Configuration files may add to it. */
export async function devStart(args: ServeArguments, terminal: ServeTerminal): Promise<Start> {
  const { environment } = terminal;
  const { config: plain, warnings } = configWithoutFile(environment, {
    storage: { kind: 'inmem', retryJoin: [], options: {} },
    address: args.devListenAddress,
    paths: args.configPaths,
  });
  for (const warning of warnings) terminal.error.write(`Warning: ${formatFinding(warning)}\n`);
  const config = withArguments(plain, args);
  const log = openServerLog(config);
  return {
    settings: await settingsOf({ ...config, seals: [] }, { environment, log: log.log }),
    log,
    begin: (server) => startDev(server, args, terminal),
  };
}

async function startDev(server: RunningServer, args: ServeArguments, terminal: ServeTerminal): Promise<void> {
  const shares = { secret_shares: 1, secret_threshold: 1 };
  const { keys_base64: [unsealKey = ''] = [], root_token: firstToken } =
    await server.lifecycle.initialize(shares);
  await server.lifecycle.submitShare(unsealKey);
  const domains = server.domains();
  if (!domains) throw new Error('the server did not unseal');
  const rootToken = args.devRootToken || firstToken;
  if (args.devRootToken) await replaceRootToken(domains, { from: firstToken, to: rootToken });
  if (args.devKv !== 'none') await mountSecret(domains, args.devKv === 'version 1' ? '1' : '2');
  if (!args.devNoStoreToken) storeToken(terminal, rootToken);
  terminal.output.write(welcome({ address: server.addresses[0]!, unsealKey, rootToken }));
}

/** Where the command line looks for it. */
function storeToken(terminal: ServeTerminal, token: string): void {
  const path = join(terminal.homeDirectory, '.vault-token');
  writeFileSync(path, token, { mode: 0o600 });
  chmodSync(path, 0o600);
}

/** Scripts read the last lines; they are as Vault's. */
function welcome({
  address,
  unsealKey,
  rootToken,
}: {
  address: string;
  unsealKey: string;
  rootToken: string;
}): string {
  return `==> Coffer server started! Log data will stream in below:

WARNING! dev mode is enabled! In this mode, Coffer runs entirely in-memory
and starts unsealed with a single unseal key. Nothing is kept.

You may need to set the following environment variables:

    $ export VAULT_ADDR='${address}'

The unseal key and root token are displayed below in case you want to
seal/unseal the server or re-authenticate.

Unseal Key: ${unsealKey}
Root Token: ${rootToken}

Development mode should NOT be used in production installations!
`;
}
