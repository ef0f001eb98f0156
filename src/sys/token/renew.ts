import type { EnginePath } from '../../engine/engine.ts';
import { duration, text } from '../../engine/fields.ts';
import type { Reply } from '../../engine/reply.ts';
import { type SystemContext, systemPath } from '../../mounts/system-context.ts';
import { authReply, renewToken } from '../../tokens/issue.ts';
import type { Token } from '../../tokens/token.ts';
import type { SystemParts } from '../parts.ts';
import { byAccessor, byText } from './find.ts';

const increment = duration({
  description: 'How long it shall live from now; 0 takes what it was made with.',
  default: 0,
});

export function renewPaths(parts: SystemParts): EnginePath[] {
  const renew = async (context: SystemContext, token: Token, id: string, seconds: number): Promise<Reply> => {
    const { ttl, warnings } = await renewToken(renewParts(parts), context.session, token, seconds);
    return { auth: authReply(id, token, ttl), warnings };
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

export function renewParts(parts: SystemParts) {
  return {
    tokens: parts.tokens,
    clock: parts.clock,
    work: parts.work,
    mountByUuid: (uuid: string) => parts.mounts.byUuid(uuid),
    limits: parts.server.limits,
  };
}
