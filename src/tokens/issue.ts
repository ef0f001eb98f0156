import type { Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import { InvalidRequest, PermissionDenied } from '../base/errors.ts';
import type { IdentityClaim, TokenParameters } from '../engine/login.ts';
import type { AuthReply } from '../engine/reply.ts';
import { grantTtl } from '../leases/lease.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import { type WorkParts, workContext } from '../mounts/work.ts';
import { type Token, tokenPolicies } from './token.ts';
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
  login: { mount: OpenMount; path: string; claim: IdentityClaim; remoteAddress: string },
): Issued {
  const { mount, claim } = login;
  const { token: wanted } = claim;
  const type = chosenType(mount, wanted);
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
    entityId: '',
    role: '',
    boundCidrs,
    login: {
      mountUuid: mount.entry.uuid,
      mountAccessor: mount.entry.accessor,
      aliasName: claim.aliasName,
      internal: claim.internal ?? {},
      parameters: wanted,
    },
  });
  return { auth: authReply(id, token, ttl), token, warnings };
}

/** Renews a service token; `increment` in seconds, 0 for what it was made with. A login's method is asked again. */
export async function renewToken(
  parts: {
    tokens: Tokens;
    clock: Clock;
    work: WorkParts;
    mountByUuid(uuid: string): OpenMount | undefined;
    limits: { defaultLeaseTtl: number; maxLeaseTtl: number };
  },
  session: Session,
  token: Token,
  increment: number,
): Promise<{ ttl: number; warnings: string[] }> {
  if (token.type === 'batch') throw new InvalidRequest('batch tokens cannot be renewed');
  if (!token.renewable || token.expiresAtMs === 0) throw new InvalidRequest('lease is not renewable');
  let limits = parts.limits;
  let parameters: Pick<TokenParameters, 'maxTtl' | 'period' | 'explicitMaxTtl'> = { ...token, maxTtl: 0 };
  if (token.login) {
    const mount = parts.mountByUuid(token.login.mountUuid);
    if (!mount?.engine?.renewLogin) throw new InvalidRequest('lease is not renewable');
    limits = mount.info;
    parameters = await askAgain(parts.work, session, mount, token);
  }
  const { ttl, warnings } = grantTtl({
    nowMs: parts.clock.now(),
    issuedAtMs: token.createdAtMs,
    ttl: increment > 0 ? increment : token.creationTtl,
    defaultTtl: limits.defaultLeaseTtl,
    maxTtls: [parameters.maxTtl, limits.maxLeaseTtl],
    period: parameters.period,
    explicitMaxTtl: token.explicitMaxTtl,
  });
  if (ttl <= 0) throw new InvalidRequest('past the max TTL, cannot renew');
  parts.tokens.prolong(session, token, ttl);
  return { ttl, warnings };
}

/** The API's `auth` for a token; the text only where the caller has it already or shall get it. */
export function authReply(id: string, token: Token, ttl: number): AuthReply {
  return {
    client_token: id,
    accessor: token.accessor,
    policies: token.policies,
    token_policies: token.policies,
    metadata: token.meta,
    lease_duration: ttl,
    renewable: token.renewable && token.expiresAtMs !== 0,
    entity_id: token.entityId,
    token_type: token.type,
    orphan: token.parent === undefined,
    mfa_requirement: null,
    num_uses: Math.max(token.numUses, 0),
  };
}

async function askAgain(
  work: WorkParts,
  session: Session,
  mount: OpenMount,
  token: Token,
): Promise<TokenParameters> {
  const origin = token.login!;
  const now = await mount.engine!.renewLogin!(workContext(work, session, mount), {
    aliasName: origin.aliasName,
    internal: origin.internal,
    metadata: token.meta ?? {},
    policies: token.policies,
  });
  const policies = tokenPolicies(now.policies, { withDefault: !now.noDefaultPolicy });
  if (policies.join() !== token.policies.join())
    throw new PermissionDenied('policies have changed, not renewing');
  return now;
}

/** The mount's path before the name, as `userpass-ann`; user names of databases are made from it. */
function shownName(mount: OpenMount, displayName: string): string {
  const prefix = mount.info.path
    .replace(/^auth\//, '')
    .replace(/\/$/, '')
    .replaceAll('/', '-');
  return displayName === '' ? prefix : `${prefix}-${displayName}`;
}

/** A role's `default` is the mount's; `default-*` are what a client may change at login, which none here does. */
function chosenType(mount: OpenMount, wanted: TokenParameters): 'service' | 'batch' {
  const choice =
    wanted.type === 'default' ? (mount.entry.config.token_type ?? 'default-service') : wanted.type;
  return choice.endsWith('batch') ? 'batch' : 'service';
}
