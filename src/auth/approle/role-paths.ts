import { InvalidRequest } from '../../base/errors.ts';
import { type EnginePath, path, type RequestContext } from '../../engine/engine.ts';
import { type Input, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, listReply, type Reply } from '../../engine/reply.ts';
import type { Fingerprints } from './fingerprints.ts';
import {
  changedRole,
  deleteRole,
  existingRole,
  indexRoleId,
  newRole,
  putRole,
  readRole,
  roleFields,
  roleNameField,
  shownRole,
} from './roles.ts';
import { abandonSecretIds } from './secret-ids.ts';

const roleIdField = text({ description: "The role's id; made up unless set." });
const writeFields = { role_name: roleNameField, role_id: roleIdField, ...roleFields };

/** `role`, `role/{role_name}` and what belongs to a role as a whole. */
export function rolePaths(fingerprints: Fingerprints): EnginePath[] {
  return [
    path({
      pattern: 'role',
      summary: 'Lists the roles.',
      fields: pageFields,
      operations: {
        list: { handler: ({ view }, input) => listReply(view.list('role/', pageOf(input))) },
      },
    }),
    path({
      pattern: 'role/{role_name}',
      summary: 'Makes, changes, shows or deletes a role.',
      fields: writeFields,
      exists: ({ view }, input) => readRole(view, input.role_name) !== undefined,
      operations: {
        write: { handler: (context, input) => writeRole(fingerprints, context, input) },
        read: {
          handler({ view }, input) {
            const role = readRole(view, input.role_name);
            return dataReply(role && shownRole(role));
          },
        },
        delete: {
          handler({ view }, input) {
            const role = readRole(view, input.role_name);
            if (!role) return undefined;
            deleteRole(view, fingerprints, role);
            abandonSecretIds(view, role.uid);
            return undefined;
          },
        },
      },
    }),
    roleIdPath(fingerprints),
    path({
      pattern: 'role/{role_name}/local-secret-ids',
      summary: "Tells whether the role's secret-ids stay within this cluster.",
      fields: { role_name: roleNameField },
      operations: {
        read: {
          handler: ({ view }, input) => ({
            data: { local_secret_ids: existingRole(view, input.role_name).local_secret_ids },
          }),
        },
      },
    }),
  ];
}

function roleIdPath(fingerprints: Fingerprints): EnginePath {
  return path({
    pattern: 'role/{role_name}/role-id',
    summary: "Shows or sets the role's id.",
    fields: { role_name: roleNameField, role_id: roleIdField },
    operations: {
      read: {
        handler: ({ view }, input) => ({ data: { role_id: existingRole(view, input.role_name).role_id } }),
      },
      write: {
        handler({ view }, input) {
          const before = existingRole(view, input.role_name);
          if (!input.role_id) throw new InvalidRequest('missing role_id');
          const role = { ...before, role_id: input.role_id };
          indexRoleId(view, fingerprints, { role, before });
          putRole(view, role);
          return undefined;
        },
      },
    },
  });
}

function writeRole(
  fingerprints: Fingerprints,
  { view, random }: RequestContext,
  input: Input<typeof writeFields>,
): Reply | undefined {
  const before = readRole(view, input.role_name);
  if (before && input.local_secret_ids !== undefined && input.local_secret_ids !== before.local_secret_ids) {
    throw new InvalidRequest('local_secret_ids can only be modified during role creation');
  }
  if (input.role_id === '') throw new InvalidRequest('role_id cannot be empty');
  const changed = changedRole(before ?? newRole(input.role_name, random), input);
  const role = {
    ...changed,
    role_id: input.role_id ?? changed.role_id,
    local_secret_ids: input.local_secret_ids ?? changed.local_secret_ids,
  };
  if (!before) fingerprints.ensureKey(view, random);
  if (role.role_id !== before?.role_id) indexRoleId(view, fingerprints, { role, before });
  putRole(view, role);
  return undefined;
}
