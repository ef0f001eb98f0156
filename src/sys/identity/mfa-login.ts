import { persist } from '../../barrier/session.ts';
import { InvalidRequest, NotFound, PermissionDenied } from '../../base/errors.ts';
import type { EnginePath, PeriodicWork } from '../../engine/engine.ts';
import { list, name, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, listReply, type Reply } from '../../engine/reply.ts';
import type { Enforcement, TotpMethod } from '../../identity/mfa/records.ts';
import { enroll } from '../../identity/mfa/totp.ts';
import { authMount } from '../../identity/scope.ts';
import { type SystemContext, systemPath } from '../../mounts/system-context.ts';
import type { SystemParts } from '../parts.ts';
import { mfaRecordsOf } from './mfa-method.ts';
import { rightsOf, rightsOfEntity } from './oidc-shared.ts';
import { scopeOf } from './shown.ts';

/** Which logins need a second factor, and the keys that people have for it. */
export function mfaLoginPaths(parts: SystemParts): EnginePath[] {
  return [...enforcementPaths(parts), ...enrolmentPaths(parts)];
}

/** Clears logins away that nobody finished. */
export function mfaUpkeep(parts: SystemParts): PeriodicWork {
  return {
    name: 'mfa',
    everySeconds: 60,
    async run({ mount }) {
      const session = parts.openSession();
      parts.loginMfa.sweep(session, mount.namespace.id);
      await persist(session);
    },
  };
}

function enforcementPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'mfa/login-enforcement',
      summary: 'Lists what demands second factors.',
      fields: pageFields,
      operations: {
        list: {
          handler: (context, input) => listReply(mfaRecordsOf(context).enforcementNames(pageOf(input))),
        },
      },
    }),
    systemPath({
      pattern: 'mfa/login-enforcement/{name}',
      summary: 'Makes, changes, shows or deletes a demand for second factors.',
      fields: {
        name: name('The enforcement.'),
        mfa_method_ids: list({ description: 'Methods, of which one is enough.' }),
        auth_method_accessors: list({ description: 'Logins at these mounts.' }),
        auth_method_types: list({ description: 'Logins by these methods.' }),
        identity_group_ids: list({ description: 'Logins of members of these groups.' }),
        identity_entity_ids: list({ description: 'Logins of these entities.' }),
      },
      operations: {
        read: {
          handler(context, input) {
            const found = mfaRecordsOf(context).enforcement(input.name);
            return dataReply(found && shownEnforcement(found, context));
          },
        },
        write: {
          handler(context, input) {
            const records = mfaRecordsOf(context);
            const before = records.enforcement(input.name);
            const enforcement: Enforcement = {
              id: before?.id ?? parts.random.uuid(),
              name: input.name,
              methodIds: input.mfa_method_ids ?? before?.methodIds ?? [],
              mountAccessors: input.auth_method_accessors ?? before?.mountAccessors ?? [],
              mountTypes: input.auth_method_types ?? before?.mountTypes ?? [],
              groupIds: input.identity_group_ids ?? before?.groupIds ?? [],
              entityIds: input.identity_entity_ids ?? before?.entityIds ?? [],
            };
            checkEnforcement(parts, context, enforcement);
            records.putEnforcement(enforcement);
            return undefined;
          },
        },
        delete: {
          handler(context, input) {
            mfaRecordsOf(context).deleteEnforcement(input.name);
            return undefined;
          },
        },
      },
    }),
  ];
}

function checkEnforcement(parts: SystemParts, context: SystemContext, enforcement: Enforcement): void {
  const records = mfaRecordsOf(context);
  if (enforcement.methodIds.length === 0) throw new InvalidRequest('missing method ids');
  for (const id of enforcement.methodIds)
    if (records.method(id)?.id !== id)
      throw new InvalidRequest(`one of the provided method ids doesn't exist: ${id}`);
  const { mountAccessors, mountTypes, groupIds, entityIds } = enforcement;
  if ([mountAccessors, mountTypes, groupIds, entityIds].every((each) => each.length === 0))
    throw new InvalidRequest(
      'One of auth_method_accessors, auth_method_types, identity_group_ids, identity_entity_ids must be specified',
    );
  const scope = scopeOf(parts, context);
  for (const accessor of mountAccessors)
    if (!authMount(scope, accessor))
      throw new InvalidRequest(`one of the provided auth method accessors doesn't exist: ${accessor}`);
}

