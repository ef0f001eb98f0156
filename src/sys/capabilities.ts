import { InvalidRequest } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { list, text } from '../engine/fields.ts';
import type { Reply } from '../engine/reply.ts';
import { aclOfToken } from '../identity/acl.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import { namespaceIdOf, type Token } from '../tokens/token.ts';
import { isKnownHere, type SystemParts } from './parts.ts';
import { byAccessor } from './token/find.ts';

const paths = list({ description: 'Paths to tell the capabilities on.' });
const path = list({ description: 'Older name for paths.' });

/** `sys/capabilities*`: what a token may do at given paths. */
export function capabilityPaths(parts: SystemParts): EnginePath[] {
  const tell = (
    context: SystemContext,
    token: Token,
    input: { paths?: string[] | undefined; path?: string[] | undefined },
  ): Reply => {
    const wanted = input.paths ?? input.path ?? [];
    if (wanted.length === 0) throw new InvalidRequest('paths must be supplied');
    const acl = aclOfToken(parts, context.session, token);
    // A token of this namespace has its rules relative to it, the caller's own may be from above.
    const prefix = namespaceIdOf(token) === context.namespace.id ? '' : context.policyPrefix;
    const told = wanted.map((each) => [each, acl.capabilities(prefix + each.replace(/^\/+/, ''))] as const);
    const byPath = Object.fromEntries(told);
    return { data: { ...byPath, capabilities: told[0]![1] }, topLevel: 'also' };
  };
  return [
    systemPath({
      pattern: 'capabilities',
      summary: 'Tells what a token may do.',
      fields: { token: text({ description: 'The token.', secret: true }), paths, path },
      operations: {
        write: {
          handler(context, input) {
            const token = parts.tokens.find(context.session, input.token ?? '');
            if (!token || !isKnownHere(context, token)) throw new InvalidRequest('invalid token');
            return tell(context, token, input);
          },
        },
      },
    }),
    systemPath({
      pattern: 'capabilities-self',
      summary: 'Tells what the caller may do.',
      fields: { paths, path, token: text({ description: 'Ignored.', deprecated: true, secret: true }) },
      operations: {
        write: {
          handler(context, input) {
            if (!context.token) throw new InvalidRequest('invalid token');
            return tell(context, context.token, input);
          },
        },
      },
    }),
    systemPath({
      pattern: 'capabilities-accessor',
      summary: 'Tells what the token of an accessor may do.',
      fields: { accessor: text({ description: 'The accessor.' }), paths, path },
      operations: {
        write: {
          handler: (context, input) => tell(context, byAccessor(parts, context, input.accessor), input),
        },
      },
    }),
  ];
}
