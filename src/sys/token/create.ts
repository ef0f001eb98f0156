import type { Clock } from '../../base/clock.ts';
import { InvalidRequest, PermissionDenied } from '../../base/errors.ts';
import type { EnginePath, MountInfo } from '../../engine/engine.ts';
import { boolean, duration, type Input, integer, list, name, pairs, text } from '../../engine/fields.ts';
import { normalPolicies } from '../../engine/login.ts';
import type { Reply } from '../../engine/reply.ts';
import { checkedAliasName } from '../../identity/aliases.ts';
import type { Rights } from '../../identity/rights.ts';
import { grantTtl } from '../../leases/lease.ts';
import { countTokenCreation } from '../../metrics/tokens.ts';
import { type SystemContext, systemPath } from '../../mounts/system-context.ts';
import { authReply } from '../../tokens/issue.ts';
import { inNamespace, namespaceIdOf, type Token, tokenPolicies } from '../../tokens/token.ts';
import { mountsOf, type SystemParts } from '../parts.ts';
import { allowsEntityAlias, checkRolePolicies, readRole, type TokenRole } from './roles.ts';

const fields = {
  id: text({ description: 'The token’s text, with sudo; else random.', secret: true }),
  display_name: text({ description: 'Shown in the audit log.', default: 'token' }),
  entity_alias: text({ description: 'An identity alias the token belongs to; the role must allow it.' }),
  explicit_max_ttl: duration({ description: 'Hard limit on the token’s life.', default: 0 }),
  lease: duration({ description: 'Older name for ttl.' }),
  meta: pairs({ description: 'Shown in the audit log, in clear.' }),
  no_default_policy: boolean({ description: 'Leaves the default policy out.', default: false }),
  no_parent: boolean({ description: 'Makes an orphan; needs sudo.', default: false }),
  num_uses: integer({ description: 'How many requests it is good for; 0 is unlimited.', default: 0 }),
  period: duration({ description: 'Renewable for ever, by this much each time; needs sudo.', default: 0 }),
  policies: list({ description: 'Policies; without them the parent’s.' }),
  renewable: boolean({ description: 'Whether it can be renewed.', default: true }),
  ttl: duration({ description: 'Time to live.' }),
  type: text({ description: 'service or batch.', choices: ['', 'service', 'batch', 'default'] }),
};
/** Only in a path: rules for `create` alone must not lead to what a role grants. */
const role_name = name('A token role whose settings apply.');
type Wanted = Input<typeof fields> & { role_name?: string };

export function createPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'create',
      summary: 'Makes a child of the caller’s token.',
      fields,
      operations: { write: { handler: (context, input) => createToken(parts, context, input, false) } },
    }),
    systemPath({
      pattern: 'create-orphan',
      summary: 'Makes a token without a parent.',
      sudo: true,
      fields,
      operations: { write: { handler: (context, input) => createToken(parts, context, input, true) } },
    }),
    systemPath({
      pattern: 'create/{role_name}',
      summary: 'Makes a token as a role allows.',
      fields: { ...fields, role_name },
      operations: { write: { handler: (context, input) => createToken(parts, context, input, false) } },
    }),
  ];
}

