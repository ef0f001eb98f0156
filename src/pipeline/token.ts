import { InvalidRequest, PermissionDenied } from '../base/errors.ts';
import type { Exchange } from './exchange.ts';

/** Who asks. Expired, revoked, used-up and never-made tokens all end in the same words. */
export function identifyToken(exchange: Exchange): void {
  const { domains, session, tokenText } = exchange;
  if (exchange.found?.path?.public) return;
  if (tokenText === '') throw new PermissionDenied(missingToken(exchange));
  const token = domains.tokens.find(session, tokenText);
  if (!token || token.numUses < 0 || !domains.tokens.usableFrom(token, exchange.wire.remote.address)) {
    throw new PermissionDenied(token && token.numUses >= 0 ? undefined : INVALID_TOKEN);
  }
  if (token.numUses > 0) {
    if (!domains.tokens.spend(session, token)) throw new PermissionDenied(INVALID_TOKEN);
    session.apply();
  }
  exchange.token = token;
}

/** Vault's clients (Agent, Terraform) match on the second line to log in again. */
const INVALID_TOKEN = 'permission denied\ninvalid token';

function missingToken(exchange: Exchange): string {
  if (
    exchange.wire.headers['x-vault-token'] === undefined &&
    exchange.wire.headers.authorization !== undefined
  ) {
    throw new InvalidRequest('missing client token');
  }
  return 'permission denied';
}
