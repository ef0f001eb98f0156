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

export interface PolicyChoice {
  /** Lower case; empty: none asked for. */
  readonly asked: readonly string[];
  readonly parentPolicies: readonly string[];
  readonly withDefault: boolean;
  /** The caller may give any policy away. */
  readonly sudo: boolean;
}

/**
 * The policies of a token made through a role. Allowed policies take the place of the caller's own; a role that only
 * disallows some allows all others (schedulers such as Nomad live by that). `default` is added unless it is disallowed.
 * Throws `InvalidRequest` for those it may not have.
 */
export function checkRolePolicies(role: TokenRole, choice: PolicyChoice): readonly string[] {
  const { asked, parentPolicies, withDefault, sudo } = choice;
  const limited = role.allowed_policies.length > 0 || role.allowed_policies_glob.length > 0;
  const excluding = role.disallowed_policies.length > 0 || role.disallowed_policies_glob.length > 0;
  const isDisallowed = (policy: string) =>
    matches(policy, role.disallowed_policies, role.disallowed_policies_glob);
  const wanted = asked.length > 0 ? asked : limited ? role.allowed_policies : parentPolicies;
  const refused = wanted.find(
    (policy) => isDisallowed(policy) && (policy !== 'default' || asked.includes(policy)),
  );
  if (refused !== undefined)
    throw new InvalidRequest(`token policy ${JSON.stringify(refused)} is disallowed by this role`);
  const mayHave = (policy: string) =>
    limited
      ? matches(policy, role.allowed_policies, role.allowed_policies_glob)
      : sudo || excluding || parentPolicies.includes(policy);
  const policies = tokenPolicies(wanted, { withDefault: withDefault && !isDisallowed('default') });
  const given = asked.length > 0 ? policies.filter((policy) => policy !== 'default' || !withDefault) : [];
  if (!given.every(mayHave))
    throw new InvalidRequest(
      limited
        ? `token policies (${JSON.stringify(policies)}) must be subset of the role's allowed policies (${JSON.stringify(role.allowed_policies)}) or glob policies (${JSON.stringify(role.allowed_policies_glob)})`
        : 'child policies must be subset of parent',
    );
  return policies.filter((policy) => !isDisallowed(policy));
}

/** Whether tokens of the role may belong to who has the alias; case does not matter. */
export function allowsEntityAlias(role: TokenRole, alias: string): boolean {
  return matches(alias.toLowerCase(), [], role.allowed_entity_aliases);
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
