import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import { loadConfig, type SealConfig, type ServerConfig } from '../config/config.ts';
import { sanitizedConfig } from '../config/sanitized.ts';
import { type ConfiguredSeal, SEAL_CHECKS } from '../lifecycle/seals.ts';
import { LOCKOUT_DEFAULTS, type LockoutDefaults } from '../lockouts/lockouts.ts';
import { OVERLOAD_LIMITS_DEFAULT } from '../quotas/overload.ts';
import { openSeal } from '../seal/registry.ts';
import { type ServerSettings, STORAGE } from '../server.ts';
import type { ServeArguments } from './arguments.ts';
import { logLevel } from './log.ts';
import { telemetryOf } from './telemetry.ts';
import { tracingOf } from './tracing.ts';

type Environment = ServerSettings['environment'];

/** A server as configured, with its seals open. Throws Error for what this version does not have. */
export async function settingsOf(
  config: ServerConfig,
  deps: { environment: Environment; log: Logger; seals?: readonly ConfiguredSeal[] },
): Promise<ServerSettings> {
  const { environment, log } = deps;
  const storage = supportedStorage(config);
  const tracing = tracingOf(config.telemetry, environment, log);
  return {
    storage: { type: storage.kind, path: 'path' in storage ? storage.path : undefined },
    listeners: config.listeners.map((each) => ({
      ...each,
      maxRequestDurationMs: each.maxRequestDurationMs ?? config.defaultMaxRequestDurationMs,
    })),
    seals: deps.seals ?? (await openSeals(config.seals, environment, log)),
    clusterName: config.clusterName,
    apiAddress: config.apiAddr || addressOf(config),
    clusterAddress: config.clusterAddr ?? '',
    defaultLeaseTtl: config.defaultLeaseTtlSeconds,
    maxLeaseTtl: config.maxLeaseTtlSeconds,
    introspectionEndpoint: config.introspectionEndpoint,
    rawStorageEndpoint: config.rawStorageEndpoint,
    allowAuditPrefix: config.allowAuditLogPrefixing ?? false,
    audits: config.audits,
    lockouts: (mountType) => lockoutOf(config, mountType),
    telemetry: telemetryOf(config.telemetry),
    ...(tracing && { tracing }),
    overload: { ...OVERLOAD_LIMITS_DEFAULT, ...config.overload },
    ...(config.slowRequestsMs !== undefined && {
      slowRequestMs: config.slowRequestsMs || Number.POSITIVE_INFINITY,
    }),
    environment,
    sanitizedConfig: sanitizedConfig(config),
  };
}

/** The configuration of a server that needs no file: all defaults, the environment over them. */
export function configWithoutFile(
  environment: Environment,
  own: {
    storage: NonNullable<ServerConfig['storage']>;
    address: string;
    paths?: readonly string[];
    tls?: { tlsCertFile: string; tlsKeyFile: string } | undefined;
  },
): { config: ServerConfig; warnings: ReturnType<typeof loadConfig>['warnings'] } {
  const { config, warnings } = loadConfig({ paths: own.paths ?? [], environment, partial: true });
  const listener = { type: 'tcp', address: own.address, tlsDisable: !own.tls, ...own.tls } as const;
  const rest = config.listeners.filter(({ address }) => address !== own.address);
  return { config: { ...config, storage: own.storage, listeners: [listener, ...rest] }, warnings };
}

/** What the arguments say goes before the files and the environment. Throws Error for a level or format that is none. */
export function withArguments(config: ServerConfig, args: ServeArguments): ServerConfig {
  const format = args.logFormat?.toLowerCase() || config.logFormat;
  if (format !== 'standard' && format !== 'json') throw new Error(`unknown log format: ${format}`);
  return {
    ...config,
    logLevel: logLevel(args.logLevel || config.logLevel),
    logFormat: format,
    ...(args.logFile && { logFile: args.logFile }),
  };
}

/** Rejects when one cannot be opened for good; one that is being left is left out then. */
export async function openSeals(
  configs: readonly SealConfig[],
  environment: Environment,
  logger: Logger,
): Promise<ConfiguredSeal[]> {
  const deps = { random: systemRandom, clock: systemClock, logger: logger.named('seal'), environment };
  const opened: ConfiguredSeal[] = [];
  for (const config of configs.filter(({ kind }) => kind !== 'shamir')) {
    const { kind: type, name, options, disabled } = config;
    try {
      opened.push({
        seal: await openSeal({ type, name, options }, deps),
        disabled,
        checks: checksOf(config),
      });
    } catch (error) {
      if (!disabled) throw error;
      logger.warn('a disabled seal cannot be opened', { seal: name, error });
    }
  }
  return opened;
}

function checksOf(config: SealConfig): ConfiguredSeal['checks'] {
  return {
    enabled: config.healthCheckEnabled ?? SEAL_CHECKS.enabled,
    intervalMs: config.healthCheckIntervalMs || SEAL_CHECKS.intervalMs,
    intervalUnhealthyMs: config.healthCheckIntervalUnhealthyMs || SEAL_CHECKS.intervalUnhealthyMs,
    timeoutMs: config.healthCheckTimeoutMs || SEAL_CHECKS.timeoutMs,
  };
}

function supportedStorage({ storage, haStorage }: ServerConfig): NonNullable<ServerConfig['storage']> {
  if (haStorage) throw new Error('ha_storage is not supported: there is one node');
  if (!storage) throw new Error('a storage stanza must be set');
  if (STORAGE.has(storage.kind)) return storage;
  throw new Error(
    `storage ${JSON.stringify(storage.kind)} is not supported; there are ${[...STORAGE.keys()].join(', ')}`,
  );
}

/** Of the first listener that others can reach; '' where there is none. */
function addressOf({ listeners }: ServerConfig): string {
  const listener = listeners.find(({ type }) => type === 'tcp');
  return listener ? `${listener.tlsDisable ? 'http' : 'https'}://${listener.address}` : '';
}

function lockoutOf(config: ServerConfig, mountType: string): LockoutDefaults {
  return { ...LOCKOUT_DEFAULTS, ...config.userLockouts.get('all'), ...config.userLockouts.get(mountType) };
}
