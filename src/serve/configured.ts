import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import { ConfigError, type Finding, formatFinding, loadConfig, type SealConfig, type ServerConfig } from '../config/config.ts';
import { LOCKOUT_DEFAULTS, type LockoutDefaults } from '../lockouts/lockouts.ts';
import type { Seal } from '../seal/seal.ts';
import { openStaticSeal, type StaticSealConfig } from '../seal/static.ts';
import type { RunningServer, ServerSettings } from '../server.ts';
import type { ServeArguments } from './arguments.ts';
import { logLevel, openServerLog } from './log.ts';
import type { ServeTerminal, Start } from './serve.ts';

/** `coffer server -config=…`. */
export async function configuredSettings(args: ServeArguments, terminal: ServeTerminal): Promise<Start> {
  const { config, warnings } = loadConfig({ paths: args.configPaths, environment: terminal.environment });
  for (const warning of warnings) terminal.error.write(`Warning: ${formatFinding(warning)}\n`);
  const log = openServerLog({
    level: logLevel(args.logLevel ?? config.logLevel),
    format: args.logFormat === 'json' || config.logFormat === 'json' ? 'json' : 'standard',
    file: args.logFile ?? config.logFile,
    clock: systemClock,
  });
  const settings = await settingsOf(config, terminal.environment, log.log);
  return { settings, log, pidFile: config.pidFile, begin: (server) => announce(server, terminal, log.log) };
}

/** `coffer server -check`: says what is wrong, by file, line and field. Exit code 1 when something is. */
export async function checkConfig(paths: readonly string[], terminal: ServeTerminal): Promise<number> {
  const say = (finding: Finding) => terminal.output.write(`${finding.severity}: ${formatFinding(finding)}\n`);
  try {
    const { config, warnings } = loadConfig({ paths, environment: terminal.environment });
    for (const warning of warnings) say(warning);
    for (const seal of await openSeals(config.seals, terminal.environment, silent(terminal))) seal.close();
    terminal.output.write('The configuration is valid.\n');
    return 0;
  } catch (error) {
    if (error instanceof ConfigError) for (const finding of error.findings) say(finding);
    else terminal.output.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

async function announce(server: RunningServer, terminal: ServeTerminal, log: Logger): Promise<void> {
  for (const address of server.addresses) terminal.output.write(`==> Coffer listens at ${address}\n`);
  if (!server.lifecycle.initialized) {
    terminal.output.write('==> Not initialized yet: run "coffer operator init"\n');
    return;
  }
  await server.lifecycle.unsealAutomatically().catch((error) => {
    log.error('the automatic seal did not unseal; it is tried again', { error });
    retry(server, log, RETRY_MS_FIRST);
  });
  if (server.lifecycle.sealed) terminal.output.write('==> Sealed: run "coffer operator unseal"\n');
}

const RETRY_MS_FIRST = 2000;
const RETRY_MS_MAX = 60_000;

/** A key service that is away comes back: wait for it rather than end. */
function retry(server: RunningServer, log: Logger, delayMs: number): void {
  systemClock.after(delayMs, () => {
    server.lifecycle.unsealAutomatically().catch((error) => {
      log.warn('the automatic seal did not unseal', { error });
      retry(server, log, Math.min(delayMs * 2, RETRY_MS_MAX));
    });
  });
}

async function settingsOf(config: ServerConfig, environment: ServerSettings['environment'], log: Logger): Promise<ServerSettings> {
  const storage = config.storage;
  if (!storage) throw new Error('a storage stanza must be set');
  const path = storage.options.path;
  const [listener] = config.listeners;
  const scheme = listener?.tlsDisable ? 'http' : 'https';
  return {
    storage: { type: storage.kind, path: typeof path === 'string' ? path : undefined },
    listeners: config.listeners,
    seals: await openSeals(config.seals, environment, log),
    clusterName: config.clusterName,
    apiAddress: config.apiAddr ?? `${scheme}://${listener?.address ?? ''}`,
    clusterAddress: config.clusterAddr ?? '',
    defaultLeaseTtl: config.defaultLeaseTtlSeconds,
    maxLeaseTtl: config.maxLeaseTtlSeconds,
    introspectionEndpoint: config.introspectionEndpoint,
    rawStorageEndpoint: config.rawStorageEndpoint,
    allowAuditPrefix: config.allowAuditLogPrefixing ?? false,
    audits: config.audits,
    lockouts: (mountType) => lockoutOf(config, mountType),
    environment,
    sanitizedConfig: sanitized(config),
  };
}

async function openSeals(configs: readonly SealConfig[], environment: ServerSettings['environment'], logger: Logger): Promise<Seal[]> {
  const seals: Seal[] = [];
  for (const { kind, name, options, disabled } of configs) {
    if (disabled || kind === 'shamir') continue;
    if (kind !== 'static') throw new Error(`seal ${JSON.stringify(kind)} is not supported; there are shamir and static`);
    const config = { ...options, name } as unknown as StaticSealConfig;
    seals.push(await openStaticSeal(config, { random: systemRandom, logger, environment }));
  }
  return seals;
}

function lockoutOf(config: ServerConfig, mountType: string): LockoutDefaults {
  return { ...LOCKOUT_DEFAULTS, ...config.userLockouts.get('all'), ...config.userLockouts.get(mountType) };
}

/** What may be shown: no storage options, no seal options. */
function sanitized(config: ServerConfig): Record<string, unknown> {
  return {
    api_addr: config.apiAddr ?? '',
    cluster_addr: config.clusterAddr ?? '',
    cluster_name: config.clusterName ?? '',
    default_lease_ttl: config.defaultLeaseTtlSeconds,
    max_lease_ttl: config.maxLeaseTtlSeconds,
    disable_mlock: config.disableMlock,
    introspection_endpoint: config.introspectionEndpoint,
    raw_storage_endpoint: config.rawStorageEndpoint,
    listeners: config.listeners.map(({ type, address, tlsDisable }) => ({ type, config: { address, tls_disable: tlsDisable ?? false } })),
    log_format: config.logFormat,
    log_level: config.logLevel,
    pid_file: config.pidFile ?? '',
    seals: config.seals.map(({ kind, disabled }) => ({ type: kind, disabled })),
    storage: { type: config.storage?.kind ?? '' },
    ui: config.ui,
  };
}

function silent(terminal: ServeTerminal): Logger {
  const warn = (message: string) => terminal.output.write(`warning: ${message}\n`);
  const nothing = () => {};
  const logger: Logger = { name: '', trace: nothing, debug: nothing, info: nothing, warn, error: warn, named: () => logger };
  return logger;
}
