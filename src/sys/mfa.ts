import { InvalidRequest, PermissionDenied } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { EnginePath } from '../engine/engine.ts';
import { map, text } from '../engine/fields.ts';
import type { Reply } from '../engine/reply.ts';
import type { Credentials } from '../identity/mfa/mfa.ts';
import { rightsInForce } from '../identity/rights.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import { rightsOfEntity } from './identity/oidc-shared.ts';
import type { SystemParts } from './parts.ts';

/** `sys/mfa/validate`: the second phase of a login that waits for a second factor. */
export function mfaPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'mfa/validate',
      summary: 'Finishes a login that needs a second factor.',
      public: true,
      fields: {
        mfa_request_id: text({ description: 'The login that waits.', required: true, secret: true }),
        mfa_payload: map({
          description: 'By method id or name: a list with the passcode, or with an empty text.',
        }),
      },
      operations: {
        write: {
          outside: true,
          handler: (context, input) => validated(parts, context, input.mfa_request_id, input.mfa_payload),
        },
      },
    }),
  ];
}

async function validated(
  parts: SystemParts,
  context: SystemContext,
  requestId: string,
  payload: UnknownRecord | undefined,
): Promise<Reply> {
  if (!payload) throw new InvalidRequest('missing mfa_payload');
  const { session, mount: here } = context;
  const find = () => {
    const login = parts.loginMfa.waiting(session, here.namespace.id, requestId);
    const mount =
      login && parts.mounts.byUuid(session, { namespaceId: here.namespace.id, uuid: login.mountUuid });
    const rights = login && rightsInForce(rightsOfEntity(parts, context, login.entityId));
    if (!login || !mount || !rights) throw new PermissionDenied('invalid request ID');
    return { login, mount, rights };
  };
  const { login, mount, rights } = find();
  await parts.loginMfa.satisfy(session, here.namespace.id, {
    enforcements: parts.loginMfa.enforcementsFor(session, mount, rights),
    credentials: credentialsIn(payload),
    candidate: { rights, address: context.request.remoteAddress },
  });
  // Only one of those who came at the same time finishes it.
  find();
  parts.loginMfa.records(session, here.namespace.id).deleteWaiting(requestId, login);
  return { login: login.claim, validated: { mountUuid: login.mountUuid, path: login.path } };
}

/** Values are lists of one text; hvac and others send the text alone. */
function credentialsIn(payload: UnknownRecord): Credentials {
  return new Map(
    Object.entries(payload).map(([method, given]): [string, string] => {
      const [passcode = ''] = [given].flat();
      if (typeof passcode !== 'string') throw new InvalidRequest('mfa_payload must have lists of texts');
      return [method, passcode];
    }),
  );
}
