import { PermissionDenied, UnsupportedOperation } from '../base/errors.ts';
import type { WireReply } from '../pipeline/wire.ts';

/** `sys/config/cors` as it stands now. */
export interface CorsSettings {
  readonly enabled: boolean;
  /** Origins, or `*` for any. */
  readonly allowedOrigins: readonly string[];
  /** Request headers that pages may send, the API's own included. */
  readonly allowedHeaders: readonly string[];
  readonly allowCredentials: boolean;
}

const METHODS = ['DELETE', 'GET', 'LIST', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'SCAN'];
const PREFLIGHT_SECONDS = 300;

/** What a page of another origin may do: headers for every reply, or a whole reply to a preflight. */
export interface CorsOutcome {
  readonly headers: Record<string, string> | undefined;
  readonly reply: WireReply | undefined;
}

const UNTOUCHED: CorsOutcome = { headers: undefined, reply: undefined };

/**
 * Applies the settings to a request. Throws `PermissionDenied` for an origin that is not allowed, and
 * `UnsupportedOperation` for a preflight that asks for a method the API has not.
 */
export function applyCors(
  settings: CorsSettings | undefined,
  method: string,
  headers: Readonly<Record<string, string>>,
): CorsOutcome {
  const origin = headers.origin;
  if (origin === undefined || !settings?.enabled) return UNTOUCHED;
  if (!settings.allowedOrigins.includes('*') && !settings.allowedOrigins.includes(origin)) {
    throw new PermissionDenied('origin not allowed');
  }
  const granted: Record<string, string> = { 'Access-Control-Allow-Origin': origin, Vary: 'Origin' };
  if (settings.allowCredentials) granted['Access-Control-Allow-Credentials'] = 'true';
  if (method !== 'OPTIONS') return { headers: granted, reply: undefined };
  if (!METHODS.includes(headers['access-control-request-method'] ?? '')) throw new UnsupportedOperation();
  granted['Access-Control-Allow-Headers'] = settings.allowedHeaders.join(',');
  granted['Access-Control-Allow-Methods'] = METHODS.join(',');
  granted['Access-Control-Max-Age'] = String(PREFLIGHT_SECONDS);
  return { headers: granted, reply: { status: 204 } };
}
