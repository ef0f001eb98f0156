import { InvalidRequest, PermissionDenied } from '../base/errors.ts';
import { findOperation, needsSudo } from '../engine/dispatch.ts';
import type { EnginePath, Operation } from '../engine/engine.ts';
import { duration, map, text } from '../engine/fields.ts';
import type { Reply } from '../engine/reply.ts';
import { aclOfToken } from '../identity/acl.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import { explain } from '../policies/explain.ts';
import { namespaceIdOf, type Token } from '../tokens/token.ts';
import { mountsOf, type SystemParts } from './parts.ts';
import { findHere } from './token/find.ts';

const OPERATIONS: readonly Operation[] = ['create', 'read', 'update', 'patch', 'delete', 'list', 'scan'];

const fields = {
  path: text({ description: 'The request path, without v1/.', required: true }),
  operation: text({
    description: 'create, read, update, patch, delete, list or scan.',
    default: 'read',
    choices: [...OPERATIONS],
  }),
  data: map({ description: 'The request’s parameters, where rules look at them.' }),
  wrap_ttl: duration({ description: 'For how long its reply is to be wrapped.', default: 0 }),
};
type Asked = {
  path: string;
  operation: string;
  data?: Record<string, unknown> | undefined;
  wrap_ttl: number;
};

/**
 * Why a request would be allowed or refused: "permission denied" is all that a refused request is told. Anybody may ask
 * about the own token, about another's only with `sudo`.
 */
export function explainPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'policies/explain-self',
      summary: 'Tells why the caller may or may not do something.',
      fields,
      operations: { write: { handler: (context, input) => tell(parts, context, context.token, input) } },
    }),
    systemPath({
      pattern: 'policies/explain',
      summary: 'Tells why a token may or may not do something; another’s needs sudo.',
      fields: {
        ...fields,
        token: text({ description: 'The token to ask about; without one, the caller’s.', secret: true }),
        accessor: text({ description: 'Its accessor instead.' }),
      },
      operations: {
        write: {
          handler(context, input) {
            const token = input.accessor
              ? parts.tokens.byAccessor(context.session, context.namespace.id, input.accessor)
              : input.token
                ? findHere(parts, context, input.token)
                : context.token;
            if (token?.key !== context.token?.key && !context.hasSudo()) {
              throw new PermissionDenied(
                'permission denied: asking about another token needs sudo on this path',
              );
            }
            return tell(parts, context, token, input);
          },
        },
      },
    }),
  ];
}

function tell(parts: SystemParts, context: SystemContext, token: Token | undefined, asked: Asked): Reply {
  if (!token) throw new InvalidRequest('invalid token');
  const path = asked.path.replace(/^\/?(v1\/)?/, '');
  const operation = asked.operation as Operation;
  const match = mountsOf(parts, context).match(path);
  const found = match && findOperation(match.mount.table, match.relative, operation);
  const acl = aclOfToken(parts, context.session, token);
  const prefix = namespaceIdOf(token) === context.namespace.id ? '' : context.policyPrefix;
  const about = {
    path: prefix + path,
    operation,
    data: asked.data,
    wrapTtlSeconds: asked.wrap_ttl,
    sudoRequired: needsSudo(found),
    mountPath: match && prefix + match.mount.info.path,
    mountKind: match && kindOf(match.mount.entry),
  };
  const asSent = explain(acl, about);
  // Rules for the plain spelling of a path hold as well.
  const asMeant = found
    ? explain(acl, { ...about, path: prefix + match.mount.info.path + found.canonicalPath })
    : asSent;
  const explanation = asSent.allowed && asMeant.rule && !asMeant.allowed ? asMeant : asSent;
  const { rule, nearMisses, summary, ...rest } = explanation;
  const [source] = rule?.sources ?? [];
  const [miss] = nearMisses;
  return {
    data: {
      ...rest,
      path,
      operation,
      explanation: summary,
      capabilities: rule?.capabilities ?? (explanation.policies.includes('root') ? ['root'] : []),
      deciding_rule: rule ? { policy: source?.policy, line: source?.line, ...rule } : null,
      nearest_miss: miss
        ? {
            policy: miss.rule.sources[0]?.policy,
            line: miss.rule.sources[0]?.line,
            path: miss.rule.path,
            kind: miss.kind,
            reason: miss.hint,
          }
        : null,
      near_misses: nearMisses,
    },
  };
}

function kindOf(entry: { type: string; options: Readonly<Record<string, string>> }): string {
  return entry.type === 'kv' && entry.options.version === '2' ? 'kv-v2' : entry.type;
}
