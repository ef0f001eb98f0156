import type { Session } from '../barrier/session.ts';
import { unlessCorrupt } from '../base/errors.ts';
import { leaseIdOf, type StoredToken, storedToken } from '../tokens/token.ts';
import type { Lease, TokenLease } from './lease.ts';

/**
 * A token's own lease says nothing that the token's record does not say, so it is only an entry of an index: under the
 * lease's id, which ends in the token's key, with what has to go when the token ends though its record is unreadable.
 */
export function tokenLeaseEntry({ accessor, parent }: TokenLease): string {
  return parent === undefined ? accessor : `${accessor} ${parent}`;
}

/** The lease behind an entry; one whose token cannot be read counts as expired. Undefined where id and token do not match. */
export function readTokenLease(session: Session, id: string, entry: string): Lease | undefined {
  const [tokenKey = ''] = id.slice(id.lastIndexOf('/h') + 2).split('.');
  const stored = unlessCorrupt(() => storedToken(session, tokenKey), undefined);
  if (stored) return leaseOf(id, tokenKey, stored);
  const [accessor = '', parent] = entry.split(' ');
  return {
    id,
    issuedAtMs: 0,
    expiresAtMs: 0,
    dueAtMs: 0,
    ttl: 0,
    renewable: false,
    renewedAtMs: 0,
    of: { what: 'token', tokenKey, accessor, parent },
  };
}

function leaseOf(id: string, tokenKey: string, stored: StoredToken): Lease | undefined {
  if (leaseIdOf({ ...stored, key: tokenKey }) !== id) return undefined;
  return {
    id,
    issuedAtMs: stored.createdAtMs,
    expiresAtMs: stored.expiresAtMs,
    dueAtMs: stored.expiresAtMs,
    ttl: stored.creationTtl,
    renewable: stored.renewable,
    renewedAtMs: stored.renewedAtMs,
    of: {
      what: 'token',
      tokenKey,
      accessor: stored.accessor,
      parent: stored.parent,
      role: stored.login?.role,
    },
  };
}
