/**
 * `sys/`: the host's own paths, written as an engine, one file per group. They see the domains through what
 * the composition root hands them, and go through the same pipeline as everything else.
 */
import type { EnginePath, EngineType } from '../engine/engine.ts';
import type { PasswordPolicies } from '../policies/password-store.ts';
import { activityPaths } from './activity.ts';
import { auditPaths } from './audit.ts';
import { capabilityPaths } from './capabilities.ts';
import { ceremonyPaths } from './ceremonies.ts';
import { configPaths } from './config.ts';
import { explainPaths } from './explain.ts';
import { inspectPaths } from './inspect.ts';
import { internalPaths } from './internal.ts';
import { leaseTopPath } from './lease-top.ts';
import { leasePaths } from './leases.ts';
import { metricsPath } from './metrics.ts';
import { mfaPaths } from './mfa.ts';
import { monitorPath } from './monitor.ts';
import { mountPaths } from './mounts.ts';
import { namespacePaths } from './namespaces.ts';
import type { SystemParts } from './parts.ts';
import { passwordPolicyPaths } from './password-policies.ts';
import { pluginPaths } from './plugins.ts';
import { policyPaths } from './policies.ts';
import { pprofPaths } from './pprof.ts';
import { quotaPaths } from './quotas.ts';
import { rawPaths } from './raw.ts';
import { remountPaths } from './remount.ts';
import { rotationPaths } from './rotation.ts';
import { scheduledSnapshotPaths } from './scheduled-snapshots.ts';
import { serverPaths } from './server.ts';
import { recoveryPaths, snapshotPaths } from './snapshots.ts';
import { statusPaths } from './status.ts';
import { toolPaths } from './tools.ts';
import { versionHistoryPath } from './version-history.ts';
import { wrappingPaths } from './wrapping.ts';

export function systemEngine(parts: SystemParts, passwordPolicies: PasswordPolicies): EngineType {
  /** One for all namespaces: handlers go by the request's. */
  const paths = allPaths(parts, passwordPolicies);
  return {
    type: 'system',
    class: 'system',
    summary: 'The server’s own paths: mounts, policies, leases, audit, keys.',
    host: true,
    singleton: true,
    open: () => ({ paths }),
  };
}

function allPaths(parts: SystemParts, passwordPolicies: PasswordPolicies): readonly EnginePath[] {
  return [
    // Answered before the pipeline's steps; here for help and the OpenAPI document.
    ...statusPaths({
      ...parts,
      expiryPaused: () => parts.restored.isPending,
      apiAddress: parts.server.apiAddress,
      clusterAddress: parts.server.clusterAddress,
    }),
    ...namespacePaths(parts),
    ...mountPaths(parts, 'secret'),
    ...mountPaths(parts, 'auth'),
    ...policyPaths(parts),
    ...passwordPolicyPaths(passwordPolicies),
    ...explainPaths(parts),
    ...capabilityPaths(parts),
    leaseTopPath(parts),
    ...leasePaths(parts),
    ...wrappingPaths(parts),
    ...mfaPaths(parts),
    ...auditPaths(parts),
    ...toolPaths(),
    ...configPaths(parts),
    ...serverPaths(parts),
    ...rotationPaths(parts),
    ...ceremonyPaths(parts),
    ...quotaPaths(parts),
    ...snapshotPaths(parts),
    ...scheduledSnapshotPaths(),
    ...recoveryPaths(parts),
    ...rawPaths(parts),
    ...inspectPaths(parts),
    versionHistoryPath(),
    ...remountPaths(parts),
    ...pluginPaths(parts),
    ...internalPaths(parts),
    ...activityPaths(parts),
    ...pprofPaths(parts),
    metricsPath(parts),
    monitorPath(parts),
  ];
}