function shownEnforcement(enforcement: Enforcement, { mount }: SystemContext) {
  return {
    auth_method_accessors: enforcement.mountAccessors,
    auth_method_types: enforcement.mountTypes,
    id: enforcement.id,
    identity_entity_ids: enforcement.entityIds,
    identity_group_ids: enforcement.groupIds,
    mfa_method_ids: enforcement.methodIds,
    name: enforcement.name,
    namespace_id: mount.namespace.id,
  };
}

const method_id = text({ description: 'The TOTP method.', required: true });
const entity_id = text({ description: 'The entity.', required: true });

function enrolmentPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'mfa/method/totp/generate',
      summary: 'Makes the caller’s key of one-time passwords, unless there is one.',
      fields: { method_id },
      operations: {
        write: {
          handler(context, input) {
            const rights = rightsOf(parts, context);
            if (!rights) throw new InvalidRequest('no entity ID in the token');
            return enrolled(parts, context, input.method_id, rights.entity.id);
          },
        },
      },
    }),
    systemPath({
      pattern: 'mfa/method/totp/admin-generate',
      summary: 'Makes an entity’s key of one-time passwords, unless there is one.',
      sudo: true,
      fields: { method_id, entity_id },
      operations: {
        write: {
          handler: (context, input) =>
            enrolled(parts, context, input.method_id, existingEntity(parts, context, input.entity_id)),
        },
      },
    }),
    systemPath({
      pattern: 'mfa/method/totp/admin-destroy',
      summary: 'Removes an entity’s key of one-time passwords.',
      sudo: true,
      fields: { method_id, entity_id },
      operations: {
        write: {
          handler(context, input) {
            const method = totpMethod(context, input.method_id);
            const entityId = existingEntity(parts, context, input.entity_id);
            mfaRecordsOf(context).deleteTotpKey(method.id, entityId);
            return undefined;
          },
        },
      },
    }),
    systemPath({
      pattern: 'mfa/method/totp/self-enroll',
      summary: 'Makes the key of somebody who has none yet and whose login waits for a code.',
      public: true,
      fields: {
        mfa_method_id: method_id,
        mfa_request_id: text({ description: 'The login that waits.', required: true, secret: true }),
      },
      operations: {
        write: { handler: (context, input) => selfEnrolled(parts, context, input) },
      },
    }),
  ];
}

function totpMethod(context: SystemContext, id: string): TotpMethod {
  const method = mfaRecordsOf(context).method(id);
  if (method?.type !== 'totp') throw new InvalidRequest(`TOTP method ${JSON.stringify(id)} not found`);
  return method;
}

function existingEntity(parts: SystemParts, { session, mount }: SystemContext, id: string): string {
  const entity = parts.identity.within(session, mount.namespace.id).records.currentEntity(id);
  if (!entity) throw new InvalidRequest(`invalid entity ID ${JSON.stringify(id)}`);
  return entity.id;
}

function enrolled(parts: SystemParts, context: SystemContext, id: string, entityId: string): Reply {
  const method = totpMethod(context, id);
  const made = enroll(mfaRecordsOf(context), method, entityId, { random: parts.random });
  if (made) return { data: { ...made } };
  return {
    warnings: [`Entity already has a secret for MFA method ${JSON.stringify(method.name || method.id)}`],
  };
}

/** The password was right, which is all that the first enrolment can ask for. */
function selfEnrolled(
  parts: SystemParts,
  context: SystemContext,
  input: { mfa_method_id: string; mfa_request_id: string },
): Reply {
  const login = parts.loginMfa.waiting(context.session, context.mount.namespace.id, input.mfa_request_id);
  if (!login) throw new NotFound('invalid request ID');
  const method = totpMethod(context, input.mfa_method_id);
  const mount = parts.mounts.byUuid(context.session, {
    namespaceId: context.mount.namespace.id,
    uuid: login.mountUuid,
  });
  const rights = rightsOfEntity(parts, context, login.entityId);
  const isAsked =
    mount &&
    rights &&
    parts.loginMfa
      .enforcementsFor(context.session, mount, rights)
      .some(({ methodIds }) => methodIds.includes(method.id));
  if (!method.selfEnrollment || !isAsked)
    throw new PermissionDenied('self-enrollment is not allowed for this method');
  const made = enroll(mfaRecordsOf(context), method, login.entityId, {
    random: parts.random,
    provisional: true,
  });
  if (!made) throw new InvalidRequest('the entity has a secret for this MFA method already');
  return { data: { ...made } };
}
