import type { ListenerConfig, ServerConfig, StorageConfig } from './config.ts';

/** The configuration as `sys/config/state/sanitized` shows it: nothing of storage, seals or audit devices that could be secret. */
export function sanitizedConfig(config: ServerConfig): Record<string, unknown> {
  const storage = (stanza: StorageConfig) => ({
    type: stanza.kind,
    redirect_addr: config.apiAddr ?? '',
    cluster_addr: config.clusterAddr ?? '',
    disable_clustering: config.disableClustering,
  });
  const seals = config.seals.map(({ kind, name, disabled }) => ({ type: kind, name, disabled }));
  return {
    api_addr: config.apiAddr ?? '',
    cluster_addr: config.clusterAddr ?? '',
    cluster_name: config.clusterName ?? '',
    default_lease_ttl: config.defaultLeaseTtlSeconds,
    default_max_request_duration: config.defaultMaxRequestDurationMs / 1000,
    disable_clustering: config.disableClustering,
    disable_mlock: config.disableMlock,
    enable_response_header_hostname: config.enableResponseHeaderHostname,
    enable_response_header_raft_node_id: config.enableResponseHeaderRaftNodeId,
    enable_ui: config.ui,
    introspection_endpoint: config.introspectionEndpoint,
    listeners: config.listeners.map(listener),
    log_format: config.logFormat,
    log_level: config.logLevel,
    log_requests_level: config.logRequestsLevel ?? '',
    max_lease_ttl: config.maxLeaseTtlSeconds,
    pid_file: config.pidFile ?? '',
    plugin_directory: config.pluginDirectory ?? '',
    raw_storage_endpoint: config.rawStorageEndpoint,
    seals: seals.length > 0 ? seals : [{ type: 'shamir', name: 'shamir', disabled: false }],
    ...(config.storage && { storage: storage(config.storage) }),
    ...(config.haStorage && { ha_storage: storage(config.haStorage) }),
    telemetry: {
      disable_hostname: config.telemetry.disableHostname ?? false,
      metrics_prefix: config.telemetry.metricsPrefix ?? '',
      prometheus_retention_time: (config.telemetry.prometheusRetentionTimeMs ?? 0) / 1000,
    },
  };
}

function listener({ type, address, clusterAddress, tlsDisable }: ListenerConfig): unknown {
  return {
    type,
    config: {
      address,
      ...(clusterAddress !== undefined && { cluster_address: clusterAddress }),
      ...(tlsDisable !== undefined && { tls_disable: tlsDisable }),
    },
  };
}
