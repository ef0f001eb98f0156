/**
 * Composition, second half: everything that exists only while the server is unsealed is made, wired and started here.
 */
import { Activity } from './activity/activity.ts';
import { type NewAuditDevice, openAudit } from './audit/broker.ts';
import { auditDeviceTypes } from './audit/registry.ts';
import { authMethods } from './auth/registry.ts';
import type { Barrier } from './barrier/barrier.ts';
import { Reencryption } from './barrier/reencryption.ts';
import { KeyRotation } from './barrier/rotation.ts';
import { openSession, persist, type Session, type SessionSource } from './barrier/session.ts';
import type { Clock } from './base/clock.ts';
import type { Logger, LogLevels } from './base/logger.ts';
import type { Random } from './base/random.ts';
import type { EngineType } from './engine/engine.ts';
import { Identity } from './identity/identity.ts';
import { LoginMfa } from './identity/mfa/mfa.ts';
import type { Fetch } from './identity/mfa/service.ts';
import { Leases } from './leases/leases.ts';
import { Ceremonies } from './lifecycle/ceremonies.ts';
import type { Lifecycle, Unsealed } from './lifecycle/lifecycle.ts';
import { type LockoutDefaults, Lockouts } from './lockouts/lockouts.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { MetricsPage } from './metrics/page.ts';
import type { TelemetrySettings } from './metrics/settings.ts';
import { UsageGauges } from './metrics/usage.ts';
import { type MountClass, type MountEntry, routePath } from './mounts/entry.ts';
import { type EngineRegistry, Mounts } from './mounts/mounts.ts';
import { OWN_MOUNTS, type OwnMount } from './mounts/own.ts';
import { Periodic } from './mounts/periodic.ts';
import { forgetToken } from './mounts/token-places.ts';
import type { WorkParts } from './mounts/work.ts';
import { ROOT_ID } from './namespaces/namespace.ts';
import { Namespaces } from './namespaces/namespaces.ts';
import type { Domains } from './pipeline/exchange.ts';
import { PasswordPolicies } from './policies/password-store.ts';
import { Policies } from './policies/store.ts';
import { Quotas } from './quotas/quotas.ts';
import { secretsEngines } from './secrets/registry.ts';
import { Confirmation } from './snapshots/confirmation.ts';
import { LoadedSnapshots } from './snapshots/loaded.ts';
import { Scheduler } from './snapshots/scheduler.ts';
import { Snapshots } from './snapshots/snapshots.ts';
import type { Store } from './store/store.ts';
import { loadSettings } from './sys/config.ts';
import { systemEngine } from './sys/engine.ts';
import { identityEngine } from './sys/identity/engine.ts';
import { endMount } from './sys/mount-ending.ts';
import { NamespaceEnding } from './sys/namespace-ending.ts';
import type { ServerFacts, SystemParts } from './sys/parts.ts';
import { tokenEngine } from './sys/token/engine.ts';
import { recordVersion } from './sys/version-history.ts';
import { Tokens } from './tokens/tokens.ts';
import { Wrapping } from './wrapping/wrapping.ts';

export interface UnsealedOptions {
  store: Store;
  barrier: Barrier;
  lifecycle: Lifecycle;
  server: ServerFacts;
  metrics: Metrics;
  metricsPage: MetricsPage;
  telemetry: TelemetrySettings;
  clock: Clock;
  random: Random;
  log: Logger;
  logLevels: LogLevels;
  lockouts: (mountType: string) => LockoutDefaults;
  declaredAudits: readonly NewAuditDevice[];
  audit: { allowPrefix: boolean; environment: Readonly<Record<string, string | undefined>> };
  /** Beside those of the registries. */
  engines: readonly EngineType[];
  /** How services outside are asked; the runtime’s own unless set. */
  fetch?: Fetch | undefined;
}

export type OpenUnsealed = Unsealed & { readonly domains: Domains };

