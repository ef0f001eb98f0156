import type { Activity } from '../activity/activity.ts';
import type { Audit } from '../audit/broker.ts';
import type { KeyStatus } from '../barrier/keyring.ts';
import type { Reencryption } from '../barrier/reencryption.ts';
import type { KeyRotation } from '../barrier/rotation.ts';
import type { Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import type { LogFormat, Logger, LogLevel, LogLevels } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Identity } from '../identity/identity.ts';
import type { LoginMfa } from '../identity/mfa/mfa.ts';
import type { Leases } from '../leases/leases.ts';
import type { Ceremonies } from '../lifecycle/ceremonies.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { Lockouts } from '../lockouts/lockouts.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { MetricsPage } from '../metrics/page.ts';
import type { Mounts, MountTable } from '../mounts/mounts.ts';
import type { SystemContext } from '../mounts/system-context.ts';
import type { WorkParts } from '../mounts/work.ts';
import type { Namespaces } from '../namespaces/namespaces.ts';
import type { Policies } from '../policies/store.ts';
import type { Quotas } from '../quotas/quotas.ts';
import type { Confirmation } from '../snapshots/confirmation.ts';
import type { LoadedSnapshots } from '../snapshots/loaded.ts';
import type { RecoveryParts } from '../snapshots/recovery.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import { namespaceIdOf, type Token } from '../tokens/token.ts';
import type { Tokens } from '../tokens/tokens.ts';
import type { Wrapping } from '../wrapping/wrapping.ts';
import type { NamespaceEnding } from './namespace-ending.ts';

/** What the composition root hands to the host's own mounts. The getters throw `Sealed` while there is nothing behind them. */
export interface SystemParts {
  readonly lifecycle: Lifecycle;
  readonly namespaces: Namespaces;
  readonly namespaceEnding: NamespaceEnding;
  readonly mounts: Mounts;
  readonly tokens: Tokens;
  readonly leases: Leases;
  readonly policies: Policies;
  readonly identity: Identity;
  readonly loginMfa: LoginMfa;
  readonly wrapping: Wrapping;
  readonly lockouts: Lockouts;
  readonly quotas: Quotas;
  readonly audit: Audit;
  readonly activity: Activity;
  readonly work: WorkParts;
  readonly metrics: Metrics;
  readonly metricsPage: MetricsPage;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly logLevels: LogLevels;
  readonly server: ServerFacts;
  readonly keys: BarrierKeys;
  readonly rotation: KeyRotation;
  readonly reencryption: Reencryption;
  readonly ceremonies: Ceremonies;
  readonly snapshots: Snapshots;
  readonly loaded: LoadedSnapshots;
  readonly recovery: RecoveryParts;
  /** What waits for an operator's word after a restore. */
  readonly restored: Confirmation;
  openSession(): Session;
}

/** The mounts of the request's namespace. */
export function mountsOf(
  { mounts }: Pick<SystemParts, 'mounts'>,
  { session, namespace }: Pick<SystemContext, 'session' | 'namespace'>,
): MountTable {
  return mounts.table(session, namespace.id);
}

/** Whether a token that a request names is its caller's own or of its namespace: others are as good as none. */
export function isKnownHere({ token: own, namespace }: SystemContext, token: Token): boolean {
  return token.key === own?.key || namespaceIdOf(token) === namespace.id;
}

/** The barrier, as far as operators look after it. */
export interface BarrierKeys {
  /** Oldest first; the last encrypts now. */
  statuses(): readonly KeyStatus[];
  quarantined(): readonly { readonly key: string; readonly atMs: number }[];
}

/** What the process knows of itself. */
export interface ServerFacts {
  readonly version: string;
  readonly buildDate: string;
  readonly startedAtMs: number;
  readonly limits: { readonly defaultLeaseTtl: number; readonly maxLeaseTtl: number };
  /** The configuration without secrets, as `sys/config/state/sanitized` shows it. */
  readonly sanitizedConfig: Record<string, unknown>;
  readonly apiAddress: string;
  readonly clusterAddress: string;
  readonly introspectionEndpoint: boolean;
  readonly rawStorageEndpoint: boolean;
  /** `sys/in-flight-req`, by request id. */
  inFlight(): Readonly<Record<string, unknown>>;
  /** Reads configuration, certificates and log files again; by subsystem or all. Throws `InvalidRequest` for an unknown one. */
  reload(subsystem: string): Promise<void>;
  /** Live CORS and header settings; http/ reads them on every request. */
  readonly cors: CorsSettings;
  readonly uiHeaders: Map<string, readonly string[]>;
  /** Listens to the server log at a level and in a form; the returned function stops. */
  monitorLog(wanted: LogWanted, listener: (line: string) => void): () => void;
}

export interface LogWanted {
  readonly level: LogLevel;
  readonly format: LogFormat;
}

export interface CorsSettings {
  enabled: boolean;
  allowedOrigins: readonly string[];
  allowedHeaders: readonly string[];
  allowCredentials: boolean;
}
