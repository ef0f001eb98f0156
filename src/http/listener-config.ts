import { InvalidRequest } from '../base/errors.ts';
import type { JsonLimits } from './json-limits.ts';
import { addressList, type ForwardedForRules } from './remote.ts';
import type { CustomHeaders } from './response-head.ts';
import type { TlsConfig } from './tls.ts';

/**
 * One `listener` stanza. Names are Vault's in camel case; durations are milliseconds, sizes bytes. What is left out
 * takes Vault's default.
 */
export interface ListenerConfig extends TlsConfig {
  readonly type: 'tcp' | 'unix';
  /** `host:port`, `[v6]:port` or `:port`; port 0 takes any free one. For `unix` the path of the socket. */
  readonly address: string;
  /** Unix sockets only: octal mode; user and group by name or number. */
  readonly socketMode?: string | undefined;
  readonly socketUser?: string | undefined;
  readonly socketGroup?: string | undefined;
  /** 32 MiB if 0 or left out; negative takes the limit away. */
  readonly maxRequestSize?: number | undefined;
  readonly maxRequestDurationMs?: number | undefined;
  readonly maxHeaderSize?: number | undefined;
  readonly maxConnections?: number | undefined;
  readonly maxJsonDepth?: number | undefined;
  readonly maxJsonStringValueLength?: number | undefined;
  readonly maxJsonObjectEntryCount?: number | undefined;
  readonly maxJsonArrayElementCount?: number | undefined;
  readonly maxJsonTokenCount?: number | undefined;
  readonly httpReadHeaderTimeoutMs?: number | undefined;
  readonly httpReadTimeoutMs?: number | undefined;
  /** 0 is none. */
  readonly httpWriteTimeoutMs?: number | undefined;
  /** 0 takes httpReadTimeout, and that 0 too httpReadHeaderTimeout. */
  readonly httpIdleTimeoutMs?: number | undefined;
  readonly xForwardedForAuthorizedAddrs?: readonly string[] | undefined;
  readonly xForwardedForHopSkips?: number | undefined;
  readonly xForwardedForRejectNotPresent?: boolean | undefined;
  readonly xForwardedForRejectNotAuthorized?: boolean | undefined;
  readonly proxyProtocolBehavior?: ProxyProtocolBehavior | undefined;
  readonly proxyProtocolAuthorizedAddrs?: readonly string[] | undefined;
  readonly customResponseHeaders?: CustomHeaders | undefined;
  readonly unauthenticatedMetricsAccess?: boolean | undefined;
  readonly disableUnauthedRekeyEndpoints?: boolean | undefined;
  readonly disableUnauthedGenerateRootEndpoints?: boolean | undefined;
}

export type ProxyProtocolBehavior = 'use_always' | 'allow_authorized' | 'deny_unauthorized';

/** A listener's limits and times with every default in place; no limit is Infinity. */
export interface ListenerSettings {
  readonly headBytesMax: number;
  readonly bodyBytesMax: number;
  /** Of all bodies that are being received or answered at one time. */
  readonly heldBytesMax: number;
  readonly json: JsonLimits;
  readonly connectionsMax: number;
  readonly requestDurationMs: number;
  readonly readHeaderTimeoutMs: number;
  readonly readTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly forwardedFor: ForwardedForRules;
  readonly unauthenticatedMetrics: boolean;
  readonly unauthenticatedRekey: boolean;
  readonly unauthenticatedRootGeneration: boolean;
}

const SECOND_MS = 1000;
const MEBIBYTE = 1024 * 1024;
/** Bodies of the largest size that may be in memory at one time: they come before anybody is asked who he is. */
const LARGE_BODIES_MAX = 8;

/** Fills in Vault's defaults. Throws `InvalidRequest` on an address list that is none. */
export function listenerSettings(config: ListenerConfig): ListenerSettings {
  const readHeaderTimeoutMs = config.httpReadHeaderTimeoutMs ?? 10 * SECOND_MS;
  const readTimeoutMs = config.httpReadTimeoutMs ?? 30 * SECOND_MS;
  const bodyBytesMax = limitOf(config.maxRequestSize, 32 * MEBIBYTE);
  const idleTimeoutMs = config.httpIdleTimeoutMs ?? 300 * SECOND_MS;
  return {
    headBytesMax: config.maxHeaderSize || 64 * 1024,
    bodyBytesMax,
    heldBytesMax: bodyBytesMax * LARGE_BODIES_MAX,
    json: jsonLimits(config),
    connectionsMax: config.maxConnections || 0,
    requestDurationMs: timeoutOf(config.maxRequestDurationMs || 90 * SECOND_MS),
    readHeaderTimeoutMs: timeoutOf(readHeaderTimeoutMs || readTimeoutMs),
    readTimeoutMs: timeoutOf(readTimeoutMs),
    writeTimeoutMs: timeoutOf(config.httpWriteTimeoutMs ?? 0),
    idleTimeoutMs: timeoutOf(idleTimeoutMs || readTimeoutMs || readHeaderTimeoutMs),
    forwardedFor: forwardedForRules(config),
    unauthenticatedMetrics: config.unauthenticatedMetricsAccess ?? false,
    unauthenticatedRekey: !config.disableUnauthedRekeyEndpoints,
    unauthenticatedRootGeneration: !config.disableUnauthedGenerateRootEndpoints,
  };
}

function jsonLimits(config: ListenerConfig): JsonLimits {
  return {
    depthMax: limitOf(config.maxJsonDepth, 500),
    stringBytesMax: limitOf(config.maxJsonStringValueLength, MEBIBYTE),
    objectEntriesMax: limitOf(config.maxJsonObjectEntryCount, 10_000),
    arrayElementsMax: limitOf(config.maxJsonArrayElementCount, 10_000),
    tokensMax: limitOf(config.maxJsonTokenCount, 500_000),
  };
}

function forwardedForRules(config: ListenerConfig): ForwardedForRules {
  const hopSkips = config.xForwardedForHopSkips ?? 0;
  if (!Number.isInteger(hopSkips) || hopSkips < 0) {
    throw new InvalidRequest('x_forwarded_for_hop_skips cannot be negative');
  }
  return {
    authorized: config.type === 'tcp' ? addressList(config.xForwardedForAuthorizedAddrs ?? []) : undefined,
    hopSkips,
    rejectNotPresent: config.xForwardedForRejectNotPresent ?? true,
    rejectNotAuthorized: config.xForwardedForRejectNotAuthorized ?? true,
  };
}

function limitOf(given: number | undefined, usual: number): number {
  if (given === undefined || given === 0) return usual;
  return given < 0 ? Number.POSITIVE_INFINITY : given;
}

function timeoutOf(ms: number): number {
  return ms > 0 ? ms : Number.POSITIVE_INFINITY;
}
