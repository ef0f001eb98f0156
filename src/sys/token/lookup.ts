import { rfc3339 } from '../../base/clock.ts';
import { PermissionDenied } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import type { EnginePath } from '../../engine/engine.ts';
import { text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { listReply, type Reply } from '../../engine/reply.ts';
import type { Rights } from '../../identity/rights.ts';
import { type SystemContext, systemPath } from '../../mounts/system-context.ts';
import type { Token } from '../../tokens/token.ts';
import type { SystemParts } from '../parts.ts';
import { byAccessor, findHere } from './find.ts';

export function lookupPaths(parts: SystemParts): EnginePath[] {
  const { tokens, identity, clock, namespaces } = parts;
  const shown = ({ session }: SystemContext, token: Token | undefined, id: string): Reply => {
    const rights = token && identity.rightsOfToken(session, token);
    const path = token?.namespaceId && namespaces.byId(token.namespaceId)?.path;
    const data = shownToken(token, id, { nowMs: clock.now(), rights });
    return { data: { ...data, ...(path ? { namespace_path: path } : {}) } };
  };
  /** Of a use-limited token, this request's use is spent already. */
  const own = (context: SystemContext): Reply => {
    const { token, tokenText } = context;
    const spent = token && token.numUses > 0 ? { ...token, numUses: token.numUses - 1 } : token;
    return shown(context, spent, tokenText);
  };
  const tokenField = text({ description: 'The token; without it, the caller’s.', secret: true });
  return [
    systemPath({
      pattern: 'lookup',
      summary: 'Shows a token.',
      fields: { token: tokenField },
      operations: {
        read: {
          handler(context, input) {
            const id = input.token || context.tokenText;
            return shown(context, findHere(parts, context, id), id);
          },
        },
        write: {
          handler(context, input) {
            const id = input.token || context.tokenText;
            return shown(context, findHere(parts, context, id), id);
          },
        },
      },
    }),
    systemPath({
      pattern: 'lookup-self',
      summary: 'Shows the caller’s own token.',
      fields: { token: text({ description: 'Ignored.', deprecated: true, secret: true }) },
      operations: {
        read: { handler: own },
        write: { handler: own },
      },
    }),
    systemPath({
      pattern: 'lookup-accessor',
      summary: 'Shows the token of an accessor, without its text.',
      fields: { accessor: text({ description: 'The accessor.' }) },
      operations: {
        write: {
          handler: (context, input) => shown(context, byAccessor(parts, context, input.accessor), ''),
        },
      },
    }),
    systemPath({
      pattern: 'accessors',
      summary: 'Lists the accessors of all tokens.',
      sudo: true,
      fields: pageFields,
      operations: {
        list: {
          handler: (context, input) =>
            listReply(tokens.accessors(context.session, context.namespace.id, pageOf(input))),
        },
      },
    }),
    systemPath({
      pattern: 'tidy',
      summary: 'Removes what broken-off operations left behind.',
      sudo: true,
      fields: {},
      operations: {
        write: {
          handler() {
            tokens.tidy().catch((error) => parts.log.warn('tidying tokens failed', { error }));
            return {
              status: 202,
              warnings: [
                'Tidy operation successfully started. Any information from the operation will be printed to the server log.',
              ],
            };
          },
        },
      },
    }),
  ];
}

/** As every lookup shows a token. 403 where there is none: a probe learns nothing. */
function shownToken(
  token: Token | undefined,
  id: string,
  { nowMs, rights }: { nowMs: number; rights: Rights | undefined },
): UnknownRecord {
  if (!token) throw new PermissionDenied('bad token');
  const expires = token.expiresAtMs !== 0;
  return {
    accessor: token.accessor,
    creation_time: Math.floor(token.createdAtMs / 1000),
    creation_ttl: token.creationTtl,
    display_name: token.displayName,
    entity_id: rights?.entity.id ?? token.entityId,
    expire_time: expires ? rfc3339(token.expiresAtMs) : null,
    explicit_max_ttl: token.explicitMaxTtl,
    id,
    ...(rights && rights.policies.length > 0 ? { identity_policies: rights.policies } : {}),
    ...(expires ? { issue_time: rfc3339(token.createdAtMs) } : {}),
    ...(token.renewedAtMs
      ? { last_renewal: rfc3339(token.renewedAtMs), last_renewal_time: Math.floor(token.renewedAtMs / 1000) }
      : {}),
    meta: token.meta,
    num_uses: Math.max(token.numUses, 0),
    orphan: token.parent === undefined,
    path: token.path,
    ...(token.period > 0 ? { period: token.period } : {}),
    policies: token.policies,
    ...(expires || token.renewable ? { renewable: token.renewable && expires } : {}),
    ...(token.role ? { role: token.role } : {}),
    ...(token.boundCidrs.length > 0 ? { bound_cidrs: token.boundCidrs } : {}),
    ttl: expires ? Math.max(0, Math.floor((token.expiresAtMs - nowMs) / 1000)) : 0,
    type: token.type,
  };
}
