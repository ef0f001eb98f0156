import type { View } from '../../barrier/view.ts';
import { InvalidRequest, NotFound } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { parseCidrList } from '../../crypto/cidr.ts';
import {
  boolean,
  duration,
  type Field,
  type Input,
  integer,
  list,
  lowerCase,
  text,
} from '../../engine/fields.ts';
import {
  mergeTokenFields,
  type StoredTokenFields,
  shownTokenFields,
  tokenFields,
} from '../../engine/login.ts';
import type { Fingerprints } from './fingerprints.ts';

/** What can be set on a role; the single-field paths take their fields from here. */
export const roleFields = {
  bind_secret_id: boolean({ description: 'Whether a login must present a secret-id; true unless set.' }),
  secret_id_bound_cidrs: list({ description: 'Address blocks from which logins are accepted.' }),
  bound_cidr_list: list({ description: 'Use secret_id_bound_cidrs.', deprecated: true }),
  secret_id_num_uses: integer({
    description: 'How many logins a secret-id is good for unless it says otherwise; 0 is unlimited.',
  }),
  secret_id_ttl: duration({
    description: 'How long a secret-id is good for unless it says otherwise; 0 is for ever.',
  }),
  local_secret_ids: boolean({
    description: 'Keeps secret-ids of this role within this cluster; only when the role is created.',
  }),
  policies: list({ description: 'Use token_policies.', deprecated: true }),
  period: duration({ description: 'Use token_period.', deprecated: true }),
  ...tokenFields,
};
export type RoleFieldsInput = Partial<Input<typeof roleFields>>;

/** `role_name` in a path: the generic names with inner spaces. Case does not matter. */
export const roleNameField: Field<string> = text({
  description: 'Name of the role; case does not matter.',
  required: true,
  segment: /^\w(?:[\w. -]*\w)?$/,
  canonical: lowerCase,
});

/** As stored; wire names where the field is one of the API's. */
export interface Role extends StoredTokenFields {
  /** Lower case. */
  readonly name: string;
  /** Stays with this role only: one made later under the same name has another. */
  readonly uid: string;
  readonly role_id: string;
  readonly bind_secret_id: boolean;
  readonly secret_id_bound_cidrs: readonly string[];
  readonly secret_id_num_uses: number;
  readonly secret_id_ttl: number;
  readonly local_secret_ids: boolean;
  /** The deprecated fields that were last used to set their successors; a GET shows them too. */
  readonly legacy: readonly ('policies' | 'period')[];
}

const ROLE_ID_BYTES_MAX = 4096;

export function readRole(view: View, roleName: string): Role | undefined {
  return view.get<Role>(roleKey(roleName));
}

/** Throws `NotFound`. */
export function existingRole(view: View, roleName: string): Role {
  const role = readRole(view, roleName);
  if (!role) throw new NotFound(`role ${JSON.stringify(roleName.toLowerCase())} does not exist`);
  return role;
}

export function readRoleById(view: View, fingerprints: Fingerprints, roleId: string): Role | undefined {
  const index = view.get<{ name: string }>(`role-id/${fingerprints.ofRoleId(view, roleId)}`);
  return index && readRole(view, index.name);
}

export function newRole(roleName: string, random: Random): Role {
  return {
    ...mergeTokenFields({}),
    name: roleName.toLowerCase(),
    uid: random.base62(20),
    role_id: random.uuid(),
    bind_secret_id: true,
    secret_id_bound_cidrs: [],
    secret_id_num_uses: 0,
    secret_id_ttl: 0,
    local_secret_ids: false,
    legacy: [],
  };
}

/** The role with what `input` sets. Throws `InvalidRequest`. */
export function changedRole(before: Role, input: RoleFieldsInput): Role {
  const changed: Role = {
    ...before,
    ...mergeTokenFields(
      {
        ...input,
        token_policies: input.token_policies ?? input.policies,
        token_period: input.token_period ?? input.period,
      },
      before,
    ),
    bind_secret_id: input.bind_secret_id ?? before.bind_secret_id,
    secret_id_bound_cidrs:
      checkedCidrs(input.secret_id_bound_cidrs ?? input.bound_cidr_list) ?? before.secret_id_bound_cidrs,
    secret_id_num_uses: input.secret_id_num_uses ?? before.secret_id_num_uses,
    secret_id_ttl: input.secret_id_ttl ?? before.secret_id_ttl,
    legacy: (['policies', 'period'] as const).filter((legacyName) =>
      input[`token_${legacyName}`] === undefined && input[legacyName] === undefined
        ? before.legacy.includes(legacyName)
        : input[legacyName] !== undefined,
    ),
  };
  checkRole(changed);
  return changed;
}

export function putRole(view: View, role: Role): void {
  view.put(roleKey(role.name), role);
}

/** Makes `role` answer to its role-id, and no longer to that of `before`. Throws `InvalidRequest` when another has it. */
export function indexRoleId(
  view: View,
  fingerprints: Fingerprints,
  { role, before }: { role: Role; before: Role | undefined },
): void {
  if (Buffer.byteLength(role.role_id) > ROLE_ID_BYTES_MAX) {
    throw new InvalidRequest(`role_id is longer than ${ROLE_ID_BYTES_MAX} bytes`);
  }
  const owner = readRoleById(view, fingerprints, role.role_id);
  if (owner && owner.name !== role.name)
    throw new InvalidRequest('role_id is already in use by another role');
  if (before) view.delete(`role-id/${fingerprints.ofRoleId(view, before.role_id)}`);
  view.put(`role-id/${fingerprints.ofRoleId(view, role.role_id)}`, { name: role.name });
}

/** Takes away the role and its role-id; its secret-ids are out of reach from then on. */
export function deleteRole(view: View, fingerprints: Fingerprints, role: Role): void {
  view.delete(roleKey(role.name));
  view.delete(`role-id/${fingerprints.ofRoleId(view, role.role_id)}`);
}

/** For a role's GET. */
export function shownRole(role: Role): Record<string, unknown> {
  const shown: Record<string, unknown> = {
    ...shownTokenFields(role),
    bind_secret_id: role.bind_secret_id,
    local_secret_ids: role.local_secret_ids,
    // Vault shows null here, and clients tell "none" by it.
    secret_id_bound_cidrs: role.secret_id_bound_cidrs.length > 0 ? role.secret_id_bound_cidrs : null,
    secret_id_num_uses: role.secret_id_num_uses,
    secret_id_ttl: role.secret_id_ttl,
  };
  for (const legacyName of role.legacy) shown[legacyName] = role[`token_${legacyName}`];
  return shown;
}

/** Each block as given. Throws `InvalidRequest`. */
export function checkedCidrs(texts: readonly string[] | undefined): readonly string[] | undefined {
  return texts && parseCidrList(texts).map((cidr) => cidr.text);
}

function roleKey(roleName: string): string {
  return `role/${roleName.toLowerCase()}`;
}

function checkRole(role: Role): void {
  if (role.secret_id_num_uses < 0) throw new InvalidRequest('secret_id_num_uses cannot be negative');
  if (role.secret_id_ttl < 0) throw new InvalidRequest('secret_id_ttl cannot be negative');
  if (
    !role.bind_secret_id &&
    role.secret_id_bound_cidrs.length === 0 &&
    role.token_bound_cidrs.length === 0
  ) {
    throw new InvalidRequest('at least one constraint should be enabled on the role');
  }
}
