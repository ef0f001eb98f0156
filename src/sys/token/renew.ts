import type { Session } from '../../barrier/session.ts';
import { InvalidRequest } from '../../base/errors.ts';
import type { EnginePath } from '../../engine/engine.ts';
import { duration, text } from '../../engine/fields.ts';
import type { Reply } from '../../engine/reply.ts';
import { dataPrefix } from '../../mounts/mounts.ts';
import { type SystemContext, systemPath } from '../../mounts/system-context.ts';
import { authReply, type RenewalParts, renewToken } from '../../tokens/issue.ts';
import type { Token } from '../../tokens/token.ts';
import type { SystemParts } from '../parts.ts';
import { byAccessor, byText } from './find.ts';
import { readRole } from './roles.ts';

const increment = duration({
  description: 'How long it shall live from now; 0 takes what it was made with.',
  default: 0,
});

export function renewPaths(parts: SystemParts): EnginePath[] {
  const renew = async (context: SystemContext, token: Token, id: string, seconds: number): Promise<Reply> => {
    const { ttl, warnings } = await renewToken(renewParts(parts), context.session, token, seconds);
    const rights = parts.identity.rightsOfToken(context.session, token);
    return { auth: authReply(id, token, ttl, rights), warnings };
  };
  return [
    systemPath({
      pattern: 'renew',
      summary: 'Renews a token.',
      fields: {
        token: text({ description: 'The token; without it, the caller’s.', secret: true }),
        increment,
      },
      operations: {
        write: {
          outside: true,
          handler: (context, input) => {
            const id = input.token || context.tokenText;
            return renew(context, byText(parts, context, id), id, input.increment);
          },
        },
      },
    }),
    systemPath({
      pattern: 'renew-self',
      summary: 'Renews the caller’s own token.',
      fields: { increment, token: text({ description: 'Ignored.', deprecated: true, secret: true }) },
      operations: {
        write: {
          outside: true,
          handler: (context, input) =>
            renew(context, byText(parts, context, context.tokenText), context.tokenText, input.increment),
        },
      },
    }),
    systemPath({
      pattern: 'renew-accessor',
      summary: 'Renews the token of an accessor.',
      fields: { accessor: text({ description: 'The accessor.' }), increment },
      operations: {
        write: {
          outside: true,
          handler: (context, input) =>
            renew(context, byAccessor(parts, context, input.accessor), '', input.increment),
        },
      },
    }),
  ];
}

/** Also for `sys/leases/renew`, which renews tokens by their leases. */
export function renewParts(parts: SystemParts): RenewalParts {
  const ownMount = (session: Session, namespaceId: string) => {
    const mount = parts.mounts.table(session, namespaceId).get('auth/token/');
    if (!mount) throw new Error('the token mount is missing');
    return mount;
  };
  return {
    tokens: parts.tokens,
    clock: parts.clock,
    work: parts.work,
    identity: parts.identity,
    mountByUuid: (session, place) => parts.mounts.byUuid(session, place),
    maxLeaseTtl: (session, namespaceId) => ownMount(session, namespaceId).info.maxLeaseTtl,
    periodOfRole(session, namespaceId, name) {
      const { entry } = ownMount(session, namespaceId);
      const role = readRole({ view: session.view(dataPrefix(entry)) }, name);
      if (!role)
        throw new InvalidRequest(
          `original token role ${JSON.stringify(name)} could not be found, not renewing`,
        );
      return role.token_period;
    },
  };
}
