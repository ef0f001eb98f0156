import type { Domains } from '../pipeline/exchange.ts';
import { persist } from '../barrier/session.ts';

/** Mounts `secret/` as KV version 2, as development and quick start promise. */
export async function mountSecret(domains: Domains): Promise<void> {
  if (domains.mounts.get('secret/')) return;
  const session = domains.openSession();
  domains.mounts.enable(session, {
    path: 'secret/',
    class: 'secret',
    type: 'kv',
    options: { version: '2' },
    description: 'key/value secret storage',
  });
  await persist(session);
}

/** A root token with a text of the operator's choosing; development only. */
export async function makeRootToken(domains: Domains, id: string): Promise<void> {
  const session = domains.openSession();
  domains.tokens.create(session, {
    type: 'service',
    parent: undefined,
    policies: ['root'],
    path: 'auth/token/root',
    meta: null,
    displayName: 'root',
    numUses: 0,
    ttl: 0,
    explicitMaxTtl: 0,
    period: 0,
    renewable: false,
    entityId: '',
    role: '',
    boundCidrs: [],
    id,
  });
  await persist(session);
}
