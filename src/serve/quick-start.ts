import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import { type ConfiguredSeal, configuredSeal } from '../lifecycle/seals.ts';
import { createStaticKeyFile, openStaticSeal, staticKeyFileConfig } from '../seal/static.ts';
import type { RunningServer } from '../server.ts';
import type { ServeArguments } from './arguments.ts';
import { mountSecret } from './first-steps.ts';
import { openServerLog } from './log.ts';
import type { ServeTerminal, Start } from './serve.ts';
import { configWithoutFile, settingsOf, withArguments } from './settings.ts';

const DATA = 'data';
const STORE = 'store';
const KEY_FILE = 'seal.key';

/**
 * One durable node under `./data` that unseals itself by a key file beside the data. Convenient, and as safe as that
 * folder: who can read it can read every secret. A configuration file is the way to more.
 */
export async function quickStart(args: ServeArguments, terminal: ServeTerminal): Promise<Start> {
  const { environment } = terminal;
  const folder = resolve(environment.COFFER_DATA || DATA);
  const path = join(folder, STORE);
  const { config: plain } = configWithoutFile(environment, {
    storage: { kind: 'file', path, retryJoin: [], options: { path } },
    address: args.listenAddress,
  });
  const config = withArguments(plain, args);
  const log = openServerLog(config);
  const seal = await openSeal(folder, terminal, log.log);
  return {
    settings: await settingsOf(config, { environment, log: log.log, seals: [seal] }),
    log,
    begin: (server) => startQuickly(server, folder, terminal),
  };
}

async function openSeal(
  folder: string,
  { environment }: ServeTerminal,
  logger: Logger,
): Promise<ConfiguredSeal> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const keyFile = join(folder, KEY_FILE);
  const store = join(folder, STORE);
  if (!existsSync(keyFile) && existsSync(store)) {
    throw new Error(`${keyFile} is missing: without this key the data in ${store} cannot be read`);
  }
  const config = existsSync(keyFile)
    ? await staticKeyFileConfig(keyFile, logger)
    : await createStaticKeyFile(keyFile, systemRandom);
  return configuredSeal(await openStaticSeal(config, { random: systemRandom, logger, environment }));
}

async function startQuickly(server: RunningServer, folder: string, terminal: ServeTerminal): Promise<void> {
  const { lifecycle } = server;
  const address = server.addresses[0]!;
  const shownFolder = relative('', folder) || folder;
  if (lifecycle.initialized) {
    await lifecycle.unsealAutomatically();
    terminal.output.write(
      `Coffer is running at ${address} with the data in ${shownFolder}/. Its root token was shown when it first started.\n`,
    );
    return;
  }
  const made = await lifecycle.initialize({ recovery_shares: 1, recovery_threshold: 1 });
  const domains = server.domains();
  if (!domains) throw new Error('the server did not unseal');
  await mountSecret(domains, '2');
  const recoveryKey = made.recovery_keys_base64?.[0] ?? '';
  terminal.output.write(welcome({ address, folder: shownFolder, rootToken: made.root_token, recoveryKey }));
}

interface Welcome {
  readonly address: string;
  readonly folder: string;
  readonly rootToken: string;
  readonly recoveryKey: string;
}

function welcome({ address, folder, rootToken, recoveryKey }: Welcome): string {
  return `
Coffer is running at ${address}

  Root token:    ${rootToken}
  Recovery key:  ${recoveryKey}

These are shown this once: keep them somewhere safe. This is the quick-start mode:
${folder}/${KEY_FILE} unseals the server by itself, so that whoever can read the folder
${folder}/ can read every secret. For production, use a configuration file.

Try it, in another terminal:

  export VAULT_ADDR=${address} VAULT_TOKEN=${rootToken}
  npm run --silent coffer -- kv put -mount=secret hello name=world
  npm run --silent coffer -- kv get -mount=secret hello
  npm run --silent coffer -- status

`;
}
