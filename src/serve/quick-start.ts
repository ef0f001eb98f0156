import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import { createStaticKeyFile, openStaticSeal, staticKeyFileConfig } from '../seal/static.ts';
import type { RunningServer, ServerSettings } from '../server.ts';
import type { ServeArguments } from './arguments.ts';
import { mountSecret } from './first-steps.ts';
import type { ServeTerminal } from './serve.ts';
import { plainSettings } from './settings.ts';

const DATA = 'data';
const STORE = 'store';
const KEY_FILE = 'seal.key';

/**
 * One durable node under `./data` that unseals itself by a key file beside the data. Convenient, and as safe as that
 * folder: who can read it can read every secret. A configuration file is the way to more.
 */
export async function quickStartSettings(args: ServeArguments, terminal: ServeTerminal, log: Logger): Promise<ServerSettings> {
  const folder = resolve(terminal.environment.COFFER_DATA ?? DATA);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const keyFile = join(folder, KEY_FILE);
  const store = join(folder, STORE);
  if (!existsSync(keyFile) && existsSync(store)) {
    throw new Error(`${keyFile} is missing: without this key the data in ${store} cannot be read`);
  }
  const config = existsSync(keyFile) ? await staticKeyFileConfig(keyFile, log) : await createStaticKeyFile(keyFile, systemRandom);
  const seal = await openStaticSeal(config, { random: systemRandom, logger: log, environment: terminal.environment });
  return plainSettings({
    storage: { type: 'file', path: store },
    address: args.devListenAddress,
    environment: terminal.environment,
    logLevel: args.logLevel,
    seals: [seal],
  });
}

export async function startQuickly(server: RunningServer, terminal: ServeTerminal): Promise<void> {
  const { lifecycle } = server;
  const address = server.addresses[0]!;
  if (lifecycle.initialized) {
    await lifecycle.unsealAutomatically();
    terminal.output.write(`Coffer runs at ${address} with the data it had. Its root token was shown when it first started.\n`);
    return;
  }
  const made = await lifecycle.initialize({ recovery_shares: 1, recovery_threshold: 1 });
  const domains = server.domains();
  if (!domains) throw new Error('the server did not unseal');
  await mountSecret(domains);
  terminal.output.write(welcome(address, made.root_token, made.recovery_keys_base64?.[0] ?? ''));
}

function welcome(address: string, rootToken: string, recoveryKey: string): string {
  return `
Coffer is running at ${address}

  Root token:    ${rootToken}
  Recovery key:  ${recoveryKey}

These are shown this once: keep them somewhere safe. This is the quick-start mode:
${DATA}/${KEY_FILE} unseals the server by itself, so that whoever reads the folder
${DATA}/ can read every secret. For production, use a configuration file.

Try it, in another terminal:

  export VAULT_ADDR=${address} VAULT_TOKEN=${rootToken}
  npm run coffer -- kv put -mount=secret hello name=world
  npm run coffer -- kv get -mount=secret hello
  npm run coffer -- status

`;
}
