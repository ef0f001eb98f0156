import type { MountInfo } from '../engine/engine.ts';
import type { Metrics } from './metrics.ts';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Seconds; as Vault groups the times that tokens and leases are made for. */
const TTL_GROUPS: readonly (readonly [number, string])[] = [
  [MINUTE, '1m'],
  [10 * MINUTE, '10m'],
  [20 * MINUTE, '20m'],
  [HOUR, '1h'],
  [2 * HOUR, '2h'],
  [DAY, '1d'],
  [2 * DAY, '2d'],
  [7 * DAY, '7d'],
  [30 * DAY, '30d'],
];

/** The group of a time to live in seconds; 0 is for ever. */
export function ttlGroup(ttl: number): string {
  return ttl === 0 ? '+Inf' : (TTL_GROUPS.find(([longest]) => ttl <= longest)?.[1] ?? '+Inf');
}

export function namespaceLabel(namespace: MountInfo['namespace']): string {
  return namespace.path === '' ? 'root' : namespace.path;
}

/** `token.creation`: who makes tokens, and for how long. `creationTtl` in seconds. */
export function countTokenCreation(
  metrics: Metrics,
  mount: MountInfo,
  token: { readonly creationTtl: number; readonly type: string },
): void {
  metrics
    .counter('token.creation', {
      auth_method: mount.type,
      mount_point: mount.path,
      creation_ttl: ttlGroup(token.creationTtl),
      token_type: token.type,
      namespace: namespaceLabel(mount.namespace),
    })
    .add();
}

/** `secret.lease.creation`, alike. */
export function countLeaseCreation(metrics: Metrics, mount: MountInfo, ttl: number): void {
  metrics
    .counter('secret.lease.creation', {
      secret_engine: mount.type,
      mount_point: mount.path,
      creation_ttl: ttlGroup(ttl),
      namespace: namespaceLabel(mount.namespace),
    })
    .add();
}
