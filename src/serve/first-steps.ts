import { persist } from '../barrier/session.ts';
import type { Domains } from '../pipeline/exchange.ts';

/** Mounts `secret/` as KV, as development and quick start promise. */
export async function mountSecret(domains: Domains, version: '1' | '2'): Promise<void> {
  const session = domains.openSession();
  domains.mounts.enable(session, {
    path: 'secret/',
    class: 'secret',
    type: 'kv',
    options: { version },
    description: 'key/value secret storage',
  });
  await persist(session);
}

/** A root token with a text of the operator's choosing in place of the random one; development only. */
export async function replaceRootToken(
  domains: Domains,
  { from, to }: { from: string; to: string },
): Promise<void> {
  const session = domains.openSession();
  const first = domains.tokens.find(session, from);
  if (!first) throw new Error('the first root token is gone');
  domains.tokens.createRoot(session, to);
  domains.tokens.revoke(session, first.key);
  await persist(session);
}