function createToken(parts: SystemParts, context: SystemContext, wanted: Wanted, orphan: boolean): Reply {
  const parent = context.token;
  if (!parent) throw new PermissionDenied();
  if (parent.type === 'batch') throw new InvalidRequest('batch tokens cannot create more tokens');
  // A token on its last uses could otherwise outlive its limit through its children.
  if (parent.numUses > 0) throw new InvalidRequest('restricted use token cannot generate child tokens');
  const role = wanted.role_name ? roleOrRefuse(context, wanted.role_name) : undefined;
  const isRoot = parent.policies.includes('root');
  const sudo = isRoot || context.hasSudo();
  checkWanted(wanted, role, sudo);
  const policies = choosePolicies(wanted, role, parentHere(context, parent), sudo);
  const type = chooseType(wanted, role);
  const period = lowestPositive(wanted.period, role?.token_period ?? 0);
  const explicitMaxTtl = lowestPositive(wanted.explicit_max_ttl, role?.token_explicit_max_ttl ?? 0);
  const numUses = lowestPositive(wanted.num_uses, role?.token_num_uses ?? 0);
  const { ttl, warnings } = chooseTtl(parts.clock, context.mount, wanted, {
    policies,
    period,
    explicitMaxTtl,
    type,
    parent,
  });
  if (type === 'batch' && (numUses > 0 || period > 0 || explicitMaxTtl > 0)) {
    throw new InvalidRequest('batch tokens cannot be periodic, use-limited or have an explicit max TTL');
  }
  if (type === 'batch' && policies.includes('root'))
    throw new InvalidRequest('batch tokens cannot be root tokens');
  const free = orphan || role?.orphan || wanted.no_parent;
  const rights = rightsOfNew(parts, context, { parent, free, alias: wanted.entity_alias, role });
  const { id, token } = parts.tokens.create(context.session, {
    ...inNamespace(context.namespace.id),
    type,
    parent: free ? undefined : parent.key,
    policies,
    path: role
      ? `auth/token/create/${role.name}${role.path_suffix ? `/${role.path_suffix}` : ''}`
      : `auth/token/${orphan ? 'create-orphan' : 'create'}`,
    meta: wanted.meta ?? null,
    displayName: displayName(wanted.display_name),
    numUses,
    ttl,
    explicitMaxTtl,
    period,
    renewable: wanted.renewable && (role?.renewable ?? true) && type === 'service' && ttl > 0,
    entityId: rights?.entity.id ?? '',
    role: role?.name ?? '',
    boundCidrs: role?.token_bound_cidrs.length ? role.token_bound_cidrs : free ? [] : parent.boundCidrs,
    ...(wanted.id ? { id: wanted.id } : {}),
  });
  countTokenCreation(parts.metrics, context.mount, token);
  return {
    auth: authReply(id, token, ttl, rights),
    warnings: [...warnings, ...missingPolicies(parts, context, policies)],
  };
}

/** Warnings: such a policy may come later. */
function missingPolicies(
  parts: SystemParts,
  { session, namespace }: SystemContext,
  names: readonly string[],
): string[] {
  return names
    .filter((policy) => !parts.policies.has(session, namespace.id, policy))
    .map((policy) => `Policy ${JSON.stringify(policy)} does not exist`);
}

function isOf({ namespace }: SystemContext, token: Token): boolean {
  return namespaceIdOf(token) === namespace.id;
}

/** What the parent has to hand on. The names of its policies mean others in another namespace, so there it has only `default`. */
interface Giver {
  readonly policies: readonly string[];
  readonly isRootHere: boolean;
}

function parentHere(context: SystemContext, parent: Token): Giver {
  const here = isOf(context, parent);
  return {
    policies: here ? parent.policies : ['default'],
    isRootHere: here && parent.policies.includes('root'),
  };
}

function roleOrRefuse(context: SystemContext, name: string): TokenRole {
  const role = readRole(context, name);
  if (!role) throw new InvalidRequest(`unknown role ${name}`);
  return role;
}

function checkWanted(wanted: Wanted, role: TokenRole | undefined, sudo: boolean): void {
  for (const name of ['explicit_max_ttl', 'period', 'num_uses'] as const) {
    if (wanted[name] < 0) throw new InvalidRequest(`${name} must be positive`);
  }
  if ((wanted.ttl ?? wanted.lease ?? 0) < 0) throw new InvalidRequest('ttl must be positive');
  if (wanted.num_uses > 0 && wanted.type === 'batch')
    throw new InvalidRequest('batch tokens cannot have a limited use count');
  if (wanted.id) {
    if (!sudo) throw new InvalidRequest('root or sudo privileges required to specify token id');
    if (role) throw new InvalidRequest('cannot specify token ID when using a role');
    if (wanted.type === 'batch') throw new InvalidRequest('cannot specify token ID for a batch token');
    if (wanted.id.includes('.')) throw new InvalidRequest("custom token ID cannot contain '.'");
    if (wanted.id.length > 512 || /\s/.test(wanted.id))
      throw new InvalidRequest('custom token ID is not usable');
  }
  if (wanted.no_parent && !sudo && !role?.orphan)
    throw new InvalidRequest('root or sudo privileges required to create orphan token');
  if (wanted.period > 0 && !sudo && !role?.token_period)
    throw new InvalidRequest('root or sudo privileges required to create periodic token');
  if (!wanted.entity_alias) return;
  if (!role) throw new InvalidRequest("'entity_alias' is only allowed in combination with token role");
  if (!allowsEntityAlias(role, wanted.entity_alias)) throw new InvalidRequest("invalid 'entity_alias' value");
}

