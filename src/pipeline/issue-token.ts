import { countTokenCreation } from '../metrics/tokens.ts';
import { issueForLogin } from '../tokens/issue.ts';
import { checkStillThere } from './engine.ts';
import type { Exchange } from './exchange.ts';
import { plainPath } from './mount.ts';

/** An auth method says who somebody is; the token is made here, for all methods alike. */
export function issueToken(exchange: Exchange): void {
  const { reply, domains, session, parts, mount, loginRights } = exchange;
  if (reply?.auth) exchange.auth = reply.auth;
  if (!reply?.login || !mount || !loginRights) return;
  checkStillThere(exchange);
  const issued = issueForLogin({ tokens: domains.tokens, clock: parts.clock }, session, {
    mount,
    path: plainPath(exchange),
    claim: reply.login,
    remoteAddress: exchange.wire.remote.address,
    rights: loginRights,
  });
  exchange.auth = issued.auth;
  exchange.warnings.push(...issued.warnings);
  countTokenCreation(parts.metrics, mount.info, issued.token);
  domains.activity.noteLogin(issued.token);
}
