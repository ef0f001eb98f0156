import { InvalidRequest, PermissionDenied } from '../base/errors.ts';
import { type Rights, rightsInForce } from '../identity/rights.ts';
import { isWithin, ROOT_NAMESPACE } from '../namespaces/namespace.ts';
import type { Token } from '../tokens/token.ts';
import type { Exchange } from './exchange.ts';

/** Who asks. Expired, revoked, used-up and never-made tokens all end in the same words. */
export function identifyToken(exchange: Exchange): void {
  const { domains, session, tokenText } = exchange;
  if (exchange.found?.path?.public) return;
  if (tokenText === '') throw new PermissionDenied(missingToken(exchange));
  const token = domains.tokens.find(session, tokenText);
  if (!token || !isGoodHere(exchange, token) || !domains.tokens.spend(session, token))
    throw badToken(exchange);
  if (!domains.tokens.usableFrom(token, exchange.wire.remote.address)) throw new PermissionDenied();
  if (token.numUses > 0) session.apply();
  if (token.entityId !== '') exchange.rights = rightsOf(exchange, token);
  exchange.token = token;
  domains.activity.note(token);
}

/** Who is disabled or gone may nothing, whatever the token says. */
function rightsOf({ domains, session }: Exchange, token: Token): Rights {
  const rights = rightsInForce(domains.identity.rightsOfToken(session, token));
  if (!rights) throw new PermissionDenied();
  return rights;
}

/** A token is good in its own namespace and below; its policies then have the way there before the path. */
function isGoodHere(exchange: Exchange, { namespaceId }: Token): boolean {
  const { namespace, domains } = exchange;
  if (namespaceId === undefined) {
    if (namespace !== ROOT_NAMESPACE) exchange.policyPrefix = namespace.path;
    return true;
  }
  const own = domains.namespaces.byId(namespaceId);
  if (!own || !isWithin(namespace, own)) return false;
  exchange.policyPrefix = namespace.path.slice(own.path.length);
  return true;
}

/** Vault's clients (Agent, Terraform) match on the second line to log in again. */
function badToken({ found }: Exchange): Error {
  const words = found?.path?.badToken;
  return words === undefined
    ? new PermissionDenied('permission denied\ninvalid token')
    : new InvalidRequest(words);
}

function missingToken(exchange: Exchange): string {
  if (
    exchange.wire.headers['x-vault-token'] === undefined &&
    exchange.wire.headers.authorization !== undefined
  ) {
    throw new InvalidRequest('missing client token');
  }
  return 'permission denied';
}
