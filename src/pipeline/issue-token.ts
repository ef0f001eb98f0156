import { countTokenCreation } from '../metrics/tokens.ts';
import { issueForLogin } from '../tokens/issue.ts';
import { checkStillThere } from './engine.ts';
import type { Exchange } from './exchange.ts';

/** An auth method says who somebody is; the token is made here, for all methods alike. */
export function issueToken(exchange: Exchange): void {
  const { reply, domains, session, parts, login } = exchange;
  if (reply?.auth) exchange.auth = reply.auth;
  if (!login) return;
  checkStillThere(exchange);
  const issued = issueForLogin({ tokens: domains.tokens, clock: parts.clock }, session, {
    ...login,
    remoteAddress: exchange.wire.remote.address,
  });
  exchange.auth = issued.auth;
  exchange.warnings.push(...issued.warnings);
  countTokenCreation(parts.metrics, login.mount.info, issued.token);
  domains.activity.noteLogin(issued.token);
}
