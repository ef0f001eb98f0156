/**
 * The composition root: settings in, a running server out. The only place, with `unsealed.ts`, that sees everything.
 */
import type { NewAuditDevice } from './audit/broker.ts';
import { Barrier } from './barrier/barrier.ts';
import { preserveIn } from './barrier/quarantine.ts';
import type { Clock } from './base/clock.ts';
import { InvalidRequest } from './base/errors.ts';
import type { Logger, LogLevels } from './base/logger.ts';
import type { Random } from './base/random.ts';
import type { EngineType } from './engine/engine.ts';
import { PathTable } from './engine/router.ts';
import type { ListenerConfig } from './http/listener-config.ts';
import { type OpenListeners, openListeners } from './http/listeners.ts';
import type { Fetch } from './identity/mfa/service.ts';
import { Lifecycle } from './lifecycle/lifecycle.ts';
import { type ConfiguredSeal, Seals } from './lifecycle/seals.ts';
import { LOCKOUT_DEFAULTS, type LockoutDefaults } from './lockouts/lockouts.ts';
import { openLocalLog } from './log/local.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { TelemetrySettings } from './metrics/settings.ts';
import { measureSealChecks, openObservability } from './observability.ts';
import { type InFlight, shownInFlight } from './pipeline/exchange.ts';
import { createPipeline } from './pipeline/index.ts';
import { OVERLOAD_LIMITS_DEFAULT, OverloadGuard, type OverloadLimits } from './quotas/overload.ts';
import { readRestored } from './snapshots/restored.ts';
import { cachedCopy } from './store/cached-copy.ts';
import { openLmdbCopy } from './store/lmdb.ts';
import { openMemoryCopy } from './store/memory.ts';
import { type CommitMeasure, openStore } from './store/open.ts';
import type { Store } from './store/store.ts';
import type { ServerFacts } from './sys/parts.ts';
import { UPLOAD_PATHS } from './sys/snapshots.ts';
import { statusPaths } from './sys/status.ts';
import type { TracingSettings } from './tracing/settings.ts';
import { type OpenUnsealed, openUnsealed } from './unsealed.ts';
import { BUILD_DATE, VERSION } from './version.ts';

export interface ServerSettings {
  readonly storage: { readonly type: string; readonly path: string | undefined };
  readonly listeners: readonly ListenerConfig[];
  readonly seals: readonly ConfiguredSeal[];
  readonly clusterName: string | undefined;
  readonly apiAddress: string;
  readonly clusterAddress: string;
  /** Seconds. */
  readonly defaultLeaseTtl: number;
  readonly maxLeaseTtl: number;
  readonly introspectionEndpoint: boolean;
  readonly rawStorageEndpoint: boolean;
  readonly allowAuditPrefix: boolean;
  /** Devices that the configuration declares; enabled at the first unseal. */
  readonly audits?: readonly NewAuditDevice[];
  readonly lockouts?: (mountType: string) => LockoutDefaults;
  readonly telemetry?: TelemetrySettings;
  /** Absent: nothing is traced. */
  readonly tracing?: TracingSettings;
  /** Requests that take as long are told to the log; one second unless set. Infinity: never. */
  readonly slowRequestMs?: number;
  readonly overload?: OverloadLimits;
  readonly sanitizedConfig: Record<string, unknown>;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface ServerDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly logLevels: LogLevels;
  readonly monitorLog: ServerFacts['monitorLog'];
  /** Reads configuration and log files again. */
  reloadProcess(): Promise<void>;
  /** Engines and methods beside those of the registries. */
  readonly engines?: readonly EngineType[];
  /** How services outside are asked; the runtime’s own unless set. */
  readonly fetch?: Fetch;
}

