import type { Seal } from '../seal/seal.ts';
import type { ServerSettings } from '../server.ts';

/** Vault's 32 days. */
export const LEASE_TTL_SECONDS = 768 * 3600;

/** Settings of a server without a configuration file: one plain listener, the defaults for the rest. */
export function plainSettings(choice: {
  storage: ServerSettings['storage'];
  address: string;
  environment: ServerSettings['environment'];
  logLevel: string | undefined;
  seals?: readonly Seal[];
}): ServerSettings {
  const apiAddress = `http://${choice.address}`;
  return {
    storage: choice.storage,
    listeners: [{ type: 'tcp', address: choice.address, tlsDisable: true }],
    seals: choice.seals ?? [],
    clusterName: undefined,
    apiAddress,
    clusterAddress: '',
    defaultLeaseTtl: LEASE_TTL_SECONDS,
    maxLeaseTtl: LEASE_TTL_SECONDS,
    introspectionEndpoint: false,
    rawStorageEndpoint: false,
    allowAuditPrefix: false,
    environment: choice.environment,
    sanitizedConfig: {
      api_addr: apiAddress,
      default_lease_ttl: LEASE_TTL_SECONDS,
      max_lease_ttl: LEASE_TTL_SECONDS,
      listeners: [{ type: 'tcp', config: { address: choice.address, tls_disable: true } }],
      log_level: choice.logLevel ?? 'info',
      storage: { type: choice.storage.type },
    },
  };
}
