import type { Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { IdentityClaim, TokenParameters } from '../engine/login.ts';
import type { AuthReply } from '../engine/reply.ts';
import type { Identity } from '../identity/identity.ts';
import { type Rights, rightsInForce } from '../identity/rights.ts';
import { grantTtl, type TtlRequest } from '../leases/lease.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import type { MountPlace } from '../mounts/records.ts';
import { type WorkParts, workContext } from '../mounts/work.ts';
import { inNamespace, namespaceIdOf, type Token, tokenPolicies } from './token.ts';
import type { Tokens } from './tokens.ts';

export interface Issued {
  readonly auth: AuthReply;
  readonly token: Token;
  readonly warnings: readonly string[];
}

/** The token for somebody whom an auth method has identified. */
export function issueForLogin(
  parts: { tokens: Tokens; clock: Clock },
  session: Session,
  login: {
    mount: OpenMount;
    path: string;
    claim: IdentityClaim;
    remoteAddress: string;
    /** Of the entity that the claim is about. */
    rights: Rights;
  },
): Issued {
  const { mount, claim, rights } = login;
  const { token: wanted } = claim;
  const type = chosenType(mount, wanted);
  // Nothing of a batch token is stored, so nobody could count its uses.
  if (type === 'batch' && wanted.numUses > 0)
    throw new InvalidRequest('batch tokens cannot have a limited use count');
  const nowMs = parts.clock.now();
  const { ttl, warnings } = grantTtl({
    nowMs,
    issuedAtMs: nowMs,
    ttl: wanted.ttl,
    defaultTtl: mount.info.defaultLeaseTtl,
    maxTtls: [wanted.maxTtl, mount.info.maxLeaseTtl],
    period: wanted.period,
    explicitMaxTtl: wanted.explicitMaxTtl,
  });
  const boundCidrs = wanted.strictlyBindIp ? [login.remoteAddress] : wanted.boundCidrs;
  const policies = tokenPolicies(wanted.policies, { withDefault: !wanted.noDefaultPolicy });
  if (policies.includes('root')) throw new InvalidRequest('auth methods cannot create root tokens');
  const { id, token } = parts.tokens.create(session, {
    ...inNamespace(mount.info.namespace.id),
    type,
    parent: undefined,
    policies,
    path: login.path,
    meta: claim.metadata,
    displayName: shownName(mount, claim.displayName),
    numUses: wanted.numUses,
    ttl,
    explicitMaxTtl: wanted.explicitMaxTtl,
    period: wanted.period,
    renewable: type === 'service' && mount.engine?.renewLogin !== undefined,
    entityId: rights.entity.id,
    role: '',
    boundCidrs,
    login: {
      mountUuid: mount.entry.uuid,
      mountAccessor: mount.entry.accessor,
      aliasName: claim.aliasName,
      role: claim.role,
      internal: claim.internal ?? {},
      parameters: wanted,
    },
  });
  return { auth: authReply(id, token, ttl, rights), token, warnings };
}

export interface RenewalParts {
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly work: WorkParts;
  readonly identity: Identity;
  mountByUuid(session: Session, place: MountPlace): OpenMount | undefined;
  /** Seconds, of a namespace's mount that makes tokens from tokens. */
  maxLeaseTtl(session: Session, namespaceId: string): number;
  /** Seconds; 0: none. Throws `InvalidRequest` when the role is gone. */
  periodOfRole(session: Session, namespaceId: string, role: string): number;
}

/**
 * Renews a service token; `increment` in seconds, 0 for what it was made with. What it came from is asked again: a
 * login's method, or the token role, whose current period holds.
 */
export async function renewToken(
  parts: RenewalParts,
  session: Session,
  token: Token,
  increment: number,
): Promise<{ ttl: number; warnings: string[] }> {
  if (token.type === 'batch') throw new InvalidRequest('batch tokens cannot be renewed');
  if (!token.renewable || token.expiresAtMs === 0) throw new InvalidRequest('lease is not renewable');
  if (token.entityId !== '' && !rightsInForce(parts.identity.rightsOfToken(session, token)))
    throw new InvalidRequest('the entity of the token is disabled or gone, not renewing');
  const terms = await termsNow(parts, session, token);
  const { ttl, warnings } = grantTtl({
    ...terms,
    nowMs: parts.clock.now(),
    issuedAtMs: token.createdAtMs,
    ttl: increment,
    explicitMaxTtl: token.explicitMaxTtl,
  });
  if (ttl <= 0) throw new InvalidRequest('past the max TTL, cannot renew');
  parts.tokens.prolong(session, token, ttl);
  return { ttl, warnings };
}

/** The API's `auth` for a token; the text only where the caller has it already or shall get it. */
export function authReply(id: string, token: Token, ttl: number, rights: Rights | undefined): AuthReply {
  return {
    client_token: id,
    accessor: token.accessor,
    policies: rights ? rights.with(token.policies) : token.policies,
    token_policies: token.policies,
    ...(rights && rights.policies.length > 0 ? { identity_policies: rights.policies } : {}),
    metadata: token.meta,
    lease_duration: ttl,
    renewable: token.renewable && token.expiresAtMs !== 0,
    entity_id: rights?.entity.id ?? token.entityId,
    token_type: token.type,
    orphan: token.parent === undefined,
    mfa_requirement: null,
    num_uses: Math.max(token.numUses, 0),
  };
}

async function termsNow(
  parts: RenewalParts,
  session: Session,
  token: Token,
): Promise<Pick<TtlRequest, 'defaultTtl' | 'maxTtls' | 'period'>> {
  const { login, creationTtl, role } = token;
  if (!login) {
    const namespaceId = namespaceIdOf(token);
    const period = (role && parts.periodOfRole(session, namespaceId, role)) || token.period;
    return { defaultTtl: creationTtl, maxTtls: [parts.maxLeaseTtl(session, namespaceId)], period };
  }
  const place = { namespaceId: namespaceIdOf(token), uuid: login.mountUuid };
  const mount = parts.mountByUuid(session, place);
  if (!mount?.engine?.renewLogin) throw new InvalidRequest('lease is not renewable');
  const renewed = await mount.engine.renewLogin(workContext(parts.work, session, mount), {
    aliasName: login.aliasName,
    internal: login.internal,
    metadata: token.meta ?? {},
    policies: login.parameters.policies,
  });
  if (renewed.groupAliases && token.entityId !== '') {
    parts.identity.renewed(session, mount, token.entityId, renewed.groupAliases);
    // At once: others may change the same entity before this request has ended.
    session.apply();
  }
  const { ttl, maxTtl, period } = renewed;
  const { defaultLeaseTtl, maxLeaseTtl } = mount.info;
  return { defaultTtl: ttl || defaultLeaseTtl, maxTtls: [maxTtl, maxLeaseTtl], period };
}

/** The mount's path before the name, as `userpass-ann`; user names of databases are made from it. */
function shownName(mount: OpenMount, displayName: string): string {
  const prefix = mount.info.path
    .replace(/^auth\//, '')
    .replace(/\/$/, '')
    .replaceAll('/', '-');
  return displayName === '' ? prefix : `${prefix}-${displayName}`;
}

/** A mount tuned to one type makes only that, a role's own comes next; `default-*` are for who says nothing. */
function chosenType(mount: OpenMount, wanted: TokenParameters): 'service' | 'batch' {
  const tuned = mount.entry.config.token_type ?? 'default-service';
  if (tuned === 'service' || tuned === 'batch') return tuned;
  const choice = wanted.type === 'default' ? tuned : wanted.type;
  return choice.endsWith('batch') ? 'batch' : 'service';
}
