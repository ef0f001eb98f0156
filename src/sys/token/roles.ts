import { InvalidRequest } from '../../base/errors.ts';
import type { EnginePath, RequestContext } from '../../engine/engine.ts';
import { boolean, duration, list, name, text } from '../../engine/fields.ts';
import {
  mergeTokenFields,
  normalPolicies,
  type StoredTokenFields,
  shownTokenFields,
  tokenFields,
} from '../../engine/login.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, listReply } from '../../engine/reply.ts';
import { systemPath } from '../../mounts/system-context.ts';
import { tokenPolicies } from '../../tokens/token.ts';
import type { SystemParts } from '../parts.ts';

/** What tokens may be made at `create/{role}`; wire names. */
export interface TokenRole extends StoredTokenFields {
  readonly name: string;
  readonly orphan: boolean;
  readonly renewable: boolean;
  readonly path_suffix: string;
  readonly allowed_policies: readonly string[];
  readonly disallowed_policies: readonly string[];
  readonly allowed_policies_glob: readonly string[];
  readonly disallowed_policies_glob: readonly string[];
  readonly allowed_entity_aliases: readonly string[];
}

export function rolePaths(_parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'roles',
      summary: 'Lists the token roles.',
      fields: pageFields,
      operations: {
        list: { handler: (context, input) => listReply(context.view.list('roles/', pageOf(input))) },
      },
    }),
    systemPath({
      pattern: 'roles/{role_name}',
      summary: 'A token role: what tokens made through it are like.',
      fields: {
        ...tokenFields,
        role_name: name('The role.'),
        allowed_policies: list({ description: 'Policies its tokens may have; without any, the caller’s.' }),
        disallowed_policies: list({ description: 'Policies its tokens may not have.' }),
        allowed_policies_glob: list({ description: 'Patterns (*) of policies its tokens may have.' }),
        disallowed_policies_glob: list({ description: 'Patterns (*) of policies its tokens may not have.' }),
        allowed_entity_aliases: list({ description: 'Entity aliases its tokens may belong to.' }),
        orphan: boolean({ description: 'Its tokens have no parent.' }),
        renewable: boolean({ description: 'Whether its tokens can be renewed.' }),
        path_suffix: text({ description: 'Added to the path under which its tokens’ leases lie.' }),
        bound_cidrs: list({ description: 'Older name for token_bound_cidrs.', deprecated: true }),
        explicit_max_ttl: duration({
          description: 'Older name for token_explicit_max_ttl.',
          deprecated: true,
        }),
        period: duration({ description: 'Older name for token_period.', deprecated: true }),
      },
      exists: (context, input) => readRole(context, input.role_name) !== undefined,
      operations: {
        read: { handler: (context, input) => dataReply(shown(readRole(context, input.role_name))) },
        write: {
          handler(context, input) {
            const before = readRole(context, input.role_name);
            const stored = mergeTokenFields(
              {
                ...input,
                token_bound_cidrs: input.token_bound_cidrs ?? input.bound_cidrs,
                token_explicit_max_ttl: input.token_explicit_max_ttl ?? input.explicit_max_ttl,
                token_period: input.token_period ?? input.period,
              },
              before,
            );
            const suffix = input.path_suffix ?? before?.path_suffix ?? '';
            if (suffix.includes('/..') || !/^[\w./-]*$/.test(suffix))
              throw new InvalidRequest('given role path suffix contains invalid characters');
            const role: TokenRole = {
              ...stored,
              name: input.role_name,
              orphan: input.orphan ?? before?.orphan ?? false,
              renewable: input.renewable ?? before?.renewable ?? true,
              path_suffix: suffix.replace(/^\/+|\/+$/g, ''),
              allowed_policies: normalPolicies(input.allowed_policies ?? before?.allowed_policies ?? []),
              disallowed_policies: normalPolicies(
                input.disallowed_policies ?? before?.disallowed_policies ?? [],
              ),
              allowed_policies_glob: normalPolicies(
                input.allowed_policies_glob ?? before?.allowed_policies_glob ?? [],
              ),
              disallowed_policies_glob: normalPolicies(
                input.disallowed_policies_glob ?? before?.disallowed_policies_glob ?? [],
              ),
              allowed_entity_aliases: normalPolicies(
                input.allowed_entity_aliases ?? before?.allowed_entity_aliases ?? [],
              ),
            };
            context.view.put(`roles/${input.role_name}`, role);
            return undefined;
          },
        },
        delete: {
          handler(context, input) {
            context.view.delete(`roles/${input.role_name}`);
            return undefined;
          },
        },
      },
    }),
  ];
}

