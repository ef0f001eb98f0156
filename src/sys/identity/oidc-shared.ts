import type { Session } from '../../barrier/session.ts';
import type { UnknownRecord } from '../../base/json.ts';
import type { PeriodicWork, WorkContext } from '../../engine/engine.ts';
import type { Reply } from '../../engine/reply.ts';
import { OauthError } from '../../identity/oidc/errors.ts';
import type { Place } from '../../identity/oidc/issuer.ts';
import { keepUp, type OidcWork } from '../../identity/oidc/oidc.ts';
import { OidcRecords } from '../../identity/oidc/records.ts';
import type { Rights } from '../../identity/rights.ts';
import type { SystemContext } from '../../mounts/system-context.ts';
import { namespaceIdOf } from '../../tokens/token.ts';
import type { SystemParts } from '../parts.ts';

export function recordsOf({ session, mount }: SystemContext): OidcRecords {
  return new OidcRecords(session, mount.namespace.id);
}

export function workOf(parts: SystemParts, context: SystemContext): OidcWork {
  return workIn(parts, context.session, context);
}

function workIn({ clock, random }: SystemParts, session: Session, { mount, locked }: WorkContext): OidcWork {
  const namespaceId = mount.namespace.id;
  return { session, namespaceId, records: new OidcRecords(session, namespaceId), clock, random, locked };
}

/** Rotates keys and clears codes away. */
export function oidcUpkeep(parts: SystemParts): PeriodicWork {
  return {
    name: 'oidc',
    everySeconds: 60,
    run: (context) => keepUp(workIn(parts, parts.openSession(), context)),
  };
}

export function placeOf({ server }: SystemParts, { mount }: SystemContext): Place {
  return { apiAddress: server.apiAddress, namespacePath: mount.namespace.path };
}

/** Whose token the request has; undefined where it belongs to nobody of this namespace. */
export function rightsOf(parts: SystemParts, { session, token, mount }: SystemContext): Rights | undefined {
  return token && namespaceIdOf(token) === mount.namespace.id
    ? parts.identity.rightsOfToken(session, token)
    : undefined;
}

/** Of an entity of the request's namespace. */
export function rightsOfEntity(
  parts: SystemParts,
  { session, mount }: Pick<SystemContext, 'session' | 'mount'>,
  entityId: string,
): Rights | undefined {
  return parts.identity.rightsOfToken(session, { entityId, namespaceId: mount.namespace.id });
}

/** The reply as OpenID Connect wants it: the bare JSON object. */
export function bare(data: UnknownRecord, headers?: Record<string, string>): Reply {
  return { data, topLevel: 'only', ...(headers && { headers }) };
}

const NOT_KEPT = { 'Cache-Control': 'no-store', Pragma: 'no-cache' };

/** Replies with tokens and codes; what is refused in OAuth's words becomes a reply too. `challenge` is for status 401. */
export function inOauth(work: () => UnknownRecord, challenge?: string): Reply {
  try {
    return bare(work(), NOT_KEPT);
  } catch (error) {
    return refusal(error, challenge);
  }
}

export async function inOauthLater(work: () => Promise<UnknownRecord>, challenge?: string): Promise<Reply> {
  try {
    return bare(await work(), NOT_KEPT);
  } catch (error) {
    return refusal(error, challenge);
  }
}

function refusal(error: unknown, challenge: string | undefined): Reply {
  if (!(error instanceof OauthError)) throw error;
  const headers: Record<string, string> = { ...NOT_KEPT };
  if (error.status === 401 && challenge) headers['WWW-Authenticate'] = challenge;
  return {
    ...bare({ error: error.error, error_description: error.message }, headers),
    status: error.status,
  };
}
