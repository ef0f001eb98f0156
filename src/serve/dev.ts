import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { formatFinding } from '../config/config.ts';
import { developmentCertificates } from '../crypto/self-signed.ts';
import type { RunningServer } from '../server.ts';
import type { ServeArguments } from './arguments.ts';
import { mountSecret, replaceRootToken } from './first-steps.ts';
import { openServerLog } from './log.ts';
import type { ServeTerminal, Start } from './serve.ts';
import { configWithoutFile, settingsOf, withArguments } from './settings.ts';

/** Everything in memory and unsealed, without TLS unless asked for: for trying out, never for secrets. Configuration files may add to it. */
export async function devStart(args: ServeArguments, terminal: ServeTerminal): Promise<Start> {
  const { environment } = terminal;
  const tls = args.devTls && makeCertificates(args.devTls, args.devListenAddress);
  const { config: plain, warnings } = configWithoutFile(environment, {
    storage: { kind: 'inmem', retryJoin: [], options: {} },
    address: args.devListenAddress,
    paths: args.configPaths,
    tls: tls && { tlsCertFile: tls.certificate, tlsKeyFile: tls.key },
  });
  for (const warning of warnings) terminal.error.write(`Warning: ${formatFinding(warning)}\n`);
  const config = withArguments(plain, args);
  const log = openServerLog(config);
  return {
    settings: await settingsOf({ ...config, seals: [] }, { environment, log: log.log }),
    log,
    begin: (server) => startDev(server, args, terminal, tls?.authority),
  };
}

async function startDev(
  server: RunningServer,
  args: ServeArguments,
  terminal: ServeTerminal,
  authority: string | undefined,
): Promise<void> {
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
  terminal.output.write(welcome({ address: server.addresses[0]!, authority, unsealKey, rootToken }));
}

/** Files named as Vault's, for scripts that look for them. Made anew at each start. */
function makeCertificates(
  { folder = mkdtempSync(join(tmpdir(), 'vault-tls')), names }: NonNullable<ServeArguments['devTls']>,
  listenAddress: string,
): { authority: string; certificate: string; key: string } {
  const host = listenAddress.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  const all = [...new Set(['localhost', hostname(), '127.0.0.1', '::1', ...(host ? [host] : []), ...names])];
  const made = developmentCertificates({ names: all, random: systemRandom, nowMs: systemClock.now() });
  const write = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  return {
    authority: write('vault-ca.pem', made.authority),
    certificate: write('vault-cert.pem', made.certificate),
    key: write('vault-key.pem', made.key),
  };
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
  authority,
  unsealKey,
  rootToken,
}: {
  address: string;
  authority: string | undefined;
  unsealKey: string;
  rootToken: string;
}): string {
  return `==> Coffer server started! Log data will stream in below:

WARNING! dev mode is enabled! In this mode, Coffer runs entirely in-memory
and starts unsealed with a single unseal key. Nothing is kept.

You may need to set the following environment variables:

    $ export VAULT_ADDR='${address}'
${authority ? `    $ export VAULT_CACERT='${authority}'\n` : ''}
The unseal key and root token are displayed below in case you want to
seal/unseal the server or re-authenticate.

Unseal Key: ${unsealKey}
Root Token: ${rootToken}

Development mode should NOT be used in production installations!
`;
}
