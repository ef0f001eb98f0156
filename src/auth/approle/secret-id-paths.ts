import { InvalidRequest, NotFound } from '../../base/errors.ts';
import { isRecord } from '../../base/json.ts';
import { cidrSubset, parseCidrList } from '../../crypto/cidr.ts';
import { type EnginePath, path, type RequestContext } from '../../engine/engine.ts';
import { duration, type Field, type Input, integer, list, pairs, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { listReply, type Reply } from '../../engine/reply.ts';
import type { Fingerprints } from './fingerprints.ts';
import { checkedCidrs, existingRole, type Role, roleNameField } from './roles.ts';
import {
  type FoundSecretId,
  findByAccessor,
  findSecretId,
  listAccessors,
  putNewSecretId,
  removeSecretId,
  type SecretId,
  shownSecretId,
} from './secret-ids.ts';

/** Metadata is asked for as JSON text; an object and `key=value` pairs do as well. */
const metadataField: Field<Record<string, string> | undefined> = {
  ...pairs({
    description: 'JSON text of names and values that tokens will carry; the audit log shows it in clear.',
  }),
  parse(value) {
    const source = typeof value === 'string' && value.trim().startsWith('{') ? fromJson(value) : value;
    return pairs({ description: '' }).parse(source);
  },
};

const grantFields = {
  metadata: metadataField,
  cidr_list: list({ description: 'Address blocks from which this secret-id may be used.' }),
  token_bound_cidrs: list({ description: 'Address blocks from which the tokens made with it may be used.' }),
  num_uses: integer({ description: "How many logins it is good for; the role's number unless set." }),
  ttl: duration({ description: "How long it is good for; the role's time unless set." }),
};
const secretIdField = text({ description: 'The secret-id.', required: true, secret: true });
const accessorField = text({ description: 'The accessor of the secret-id.', required: true });
const byId = { role_name: roleNameField, secret_id: secretIdField };
const byAccessor = { role_name: roleNameField, secret_id_accessor: accessorField };

/** Making, showing and destroying the secret-ids of a role. */
export function secretIdPaths(fingerprints: Fingerprints): EnginePath[] {
  return [
    path({
      pattern: 'role/{role_name}/secret-id',
      summary: 'Makes a secret-id; lists the accessors of those there are.',
      fields: { role_name: roleNameField, ...grantFields, ...pageFields },
      operations: {
        write: {
          handler: (context, input) => grant(fingerprints, context, input, context.random.uuid()),
        },
        list: {
          handler({ view }, input) {
            return listReply(listAccessors(view, existingRole(view, input.role_name).uid, pageOf(input)));
          },
        },
      },
    }),
    path({
      pattern: 'role/{role_name}/custom-secret-id',
      summary: 'Assigns a secret-id of your choice.',
      fields: { ...byId, ...grantFields },
      operations: {
        write: {
          handler(context, input) {
            if (input.secret_id === '') throw new InvalidRequest('missing secret_id');
            return grant(fingerprints, context, input, input.secret_id);
          },
        },
      },
    }),
    ...existingPaths(fingerprints),
  ];
}

function existingPaths(fingerprints: Fingerprints): EnginePath[] {
  const destroyById = {
    handler(context: RequestContext, input: Input<typeof byId>): undefined {
      const found = secretIdOf(fingerprints, context, input);
      if (found) removeSecretId(context.view, found);
    },
  };
  const destroyByAccessor = {
    handler(context: RequestContext, input: Input<typeof byAccessor>): undefined {
      removeSecretId(context.view, accessorOf(context, input));
    },
  };
  return [
    path({
      pattern: 'role/{role_name}/secret-id/lookup',
      summary: 'Shows the properties of a secret-id.',
      fields: byId,
      operations: {
        write: {
          // Vault answers 204 for one that is not there.
          handler(context, input) {
            const found = secretIdOf(fingerprints, context, input);
            return found && { data: shownSecretId(found.secretId) };
          },
        },
      },
    }),
    path({
      pattern: 'role/{role_name}/secret-id/destroy',
      summary: 'Ends a secret-id.',
      fields: byId,
      operations: { write: destroyById, delete: destroyById },
    }),
    path({
      pattern: 'role/{role_name}/secret-id-accessor/lookup',
      summary: 'Shows the properties of the secret-id that has this accessor.',
      fields: byAccessor,
      operations: {
        write: {
          handler: (context, input) => ({ data: shownSecretId(accessorOf(context, input).secretId) }),
        },
      },
    }),
    path({
      pattern: 'role/{role_name}/secret-id-accessor/destroy',
      summary: 'Ends the secret-id that has this accessor.',
      fields: byAccessor,
      operations: { write: destroyByAccessor, delete: destroyByAccessor },
    }),
  ];
}

function grant(
  fingerprints: Fingerprints,
  { view, clock, random }: RequestContext,
  input: Input<typeof grantFields> & { role_name: string },
  id: string,
): Reply {
  const role = existingRole(view, input.role_name);
  if (!role.bind_secret_id) {
    throw new InvalidRequest('bind_secret_id is not set on the role');
  }
  const nowMs = clock.now();
  const ttlSeconds = input.ttl ?? role.secret_id_ttl;
  const secretId: SecretId = {
    accessor: random.uuid(),
    createdMs: nowMs,
    updatedMs: nowMs,
    ttlSeconds,
    expiresMs: ttlSeconds > 0 ? nowMs + ttlSeconds * 1000 : undefined,
    usesLeft: input.num_uses ?? role.secret_id_num_uses,
    cidrs: checkedCidrs(input.cidr_list) ?? [],
    tokenCidrs: checkedCidrs(input.token_bound_cidrs) ?? [],
    metadata: input.metadata ?? {},
  };
  checkWithinRole(secretId, role);
  putNewSecretId(
    view,
    { roleUid: role.uid, fingerprint: fingerprints.ofSecretId(view, role.uid, id), secretId },
    nowMs,
  );
  return {
    data: {
      secret_id: id,
      secret_id_accessor: secretId.accessor,
      secret_id_num_uses: secretId.usesLeft,
      secret_id_ttl: secretId.ttlSeconds,
    },
  };
}

/** Throws `InvalidRequest` where a secret-id would allow more than its role. */
function checkWithinRole(secretId: SecretId, role: Role): void {
  const { ttlSeconds, usesLeft } = secretId;
  if (ttlSeconds < 0) throw new InvalidRequest('ttl cannot be negative');
  if (usesLeft < 0) throw new InvalidRequest('num_uses cannot be negative');
  if (role.secret_id_num_uses > 0 && (usesLeft === 0 || usesLeft > role.secret_id_num_uses)) {
    throw new InvalidRequest("num_uses cannot be higher than the role's secret_id_num_uses");
  }
  if (role.secret_id_ttl > 0 && (ttlSeconds === 0 || ttlSeconds > role.secret_id_ttl)) {
    throw new InvalidRequest("ttl cannot be longer than the role's secret_id_ttl");
  }
  if (!isCidrSubset(secretId.cidrs, role.secret_id_bound_cidrs)) {
    throw new InvalidRequest(
      `CIDR blocks on the secret ID ${JSON.stringify(secretId.cidrs)} should be a subset of CIDR blocks on the role ${JSON.stringify(role.secret_id_bound_cidrs)}`,
    );
  }
  if (!isCidrSubset(secretId.tokenCidrs, role.token_bound_cidrs)) {
    throw new InvalidRequest(
      `token bound CIDR blocks on the secret ID ${JSON.stringify(secretId.tokenCidrs)} should be a subset of those on the role ${JSON.stringify(role.token_bound_cidrs)}`,
    );
  }
}

/** Whether `inner` adds nothing to `outer`; an empty list stands for no restriction of its own. */
export function isCidrSubset(inner: readonly string[], outer: readonly string[]): boolean {
  return inner.length === 0 || outer.length === 0 || cidrSubset(parseCidrList(inner), parseCidrList(outer));
}

function secretIdOf(
  fingerprints: Fingerprints,
  { view, clock }: RequestContext,
  input: Input<typeof byId>,
): FoundSecretId | undefined {
  const roleUid = existingRole(view, input.role_name).uid;
  // A DELETE's parameters come unchecked for presence.
  if (!input.secret_id) throw new InvalidRequest('missing secret_id');
  const fingerprint = fingerprints.ofSecretId(view, roleUid, input.secret_id);
  return findSecretId(view, { roleUid, fingerprint }, clock.now());
}

/** Throws `NotFound`. */
function accessorOf({ view, clock }: RequestContext, input: Input<typeof byAccessor>): FoundSecretId {
  const roleUid = existingRole(view, input.role_name).uid;
  const accessor = input.secret_id_accessor;
  if (!accessor) throw new InvalidRequest('missing secret_id_accessor');
  const found = findByAccessor(view, { roleUid, accessor }, clock.now());
  if (!found) {
    throw new NotFound(`failed to find accessor entry for secret_id_accessor: ${JSON.stringify(accessor)}`);
  }
  return found;
}

function fromJson(source: string): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(source);
  } catch {
    throw new Error('expected JSON text of names and values');
  }
  if (!isRecord(parsed)) throw new Error('expected JSON text of names and values');
  return parsed;
}