export interface RunningServer {
  readonly lifecycle: Lifecycle;
  /** `http://127.0.0.1:8200`, one for each listener. */
  readonly addresses: readonly string[];
  /** Certificates, audit files, log files: SIGHUP. */
  reload(): Promise<void>;
  /** Resolves when the store has failed and the process must end. */
  readonly failed: Promise<Error>;
  stop(): Promise<void>;
  /** Other automatic seals count from now on. */
  useSeals(configured: readonly ConfiguredSeal[]): void;
  /** The pipeline's domains, for what the quick start sets up before anybody calls. */
  domains(): OpenUnsealed['domains'] | undefined;
}

const SHUTDOWN_GRACE_MS = 10_000;
const SLOW_REQUEST_MS_DEFAULT = 1000;

export async function openServer(settings: ServerSettings, deps: ServerDependencies): Promise<RunningServer> {
  const { clock, random, log } = deps;
  const observability = openObservability(settings, deps);
  const { telemetry, metrics, metricsPage, tracer, measured } = observability;
  const { store, close: closeStorage } = await openStorage(settings.storage, log, measured);
  const barrier = new Barrier({
    clock,
    random,
    logger: log.named('barrier'),
    preserve: preserveIn(store),
    timings: { get: metrics.timing('barrier.get'), put: metrics.timing('barrier.put') },
  });
  const inFlight = new Map<string, InFlight>();
  let unsealed: OpenUnsealed | undefined;
  let listeners: OpenListeners | undefined;
  const server = facts(settings, deps, inFlight, async () => {
    await Promise.all([listeners?.reload(), unsealed?.domains.audit.reload(), deps.reloadProcess()]);
  });
  const lifecycle: Lifecycle = new Lifecycle({
    store,
    barrier,
    seals: new Seals(settings.seals),
    sealChecked: measureSealChecks(metrics),
    open: () => {
      const opened = openUnsealed({
        store,
        barrier,
        lifecycle,
        server,
        metrics,
        metricsPage,
        telemetry,
        clock,
        random,
        log,
        logLevels: deps.logLevels,
        lockouts: settings.lockouts ?? (() => LOCKOUT_DEFAULTS),
        audit: { allowPrefix: settings.allowAuditPrefix, environment: settings.environment },
        declaredAudits: settings.audits ?? [],
        engines: deps.engines ?? [],
        fetch: deps.fetch,
      });
      unsealed = opened;
      return opened;
    },
    clock,
    random,
    log: log.named('core'),
    clusterName: settings.clusterName,
    storageType: settings.storage.type,
    version: VERSION,
    buildDate: BUILD_DATE,
  });
  const expiryPaused = watchExpiry(store, metrics);
  const domains = () => (lifecycle.sealed ? undefined : unsealed?.domains);
  const observing = observability.observe({ lifecycle, barrier, inFlight, domains });
  const overload = guardLoad(settings, deps, { store, inFlight, metrics });
  const handle = createPipeline({
    domains,
    statusPaths: new PathTable(
      statusPaths({
        lifecycle,
        metricsPage,
        clock,
        expiryPaused,
        apiAddress: settings.apiAddress,
        clusterAddress: settings.clusterAddress,
      }),
    ),
    sealedError: () => lifecycle.sealedError(),
    inFlight,
    overload,
    clock,
    requestId: () => random.uuid(),
    metrics,
    namesClients: () => deps.logLevels.requests !== undefined,
    tracer,
    slowRequestMs: settings.slowRequestMs ?? SLOW_REQUEST_MS_DEFAULT,
    log: log.named('core'),
  });
  const failed = new Promise<Error>((resolve) => store.onFailure(resolve));
  try {
    listeners = await openListeners({
      listeners: settings.listeners,
      handle,
      logger: log,
      clock,
      cors: () => server.cors,
      uploadPaths: UPLOAD_PATHS,
      replied: observability.replied,
      requestLevel: () => deps.logLevels.requests,
    });
  } catch (error) {
    overload.stop();
    await observing.stop();
    await closeStorage();
    throw error;
  }
  const opened = listeners;
  lifecycle.sealHealth.start();
  return {
    lifecycle,
    addresses: opened.addresses.map(({ url }) => url),
    reload: () => server.reload('all'),
    failed,
    domains,
    useSeals: (configured) => lifecycle.useSeals(configured),
    async stop() {
      await opened.close({ graceMs: SHUTDOWN_GRACE_MS });
      overload.stop();
      await lifecycle.seal();
      await observing.stop();
      lifecycle.useSeals([]);
      await closeStorage();
    },
  };
}

