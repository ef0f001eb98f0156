import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningServer, ServerSettings } from '../server.ts';
import type { ServeArguments } from './arguments.ts';
import { makeRootToken, mountSecret } from './first-steps.ts';
import type { ServeTerminal } from './serve.ts';
import { plainSettings } from './settings.ts';

/** Everything in memory, unsealed, without TLS: for trying out, never for secrets. */
export function devSettings(args: ServeArguments, terminal: ServeTerminal): ServerSettings {
  return plainSettings({
    storage: { type: 'inmem', path: undefined },
    address: args.devListenAddress,
    environment: terminal.environment,
    logLevel: args.logLevel,
  });
}

export async function startDev(server: RunningServer, args: ServeArguments, terminal: ServeTerminal): Promise<void> {
  const { keys_base64: keys, root_token: firstToken } = await server.lifecycle.initialize({ secret_shares: 1, secret_threshold: 1 });
  await server.lifecycle.submitShare(keys![0]!);
  const domains = server.domains();
  if (!domains) throw new Error('the server did not unseal');
  let rootToken = firstToken;
  if (args.devRootToken) {
    await makeRootToken(domains, args.devRootToken);
    rootToken = args.devRootToken;
  }
  if (!args.devNoKv) await mountSecret(domains);
  if (!args.devNoStoreToken) storeToken(terminal, rootToken);
  terminal.output.write(
    [
      '==> Coffer server started! Log data will stream in below:',
      '',
      'WARNING! dev mode is enabled! In this mode, Coffer runs entirely in-memory',
      'and starts unsealed with a single unseal key. Nothing is kept.',
      '',
      'You may need to set the following environment variables:',
      '',
      `    $ export VAULT_ADDR='${server.addresses[0]}'`,
      '',
      'The unseal key and root token are displayed below in case you want to',
      'seal/unseal the Vault or re-authenticate.',
      '',
      `Unseal Key: ${keys![0]}`,
      `Root Token: ${rootToken}`,
      '',
      'Development mode should NOT be used in production installations!',
      '',
    ].join('\n'),
  );
}

/** Where the command line looks for it. */
function storeToken(terminal: ServeTerminal, token: string): void {
  const path = join(terminal.homeDirectory, '.vault-token');
  writeFileSync(path, token, { mode: 0o600 });
  chmodSync(path, 0o600);
}
