import { goDuration } from '../engine/duration.ts';
import type { MountPlace } from '../mounts/records.ts';
import { namespaceIdIn } from '../namespaces/namespace.ts';

/** A lease as stored: all that renewal and revocation need, whatever has become of role and mount configuration. */
export interface Lease {
  /** `<request path>/<24 random characters>`, for tokens `<request path>/h<token key>`; outside the root then `.<namespace id>`. */
  readonly id: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** Seconds granted at issue. */
  readonly ttl: number;
  readonly renewable: boolean;
  /** 0 until renewed. */
  readonly renewedAtMs: number;
  readonly of: SecretLease | TokenLease;
  /** Failed revocations so far; the expiry index then holds the time of the next try. */
  readonly attempts?: number;
  readonly lastError?: string;
  /** Where the expiry index has this lease. */
  readonly dueAtMs: number;
}

export interface SecretLease {
  readonly what: 'secret';
  readonly mountUuid: string;
  /** The engine's lease kind. */
  readonly kind: string;
  readonly internal: Record<string, unknown>;
  /** Seconds from issue; 0: the mount's maximum. */
  readonly maxTtl: number;
  /** The token that asked for it; the lease ends with the token. */
  readonly tokenKey: string | undefined;
}

/** With all that has to go when the token ends, so that its record need not be read, nor readable. */
export interface TokenLease {
  readonly what: 'token';
  readonly tokenKey: string;
  readonly accessor: string;
  /** The key of the token that it was made with; undefined for an orphan. */
  readonly parent: string | undefined;
  /** Of the login that it came from; undefined too where the token cannot be read. */
  readonly role?: string | undefined;
}

/** Where the mount is that issued a lease. */
export function placeOf(leaseId: string, { mountUuid }: SecretLease): MountPlace {
  return { namespaceId: namespaceIdIn(leaseId), uuid: mountUuid };
}

/** After this many failures a lease counts as irrevocable: still retried, and shown to operators. */
const IRREVOCABLE_ATTEMPTS = 6;

export function isIrrevocable(lease: Pick<Lease, 'attempts'>): boolean {
  return (lease.attempts ?? 0) >= IRREVOCABLE_ATTEMPTS;
}

export interface TtlRequest {
  readonly nowMs: number;
  readonly issuedAtMs: number;
  /** Seconds wanted; 0 takes the default. */
  readonly ttl: number;
  readonly defaultTtl: number;
  /** Seconds from issue; the tightest positive one rules. */
  readonly maxTtls: readonly number[];
  /** Seconds; a periodic token's life is not bounded by the maximum, only by an explicit one. */
  readonly period?: number;
  readonly explicitMaxTtl?: number;
}

/** Seconds to live from now, within every maximum counted from issue, and what to tell the client if it asked for more. */
export function grantTtl(request: TtlRequest): { ttl: number; warnings: string[] } {
  const period = request.period ?? 0;
  const explicit = request.explicitMaxTtl ?? 0;
  const maxima = (period > 0 ? [explicit] : [...request.maxTtls, explicit]).filter((seconds) => seconds > 0);
  const wanted = period > 0 ? period : request.ttl > 0 ? request.ttl : request.defaultTtl;
  if (maxima.length === 0) return { ttl: wanted, warnings: [] };
  const max = Math.min(...maxima);
  const left = Math.floor((request.issuedAtMs + max * 1000 - request.nowMs) / 1000);
  if (wanted <= left) return { ttl: wanted, warnings: [] };
  const asked = period > 0 || request.ttl > 0;
  const ttl = Math.max(left, 0);
  const warning = `TTL of ${JSON.stringify(goDuration(wanted))} exceeded the effective max_ttl of ${JSON.stringify(goDuration(ttl))}; TTL value is capped accordingly`;
  return { ttl, warnings: asked ? [warning] : [] };
}
