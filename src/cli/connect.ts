import { type Client, type ClientOptions, createClient, type Header } from '../client/client.ts';
import { checkHeaderName, readEnvironment, trimSlashes, variable } from '../client/environment.ts';
import { openTokenStore, type TokenStore } from '../client/token-store.ts';
import type { GlobalFlagValues } from './command.ts';
import { UsageError } from './errors.ts';
import { apiDuration } from './flags.ts';
import type { Terminal } from './terminal.ts';

export interface Connections {
  client(): Promise<Client>;
  tokenStore(): Promise<TokenStore>;
}

/** What flags and environment together say about the server; flags go first. */
export function openConnections(flags: Partial<GlobalFlagValues>, terminal: Terminal): Connections {
  const { environment, homeDirectory, random } = terminal;
  let client: Promise<Client> | undefined;
  const tokenStore = () => openTokenStore({ homeDirectory, environment, random });
  return {
    tokenStore,
    client() {
      client ??= connect(flags, terminal, tokenStore);
      return client;
    },
  };
}

async function connect(
  flags: Partial<GlobalFlagValues>,
  terminal: Terminal,
  tokenStore: () => Promise<TokenStore>,
): Promise<Client> {
  const options = clientOptions(flags, terminal);
  const token = options.token || (await (await tokenStore()).get());
  const intercept = await interceptor(flags);
  return createClient({ ...options, token: checkToken(token), ...(intercept && { intercept }) });
}

function clientOptions(flags: Partial<GlobalFlagValues>, terminal: Terminal): ClientOptions {
  const settings = readEnvironment(terminal.environment);
  const wrapTtl = flags['wrap-ttl'] === undefined ? settings.wrapTtl : apiDuration(flags['wrap-ttl']);
  const namespace = flags.namespace ?? settings.namespace;
  const { addressGiven, ...fromEnvironment } = settings;
  return {
    ...fromEnvironment,
    address: trimSlashes(flags['agent-address'] ?? flags.address ?? settings.address),
    clock: terminal.clock,
    random: terminal.random,
    token: settings.token ?? '',
    ...(namespace !== undefined && { namespace: namespace.replace(/^\/+/, '') }),
    ...(wrapTtl !== undefined && wrapTtl !== '0s' && { wrapTtl }),
    headers: [...settings.headers, ...flagHeaders(flags, terminal)],
    tls: mergeTls(settings.tls, flags),
    followRedirects: settings.followRedirects && !flags['disable-redirects'],
    // A person would rather see a failure than wait for it, so the command line tries again only where told to.
    retriesMax: settings.retriesMax ?? 0,
  } as ClientOptions;
}

function mergeTls(
  tls: NonNullable<ClientOptions['tls']>,
  flags: Partial<GlobalFlagValues>,
): ClientOptions['tls'] {
  const caGiven = flags['ca-cert'] !== undefined || flags['ca-path'] !== undefined;
  const { caFile, caDirectory, caText, ...rest } = tls;
  const authorities = caGiven
    ? { caFile: flags['ca-cert'], caDirectory: flags['ca-path'] }
    : { caFile, caDirectory, caText };
  const merged = {
    ...rest,
    ...authorities,
    clientCertificateFile: flags['client-cert'] ?? rest.clientCertificateFile,
    clientKeyFile: flags['client-key'] ?? rest.clientKeyFile,
    serverName: flags['tls-server-name'] ?? rest.serverName,
    skipVerify: flags['tls-skip-verify'] || (rest.skipVerify ?? false),
  };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
}

function flagHeaders(flags: Partial<GlobalFlagValues>, terminal: Terminal): Header[] {
  const own = (flags.header ?? []).map((text): Header => {
    const at = text.indexOf('=');
    if (at < 1) throw new UsageError(`-header must be of the form name=value: "${text}"`);
    checkHeaderName(text.slice(0, at));
    return [text.slice(0, at), text.slice(at + 1)];
  });
  const fromEnvironment = variable(terminal.environment, 'MFA');
  const mfa = flags.mfa?.length ? flags.mfa : fromEnvironment ? [fromEnvironment] : [];
  return [
    ...own,
    ...mfa.map((text): Header => ['X-Vault-MFA', text]),
    ...(flags['policy-override'] ? [['X-Vault-Policy-Override', 'true'] as const] : []),
  ];
}

async function interceptor(flags: Partial<GlobalFlagValues>): Promise<ClientOptions['intercept']> {
  if (!flags['output-curl-string'] && !flags['output-policy']) return undefined;
  const { printCurl, printPolicy } = await import('./print-instead.ts');
  return flags['output-curl-string'] ? printCurl : printPolicy;
}

/** A token travels in a header, so a stray newline from a pipe is cut and anything else unprintable refused. */
function checkToken(token: string): string {
  const trimmed = token.trim();
  if (/^[\x21-\x7e]*$/.test(trimmed)) return trimmed;
  throw new UsageError('the token has characters that cannot be sent');
}
