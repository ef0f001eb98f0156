import { InvalidRequest } from '../../base/errors.ts';
import { type EnginePath, path } from '../../engine/engine.ts';
import type { Fields } from '../../engine/fields.ts';
import {
  changedRole,
  existingRole,
  putRole,
  type Role,
  type RoleFieldsInput,
  roleFields,
  roleNameField,
} from './roles.ts';

/** A path for a single field of a role, so that a policy can give away just that. */
interface Property {
  readonly segment: string;
  /** Fields it takes, the current name first, then the deprecated ones. */
  readonly fieldNames: readonly (keyof typeof roleFields)[];
  /** What DELETE sets. */
  readonly reset: RoleFieldsInput;
  shown(role: Role): Record<string, unknown>;
}

const PROPERTIES: readonly Property[] = [
  {
    segment: 'policies',
    fieldNames: ['token_policies', 'policies'],
    reset: { token_policies: [] },
    shown: (role) => ({ token_policies: role.token_policies, policies: role.token_policies }),
  },
  {
    segment: 'period',
    fieldNames: ['token_period', 'period'],
    reset: { token_period: 0 },
    shown: (role) => ({ token_period: role.token_period, period: role.token_period }),
  },
  {
    segment: 'bound-cidr-list',
    fieldNames: ['bound_cidr_list'],
    reset: { bound_cidr_list: [] },
    shown: (role) => ({ bound_cidr_list: role.secret_id_bound_cidrs }),
  },
  single('secret-id-bound-cidrs', 'secret_id_bound_cidrs', []),
  single('secret-id-num-uses', 'secret_id_num_uses', 0),
  single('secret-id-ttl', 'secret_id_ttl', 0),
  single('bind-secret-id', 'bind_secret_id', true),
  single('token-bound-cidrs', 'token_bound_cidrs', []),
  single('token-num-uses', 'token_num_uses', 0),
  single('token-ttl', 'token_ttl', 0),
  single('token-max-ttl', 'token_max_ttl', 0),
];

export function propertyPaths(): EnginePath[] {
  return PROPERTIES.map(propertyPath);
}

function single(
  segment: string,
  fieldName: keyof typeof roleFields & keyof Role,
  resetValue: readonly string[] | number | boolean,
): Property {
  return {
    segment,
    fieldNames: [fieldName],
    reset: { [fieldName]: resetValue },
    shown: (role) => ({ [fieldName]: role[fieldName] }),
  };
}

function propertyPath({ segment, fieldNames, reset, shown }: Property): EnginePath {
  const fields: Fields = { role_name: roleNameField };
  for (const fieldName of fieldNames) fields[fieldName] = roleFields[fieldName];
  return path({
    pattern: `role/{role_name}/${segment}`,
    summary: `Sets, shows or resets ${fieldNames[0]} of a role.`,
    fields,
    operations: {
      read: { handler: ({ view }, input) => ({ data: shown(existingRole(view, nameIn(input))) }) },
      write: {
        handler({ view }, input) {
          const role = existingRole(view, nameIn(input));
          if (fieldNames.every((fieldName) => input[fieldName] === undefined)) {
            throw new InvalidRequest(`missing ${fieldNames[0]}`);
          }
          putRole(view, changedRole(role, input as RoleFieldsInput));
          return undefined;
        },
      },
      delete: {
        handler({ view }, input) {
          putRole(view, changedRole(existingRole(view, nameIn(input)), reset));
          return undefined;
        },
      },
    },
  });
}

function nameIn(input: Record<string, unknown>): string {
  return String(input.role_name);
}
