import type { MountInfo } from '../engine/engine.ts';
import type { NamespaceRef } from '../namespaces/namespace.ts';

export type MountClass = 'secret' | 'auth' | 'system';

/** A mount as stored, one record each. */
export interface MountEntry {
  /** With trailing slash; auth methods without `auth/`: `approle/`. */
  readonly path: string;
  readonly class: MountClass;
  readonly type: string;
  readonly uuid: string;
  /** Absent: the root's. */
  readonly namespaceId?: string;
  readonly accessor: string;
  readonly description: string;
  readonly options: Readonly<Record<string, string>>;
  readonly config: MountConfig;
  readonly local: boolean;
  readonly sealWrap: boolean;
  readonly externalEntropyAccess: boolean;
  /** Being disabled: no longer routed; its leases and data are on their way out. */
  readonly leaving?: boolean;
}

/** As `sys/mounts/:path/tune` has it. Seconds; 0 takes the server's. */
export interface MountConfig {
  readonly default_lease_ttl: number;
  readonly max_lease_ttl: number;
  readonly force_no_cache: boolean;
  readonly audit_non_hmac_request_keys?: readonly string[];
  readonly audit_non_hmac_response_keys?: readonly string[];
  readonly listing_visibility?: '' | 'hidden' | 'unauth';
  readonly passthrough_request_headers?: readonly string[];
  readonly allowed_response_headers?: readonly string[];
  /** Auth methods: what `token_type=default` of a role means here. */
  readonly token_type?: 'default-service' | 'default-batch' | 'service' | 'batch';
  readonly user_lockout_config?: UserLockout;
}

/** Seconds; a threshold of failures within the counter's time locks a user out for the duration. */
export interface UserLockout {
  readonly lockout_threshold?: number;
  readonly lockout_duration?: number;
  readonly lockout_counter_reset?: number;
  readonly lockout_disable?: boolean;
}

export const CONFIG_UNSET: MountConfig = { default_lease_ttl: 0, max_lease_ttl: 0, force_no_cache: false };

/** Where requests find the mount: `secret/`, `auth/approle/`. */
export function routePath(entry: Pick<MountEntry, 'class' | 'path'>): string {
  return entry.class === 'auth' ? `auth/${entry.path}` : entry.path;
}

export interface TtlLimits {
  /** Seconds. */
  readonly defaultLeaseTtl: number;
  readonly maxLeaseTtl: number;
}

export function mountInfo(entry: MountEntry, server: TtlLimits, namespace: NamespaceRef): MountInfo {
  const maxLeaseTtl = entry.config.max_lease_ttl || server.maxLeaseTtl;
  return {
    path: routePath(entry),
    type: entry.type,
    class: entry.class,
    uuid: entry.uuid,
    accessor: entry.accessor,
    options: entry.options,
    defaultLeaseTtl: Math.min(entry.config.default_lease_ttl || server.defaultLeaseTtl, maxLeaseTtl),
    maxLeaseTtl,
    local: entry.local,
    namespace,
  };
}