export function readRole(context: Pick<RequestContext, 'view'>, roleName: string): TokenRole | undefined {
  return context.view.get<TokenRole>(`roles/${roleName}`);
}

/** The policies of a token made through a role. Throws `InvalidRequest` for those it may not have. */
export function checkRolePolicies(
  role: TokenRole,
  asked: readonly string[],
  parentPolicies: readonly string[],
  withDefault: boolean,
): readonly string[] {
  const limited = role.allowed_policies.length > 0 || role.allowed_policies_glob.length > 0;
  const wanted = asked.length > 0 ? asked : limited ? role.allowed_policies : parentPolicies;
  const policies = tokenPolicies(wanted, { withDefault });
  if (policies.includes('root') && !role.allowed_policies.includes('root')) {
    throw new InvalidRequest('root tokens may not be created from a role');
  }
  const isParents = new Set(parentPolicies);
  const isRoot = isParents.has('root');
  for (const policy of policies.filter((each) => each !== 'default' || asked.includes('default'))) {
    const allowed = limited
      ? matches(policy, role.allowed_policies, role.allowed_policies_glob)
      : isRoot ||
        isParents.has(policy) ||
        policy === 'default' ||
        role.disallowed_policies.length + role.disallowed_policies_glob.length > 0;
    if (!allowed)
      throw new InvalidRequest(
        `token policies (${JSON.stringify(policies)}) must be subset of the role's allowed policies (${JSON.stringify(role.allowed_policies)}) or glob policies (${JSON.stringify(role.allowed_policies_glob)})`,
      );
    if (matches(policy, role.disallowed_policies, role.disallowed_policies_glob)) {
      throw new InvalidRequest(`token policy ${JSON.stringify(policy)} is disallowed by this role`);
    }
  }
  const kept = matches('default', role.disallowed_policies, role.disallowed_policies_glob)
    ? policies.filter((policy) => policy !== 'default')
    : policies;
  return kept;
}

function matches(policy: string, names: readonly string[], globs: readonly string[]): boolean {
  return names.includes(policy) || globs.some((glob) => globMatches(glob, policy));
}

/** `*` stands for any run of characters. */
function globMatches(glob: string, value: string): boolean {
  const parts = glob.split('*');
  if (parts.length === 1) return glob === value;
  let at = 0;
  for (const [index, part] of parts.entries()) {
    const found = index === 0 ? (value.startsWith(part) ? 0 : -1) : value.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return parts.at(-1) === '' || value.endsWith(parts.at(-1)!);
}

function shown(role: TokenRole | undefined) {
  if (!role) return undefined;
  return {
    ...shownTokenFields(role),
    name: role.name,
    orphan: role.orphan,
    renewable: role.renewable,
    path_suffix: role.path_suffix,
    period: role.token_period,
    explicit_max_ttl: role.token_explicit_max_ttl,
    allowed_policies: role.allowed_policies,
    disallowed_policies: role.disallowed_policies,
    allowed_policies_glob: role.allowed_policies_glob,
    disallowed_policies_glob: role.disallowed_policies_glob,
    allowed_entity_aliases: role.allowed_entity_aliases,
  };
}