export function openUnsealed(options: UnsealedOptions): OpenUnsealed {
  const { server } = options;
  const log = options.log.named('core');
  const registry = new Map<MountClass, EngineType[]>();
  const passwordPolicies = new PasswordPolicies({ random: options.random });
  const domains = openDomains(options, registry, passwordPolicies);
  const { namespaces, mounts, tokens, leases, policies, identity, quotas, audit } = domains;
  const session = domains.openSession;
  const reencryption = new Reencryption({ ...options, log });
  const rotation = new KeyRotation({ ...options, openSession: session, reencryption, log });
  options.metrics.observed('barrier.reencryption_remaining', () => reencryption.remaining);
  const ceremonies = new Ceremonies({
    ...options,
    log,
    async createRootToken() {
      const within = session();
      const token = tokens.createRoot(within);
      await persist(within);
      return token;
    },
  });
  const snapshots = openSnapshots(options);
  const restored = new Confirmation({
    ...options,
    log: options.log.named('snapshot'),
    countDue: () => leases.countDue(DUE_SHOWN_MAX),
  });
  const namespaceEnding = new NamespaceEnding({ ...domains, clock: options.clock, log });
  const loaded = new LoadedSnapshots({ ...options, snapshots });
  const scheduler = new Scheduler({
    ...options,
    snapshots,
    openSession: session,
    log: options.log.named('snapshot'),
  });
  const clearMount = (entry: MountEntry) =>
    void endMount({ openSession: session, mounts, identity }, entry).catch((error) =>
      log.error('clearing a disabled mount failed', { error }),
    );
  const parts: SystemParts = {
    ...systemParts(options, domains, rotation),
    reencryption,
    ceremonies,
    snapshots,
    loaded,
    recovery: {
      ...options,
      ...domains,
      log: options.log.named('snapshot'),
      clear: clearMount,
    },
    restored,
    namespaceEnding,
  };
  fillRegistry(registry, [
    ...options.engines,
    ...secretsEngines,
    ...authMethods,
    tokenEngine(parts),
    identityEngine(parts),
    systemEngine(parts, passwordPolicies),
  ]);
  const periodic = new Periodic({ ...domains, clock: options.clock, log });
  const usage = new UsageGauges({ ...options, ...domains, log });
  return {
    domains,
    initialize(within) {
      tokens.initialize(within);
      tokens.start(within);
      policies.initialize(within, ROOT_ID);
      for (const mount of OWN_MOUNTS) mounts.enable(within, rootMount(mount));
    },
    async start(within) {
      snapshots.proveRestored();
      tokens.start(within);
      const leavingNamespaces = namespaces.load(within);
      // Before anything that ends leases.
      quotas.start(within);
      const leaving = mounts.load(within);
      restoreOwnMounts(mounts, within, log);
      domains.activity.start(within);
      audit.load(within);
      await audit.declare(within, options.declaredAudits);
      loadSettings({ server }, within);
      recordVersion(within, server);
      policies.removeExpired(within, ROOT_ID);
      rotation.start();
      restored.whenConfirmed(() => {
        tokens.resume(session());
        leases.start();
        periodic.start();
        for (const namespace of leavingNamespaces) void namespaceEnding.begin(namespace);
        scheduler.start();
      });
      usage.start();
      for (const entry of leaving) clearMount(entry);
      await persist(within);
    },
    async stop() {
      ceremonies.close();
      usage.stop();
      await domains.activity.stop();
      restored.stop();
      namespaceEnding.stop();
      scheduler.stop();
      loaded.close();
      await periodic.stop();
      leases.stop();
      tokens.stop();
      quotas.stop();
      await mounts.close();
      await audit.close();
      await rotation.stop();
    },
    createRootToken: (within) => tokens.createRoot(within),
    sharesChanged: () => ceremonies.close(),
  };
}

/** Beyond it, how many leases are due is of no more interest. */
const DUE_SHOWN_MAX = 100_000;

function rootMount({ rootUuid: uuid, ...mount }: OwnMount) {
  return { ...mount, uuid };
}

/** Where the record of one is damaged: without them nobody could do anything about it. What it was tuned to is lost. */
function restoreOwnMounts(mounts: Mounts, within: Session, log: Logger): void {
  for (const mount of OWN_MOUNTS) {
    const path = routePath(mount);
    if (mounts.root.get(path)) continue;
    log.error('a mount of the server itself was not there and is made anew', { path });
    mounts.enable(within, rootMount(mount));
  }
}

