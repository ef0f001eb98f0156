import type { Session } from '../barrier/session.ts';
import type { Acl } from '../policies/acl.ts';
import type { Policies } from '../policies/store.ts';
import { namespaceIdOf, type Token } from '../tokens/token.ts';
import type { Identity } from './identity.ts';
import { rightsInForce } from './rights.ts';

const NOTHING: readonly string[] = [];

/** All that a token may: by its own policies and by its entity's. Nothing when the entity is disabled or gone. */
export function aclOfToken(
  { policies, identity }: { readonly policies: Policies; readonly identity: Identity },
  session: Session,
  token: Token,
): Acl {
  const namespaceId = namespaceIdOf(token);
  if (token.entityId === '') return policies.aclFor(session, namespaceId, token.policies);
  const rights = rightsInForce(identity.rightsOfToken(session, token));
  if (!rights) return policies.aclFor(session, namespaceId, NOTHING);
  return policies.aclFor(session, namespaceId, rights.with(token.policies), rights.template);
}
