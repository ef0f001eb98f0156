import { InvalidRequest, PermissionDenied } from '../../base/errors.ts';
import type { SystemContext } from '../../mounts/system-context.ts';
import type { Token } from '../../tokens/token.ts';
import { isKnownHere, type SystemParts } from '../parts.ts';

/** The token of an accessor. 403 with Vault's text when there is none, which `vault token lookup -accessor` shows. */
export function byAccessor(parts: SystemParts, context: SystemContext, accessor: string | undefined): Token {
  if (!accessor) throw new InvalidRequest('missing accessor');
  const token = parts.tokens.byAccessor(context.session, context.namespace.id, accessor);
  if (!token) throw new PermissionDenied('invalid accessor');
  return token;
}

/** The token of a text given in the body. */
export function byText(parts: SystemParts, context: SystemContext, id: string | undefined): Token {
  if (!id) throw new InvalidRequest('missing token ID');
  const token = findHere(parts, context, id);
  if (!token) throw new InvalidRequest('token not found');
  return token;
}

/** The token of a text, where it is the caller's own or of the request's namespace. */
export function findHere(parts: SystemParts, context: SystemContext, id: string): Token | undefined {
  const token = parts.tokens.find(context.session, id);
  return token && isKnownHere(context, token) ? token : undefined;
}
