import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import { loadConfig, type SealConfig, type ServerConfig } from '../config/config.ts';
import { sanitizedConfig } from '../config/sanitized.ts';
import { LOCKOUT_DEFAULTS, type LockoutDefaults } from '../lockouts/lockouts.ts';
import { OVERLOAD_LIMITS_DEFAULT } from '../quotas/overload.ts';
import type { Seal } from '../seal/seal.ts';
import { openStaticSeal, type StaticSealConfig } from '../seal/static.ts';
import { type ServerSettings, STORAGE } from '../server.ts';
import type { ServeArguments } from './arguments.ts';
import { logLevel } from './log.ts';
import { telemetryOf } from './telemetry.ts';

type Environment = ServerSettings['environment'];

/** A server as configured, with its seals open. Throws Error for what this version does not have. */
export async function settingsOf(
  config: ServerConfig,
  deps: { environment: Environment; log: Logger; seals?: readonly Seal[] },
): Promise<ServerSettings> {
  const { environment, log } = deps;
  const storage = supportedStorage(config);
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

export async function openSeals(
  configs: readonly SealConfig[],
  environment: Environment,
  logger: Logger,
): Promise<Seal[]> {
  const seals: Seal[] = [];
  for (const { kind, name, options, disabled } of configs) {
    if (disabled || kind === 'shamir') continue;
    if (kind !== 'static')
      throw new Error(`seal ${JSON.stringify(kind)} is not supported; there are shamir and static`);
    // The reader of the stanza has made sure that the required options are there.
    const config = { ...options, name } as unknown as StaticSealConfig;
    seals.push(await openStaticSeal(config, { random: systemRandom, logger, environment }));
  }
  return seals;
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