/** Of the entity that a new token belongs to: the alias's, else the parent's, unless it has none. */
function rightsOfNew(
  parts: SystemParts,
  context: SystemContext,
  about: { parent: Token; free: boolean; alias: string | undefined; role: TokenRole | undefined },
): Rights | undefined {
  if (!about.alias || !about.role)
    return about.free || !isOf(context, about.parent)
      ? undefined
      : parts.identity.rightsOfToken(context.session, about.parent);
  const own = mountsOf(parts, context).byUuid(context.mount.uuid);
  if (!own) throw new Error('the token mount is missing');
  return parts.identity.login(context.session, own, { aliasName: checkedAliasName(own, about.alias) });
}

function choosePolicies(
  wanted: Wanted,
  role: TokenRole | undefined,
  parent: Giver,
  sudo: boolean,
): readonly string[] {
  const asked = normalPolicies(wanted.policies ?? []);
  const withDefault = !wanted.no_default_policy && !(role?.token_no_default_policy ?? false);
  const parentPolicies = parent.policies;
  if (role)
    return rootOnlyByRoot(checkRolePolicies(role, { asked, parentPolicies, withDefault, sudo }), parent);
  if (asked.length === 0)
    return wanted.no_default_policy
      ? parent.policies.filter((policy) => policy !== 'default')
      : parent.policies;
  const policies = rootOnlyByRoot(tokenPolicies(asked, { withDefault }), parent);
  const grants = new Set([...parent.policies, ...(withDefault ? ['default'] : [])]);
  if (!sudo && policies.some((policy) => !grants.has(policy)))
    throw new InvalidRequest('child policies must be subset of parent');
  return policies;
}

function rootOnlyByRoot(policies: readonly string[], { isRootHere }: Giver): readonly string[] {
  if (policies.includes('root') && !isRootHere)
    throw new InvalidRequest('root tokens may not be created without parent token being root');
  return policies;
}

function chooseType(wanted: Wanted, role: TokenRole | undefined): 'service' | 'batch' {
  const fixed = role?.token_type;
  if (fixed === 'service' || fixed === 'batch') {
    if (wanted.type && wanted.type !== 'default' && wanted.type !== fixed)
      throw new InvalidRequest(`role requires token type ${fixed}`);
    return fixed;
  }
  if (wanted.type === 'service' || wanted.type === 'batch') return wanted.type;
  return fixed === 'default-batch' ? 'batch' : 'service';
}

function chooseTtl(
  clock: Clock,
  mount: MountInfo,
  wanted: Wanted,
  about: { policies: readonly string[]; period: number; explicitMaxTtl: number; type: string; parent: Token },
): { ttl: number; warnings: string[] } {
  const asked = wanted.ttl ?? wanted.lease ?? 0;
  const root = about.policies.includes('root');
  // A root token never expires unless it was asked to, or its parent does.
  if (root && asked === 0 && about.period === 0 && about.explicitMaxTtl === 0 && about.type === 'service') {
    if (about.parent.expiresAtMs !== 0)
      throw new InvalidRequest('expiring root tokens cannot create non-expiring root tokens');
    return { ttl: 0, warnings: [] };
  }
  const nowMs = clock.now();
  return grantTtl({
    nowMs,
    issuedAtMs: nowMs,
    ttl: asked,
    defaultTtl: mount.defaultLeaseTtl,
    maxTtls: [mount.maxLeaseTtl],
    period: about.period,
    explicitMaxTtl: about.explicitMaxTtl,
  });
}

function lowestPositive(a: number, b: number): number {
  return a > 0 && b > 0 ? Math.min(a, b) : Math.max(a, b);
}

/** `token-` before a name of the caller's choosing, so that it cannot pass for a login's. */
function displayName(wanted: string): string {
  if (wanted === 'token' || wanted === '') return 'token';
  return `token-${wanted
    .replace(/[^a-zA-Z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 128)}`;
}