function guardLoad(
  { overload = OVERLOAD_LIMITS_DEFAULT }: ServerSettings,
  { clock, log }: ServerDependencies,
  { store, inFlight, metrics }: { store: Store; inFlight: ReadonlyMap<string, unknown>; metrics: Metrics },
): OverloadGuard {
  const guard = new OverloadGuard({
    limits: overload,
    load: {
      requestsInFlight: () => inFlight.size,
      revisions: () => ({ newest: store.revision, durable: store.durableRevision }),
    },
    clock,
    log: log.named('core'),
  });
  metrics.observed('core.overloaded', () => (guard.shedding ? 1 : 0));
  guard.start();
  return guard;
}

/** Whether a restored snapshot still waits to be confirmed; a metric too. */
function watchExpiry(store: Store, metrics: Metrics): () => boolean {
  const paused = () => readRestored(store.begin()) !== undefined;
  metrics.observed('expire.paused', () => Number(paused()));
  return paused;
}

async function openStorage(
  storage: ServerSettings['storage'],
  log: Logger,
  measured: CommitMeasure,
): Promise<{ store: Store; close(): Promise<void> }> {
  const kind = STORAGE.get(storage.type);
  if (!kind) throw new InvalidRequest(`storage type ${JSON.stringify(storage.type)} is not known`);
  if (kind === 'file' && !storage.path)
    throw new InvalidRequest(`storage ${JSON.stringify(storage.type)} needs a path`);
  const copy = kind === 'memory' ? openMemoryCopy() : cachedCopy(openLmdbCopy({ path: storage.path! }));
  const localLog = openLocalLog({ copy });
  const store = openStore({
    copy,
    log: localLog,
    fence: await localLog.lead(),
    logger: log.named('storage'),
    measured,
  });
  return {
    store,
    async close() {
      await store.close();
      await localLog.close();
      await copy.close();
    },
  };
}

/** Vault's names for storage on one node; all on disk are the embedded store. */
export const STORAGE: ReadonlyMap<string, 'file' | 'memory'> = new Map<string, 'file' | 'memory'>([
  ['file', 'file'],
  ['raft', 'file'],
  ['inmem', 'memory'],
  ['inmem_ha', 'memory'],
]);

function facts(
  settings: ServerSettings,
  deps: ServerDependencies,
  inFlight: ReadonlyMap<string, InFlight>,
  reloadAll: () => Promise<void>,
): ServerFacts {
  return {
    version: VERSION,
    buildDate: BUILD_DATE,
    startedAtMs: deps.clock.now(),
    limits: { defaultLeaseTtl: settings.defaultLeaseTtl, maxLeaseTtl: settings.maxLeaseTtl },
    sanitizedConfig: settings.sanitizedConfig,
    apiAddress: settings.apiAddress,
    clusterAddress: settings.clusterAddress,
    introspectionEndpoint: settings.introspectionEndpoint,
    rawStorageEndpoint: settings.rawStorageEndpoint,
    inFlight: () => Object.fromEntries([...inFlight].map(([id, request]) => [id, shownInFlight(request)])),
    async reload(subsystem) {
      if (!RELOADABLE.has(subsystem))
        throw new InvalidRequest(`unknown subsystem ${JSON.stringify(subsystem)}`);
      await reloadAll();
    },
    cors: { enabled: false, allowedOrigins: [], allowedHeaders: [], allowCredentials: false },
    uiHeaders: new Map(),
    monitorLog: deps.monitorLog,
  };
}

/** Reading again costs nothing, so every one of them reads all. */
const RELOADABLE = new Set(['all', 'license', 'tls', 'audit', 'log']);
