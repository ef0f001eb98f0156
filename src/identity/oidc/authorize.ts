import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { Rights } from '../rights.ts';
import { OauthError } from './errors.ts';
import {
  ALLOW_ALL,
  type AuthorizationCode,
  type Client,
  type OidcRecords,
  OPENID,
  type Provider,
} from './records.ts';

/** An authentication request (OpenID Connect Core, section 3.1.2.1), as sent. */
export interface AuthenticationRequest {
  readonly scope?: string | undefined;
  readonly response_type?: string | undefined;
  readonly client_id?: string | undefined;
  readonly redirect_uri?: string | undefined;
  readonly nonce?: string | undefined;
  /** Seconds. */
  readonly max_age?: number | undefined;
  readonly code_challenge?: string | undefined;
  readonly code_challenge_method?: string | undefined;
  readonly request?: string | undefined;
  readonly request_uri?: string | undefined;
}

/** Who asks: somebody logged in here. */
export interface EndUser {
  /** Undefined where the token belongs to nobody. */
  readonly rights: Rights | undefined;
  readonly loggedInAtMs: number;
}

const CODE_TTL_MS = 5 * 60_000;
const CODE_LENGTH = 32;
/** RFC 7636, section 4.2. */
const CHALLENGE = /^[\w.~-]{43,128}$/;

/** A code for the client of `request`, kept until it is redeemed. Throws `OauthError`. */
export function authorize(
  { records, clock, random }: { records: OidcRecords; clock: Clock; random: Random },
  provider: Provider,
  request: AuthenticationRequest,
  user: EndUser,
): string {
  const scopes = requestedScopes(provider, request.scope);
  if (!request.response_type) throw new OauthError('invalid_request', 'response_type parameter is required');
  if (request.response_type !== 'code')
    throw new OauthError('unsupported_response_type', 'unsupported response_type value');
  const client = requestingClient(records, provider, request.client_id);
  const redirectUri = checkedRedirect(client, request.redirect_uri);
  refuseRequestObjects(request);
  const challenge = checkedChallenge(client, request);
  const entityId = checkedUser(records, client, user.rights);
  const nowMs = clock.now();
  const authTime = checkedAge(request.max_age, user.loggedInAtMs, nowMs);
  const code = random.base62(CODE_LENGTH);
  records.putCode(codeDigest(code), {
    provider: provider.name,
    clientId: client.clientId,
    entityId,
    redirectUri,
    scopes,
    nonce: request.nonce ?? '',
    authTime,
    challenge,
    expiresAtMs: nowMs + CODE_TTL_MS,
  });
  return code;
}

/** Codes lie in the store by their digest: who reads it finds none that could be used. */
export function codeDigest(code: string): string {
  return createHash('sha256').update(code).digest('base64url');
}

/** Those that the provider has; others are ignored (OpenID Connect Core, section 3.1.2.1). */
export function requestedScopes(provider: Provider, scope: string | undefined): string[] {
  const wanted = (scope ?? '').split(' ').filter(Boolean);
  if (!wanted.includes(OPENID))
    throw new OauthError('invalid_scope', `scope parameter must contain "${OPENID}"`);
  return [...new Set(wanted.filter((name) => name !== OPENID && provider.scopesSupported.includes(name)))];
}

/** Whether the provider serves the client. */
export function serves({ allowedClientIds }: Provider, clientId: string): boolean {
  return allowedClientIds.includes('*') || allowedClientIds.includes(clientId);
}

/** The id of an entity that may sign in to the client. Throws `OauthError`. */
export function checkedUser(records: OidcRecords, client: Client, rights: Rights | undefined): string {
  if (!rights) throw new OauthError('access_denied', 'identity entity must be associated with the request');
  if (rights.entity.disabled) throw new OauthError('access_denied', 'identity entity is disabled');
  const groupIds = new Set(rights.template.groups.map(({ id }) => id));
  const isAssigned = client.assignments.some((name) => {
    if (name === ALLOW_ALL) return true;
    const assignment = records.get('assignment', name);
    return (
      assignment?.entityIds.includes(rights.entity.id) || assignment?.groupIds.some((id) => groupIds.has(id))
    );
  });
  if (!isAssigned)
    throw new OauthError('access_denied', 'identity entity not authorized by client assignment');
  return rights.entity.id;
}

function requestingClient(records: OidcRecords, provider: Provider, clientId: string | undefined): Client {
  if (!clientId) throw new OauthError('invalid_request', 'client_id parameter is required');
  const client = records.clientById(clientId);
  if (!client) throw new OauthError('invalid_client_id', 'client with client_id not found');
  if (!serves(provider, clientId))
    throw new OauthError('unauthorized_client', 'client is not authorized to use the provider');
  if (!client.authorizationCode)
    throw new OauthError(
      'unauthorized_client',
      'client is not authorized to use the authorization_code grant',
    );
  return client;
}

/** Exactly one of the client's; a loopback address may have any port (RFC 8252, section 7.3). */
function checkedRedirect({ redirectUris }: Client, redirectUri: string | undefined): string {
  if (!redirectUri) throw new OauthError('invalid_request', 'redirect_uri parameter is required');
  const isLoopback = /^http:\/\/(127\.0\.0\.1|\[::1\])(:\d+)?(\/|$)/;
  const withoutPort = (uri: string) => uri.replace(/^(http:\/\/(?:127\.0\.0\.1|\[::1\])):\d+/, '$1');
  const fits = (allowed: string) =>
    allowed === redirectUri ||
    (isLoopback.test(allowed) &&
      isLoopback.test(redirectUri) &&
      withoutPort(allowed) === withoutPort(redirectUri));
  if (!redirectUris.some(fits))
    throw new OauthError('invalid_redirect_uri', 'redirect_uri is not allowed for the client');
  return redirectUri;
}

function refuseRequestObjects({ request, request_uri }: AuthenticationRequest): void {
  if (request) throw new OauthError('request_not_supported', 'request parameter is not supported');
  if (request_uri)
    throw new OauthError('request_uri_not_supported', 'request_uri parameter is not supported');
}

function checkedChallenge(
  client: Client,
  { code_challenge: value, code_challenge_method: method = 'plain' }: AuthenticationRequest,
): AuthorizationCode['challenge'] {
  if (!value) {
    if (client.clientType === 'public')
      throw new OauthError('invalid_request', 'PKCE is required for public clients');
    return undefined;
  }
  if (method !== 'plain' && method !== 'S256')
    throw new OauthError('invalid_request', `invalid code_challenge_method ${JSON.stringify(method)}`);
  if (!CHALLENGE.test(value)) throw new OauthError('invalid_request', 'invalid code_challenge');
  return { method, value };
}

/** When the user logged in, where the client asked for it, in seconds since the epoch. */
function checkedAge(maxAge: number | undefined, loggedInAtMs: number, nowMs: number): number | undefined {
  if (maxAge === undefined) return undefined;
  if (maxAge < 0) throw new OauthError('invalid_request', 'max_age must not be negative');
  if (nowMs - loggedInAtMs > maxAge * 1000)
    throw new OauthError('max_age_violation', 'active re-authentication is required by max_age');
  return Math.floor(loggedInAtMs / 1000);
}