function openDomains(
  options: UnsealedOptions,
  registry: EngineRegistry,
  passwordPolicies: PasswordPolicies,
): Domains {
  const { store, barrier, clock, random, server } = options;
  const source: SessionSource = {
    store,
    barrier,
    beforeApply: (within, writes) => quotas.leaseCounts.note(within, writes),
  };
  const session = () => openSession(source);
  const work: WorkParts = {
    clock,
    random,
    log: options.log.named('engine'),
    generatePassword: (within, namespaceId, policyName) =>
      passwordPolicies.generate(within, namespaceId, policyName),
  };
  const namespaces = new Namespaces({ random, log: options.log.named('namespace') });
  const mounts = new Mounts({
    registry,
    namespaces,
    limits: server.limits,
    moved: (within, from, to) => quotas.mountMoved(within, from, to),
    clock,
    random,
    log: options.log.named('mount'),
  });
  const tokens = new Tokens({
    clock,
    random,
    log: options.log.named('token'),
    opaque: {
      seal: (purpose, bytes) => barrier.sealOpaque(purpose, bytes),
      open: (purpose, bytes) => barrier.openOpaque(purpose, bytes),
    },
    leases: () => leases,
    leaseRefusal: (within, wanted) => quotas.leaseCounts.refusalIn(within, wanted),
    leaseCreated: (within, made) => quotas.leaseCreated(within, made),
    openSession: session,
    cleared(within, tokenKey) {
      wrapping.clear(within, tokenKey);
      forgetToken({ mounts, work, isThere: (id) => namespaces.byId(id) !== undefined }, within, tokenKey);
    },
  });
  const leases = new Leases({
    openSession: session,
    mountByUuid: (within, place) => mounts.byUuid(within, place),
    created: (within, made) => quotas.leaseCreated(within, made),
    revokeToken: (within, token) => tokens.revokeLeased(within, token),
    metrics: options.metrics,
    work,
    clock,
    random,
    log: options.log.named('expiration'),
  });
  const wrapping = new Wrapping({ tokens, clock });
  const audit = openAudit({
    clock,
    random,
    log: options.log.named('audit'),
    metrics: options.metrics,
    registry: auditDeviceTypes,
    stdout: process.stdout,
    stderr: process.stderr,
    ...options.audit,
  });
  const policies = new Policies({ clock });
  const identity = new Identity({ clock, random, mounts });
  const loginMfa = new LoginMfa({ clock, random, fetch: options.fetch ?? fetch });
  const lockouts = new Lockouts({ clock, defaults: options.lockouts });
  const activity = new Activity({ mounts, openSession: session, clock, log: options.log.named('activity') });
  const quotas: Quotas = new Quotas({
    clock,
    random,
    openSession: session,
    stored: (key) => store.begin().get(key) !== undefined,
    namespacePath: (id) => namespaces.byId(id)?.path ?? '',
    mountOf: (within, namespaceId, path) =>
      mounts.table(within, namespaceId).match(path)?.mount.info.path ?? '',
    log: options.log.named('quota'),
  });
  return {
    openSession: session,
    namespaces,
    mounts,
    tokens,
    leases,
    policies,
    identity,
    loginMfa,
    wrapping,
    lockouts,
    activity,
    quotas,
    audit,
    work,
  };
}

function systemParts(
  options: UnsealedOptions,
  domains: Domains,
  rotation: KeyRotation,
): Omit<
  SystemParts,
  'ceremonies' | 'reencryption' | 'snapshots' | 'loaded' | 'recovery' | 'restored' | 'namespaceEnding'
> {
  const { barrier, lifecycle, metrics, metricsPage, clock, random, logLevels, server } = options;
  return {
    ...domains,
    lifecycle,
    metrics,
    metricsPage,
    clock,
    random,
    log: options.log.named('system'),
    logLevels,
    server,
    rotation,
    keys: { statuses: () => barrier.keyStatuses, quarantined: () => barrier.quarantined() },
  };
}

function openSnapshots({ store, barrier, lifecycle, server, clock, log }: UnsealedOptions): Snapshots {
  return new Snapshots({
    store,
    barrier,
    facts() {
      const { type, n, t } = lifecycle.status();
      return {
        version: server.version,
        cluster_id: lifecycle.cluster?.id ?? '',
        cluster_name: lifecycle.cluster?.name ?? '',
        seal: { type, shares: n, threshold: t },
      };
    },
    clock,
    log: log.named('snapshot'),
  });
}

function fillRegistry(registry: Map<MountClass, EngineType[]>, types: readonly EngineType[]): void {
  for (const type of types) registry.set(type.class, [...(registry.get(type.class) ?? []), type]);
}
