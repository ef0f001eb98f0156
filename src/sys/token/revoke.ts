import { InvalidRequest } from '../../base/errors.ts';
import type { EnginePath } from '../../engine/engine.ts';
import { text } from '../../engine/fields.ts';
import { type SystemContext, systemPath } from '../../mounts/system-context.ts';
import type { SystemParts } from '../parts.ts';
import { byAccessor, findHere } from './find.ts';

export function revokePaths(parts: SystemParts): EnginePath[] {
  const tokenField = text({ description: 'The token.', secret: true });
  return [
    systemPath({
      pattern: 'revoke',
      summary: 'Revokes a token with its children and all leased to them.',
      fields: { token: tokenField },
      operations: {
        write: {
          outside: true,
          handler: (context, input) => revoke(parts, context, keyOf(parts, context, input.token)),
        },
      },
    }),
    systemPath({
      pattern: 'revoke-self',
      summary: 'Revokes the caller’s own token with its children and all leased to them.',
      fields: {},
      operations: {
        write: {
          outside: true,
          handler(context) {
            if (context.token?.type === 'batch') throw new InvalidRequest('batch tokens cannot be revoked');
            return revoke(parts, context, context.token?.key);
          },
        },
      },
    }),
    systemPath({
      pattern: 'revoke-accessor',
      summary: 'Revokes the token of an accessor with its children and all leased to them.',
      fields: { accessor: text({ description: 'The accessor.' }) },
      operations: {
        write: {
          outside: true,
          handler: (context, input) => revoke(parts, context, byAccessor(parts, context, input.accessor).key),
        },
      },
    }),
    systemPath({
      pattern: 'revoke-orphan',
      summary: 'Revokes a token and leaves its children as orphans.',
      sudo: true,
      fields: { token: tokenField },
      operations: {
        write: {
          handler(context, input) {
            const key = keyOf(parts, context, input.token);
            if (key) parts.tokens.revokeOrphan(context.session, key);
            return undefined;
          },
        },
      },
    }),
  ];
}

/** Undefined when there is no such token: revoking it twice is no error. */
function keyOf(parts: SystemParts, context: SystemContext, id: string | undefined): string | undefined {
  if (!id) throw new InvalidRequest('missing token ID');
  const token = findHere(parts, context, id);
  if (token?.type === 'batch') throw new InvalidRequest('batch tokens cannot be revoked');
  return token?.key;
}

async function revoke(
  parts: SystemParts,
  context: SystemContext,
  key: string | undefined,
): Promise<undefined> {
  if (key === undefined) return undefined;
  const rest = parts.tokens.revoke(context.session, key);
  await context.persist();
  await rest;
  return undefined;
}
