import { createHash } from 'node:crypto';
import { equalSecrets } from '../../crypto/compare.ts';
import { codeDigest, requestedScopes, serves } from './authorize.ts';
import { OauthError } from './errors.ts';
import type { AuthorizationCode, Client, OidcRecords, Provider } from './records.ts';

/** A token request (OpenID Connect Core, section 3.1.3.1), as sent. */
export interface TokenRequest {
  readonly grant_type?: string | undefined;
  readonly code?: string | undefined;
  readonly redirect_uri?: string | undefined;
  readonly client_id?: string | undefined;
  readonly client_secret?: string | undefined;
  readonly code_verifier?: string | undefined;
  readonly scope?: string | undefined;
  /** The header, for `client_secret_basic`. */
  readonly authorization?: string | undefined;
}

/** For whom tokens are to be made. */
export interface Grant {
  readonly client: Client;
  /** '' where the client acts for itself. */
  readonly entityId: string;
  readonly scopes: readonly string[];
  readonly nonce: string;
  readonly authTime: number | undefined;
  /** The code that was redeemed. */
  readonly code: string | undefined;
}

const VERIFIER = /^[\w.~-]{43,128}$/;

/**
 * Who may have tokens for the request. A code is gone after this, whatever comes of it. Throws `OauthError`.
 */
export function redeem(
  records: OidcRecords,
  provider: Provider,
  request: TokenRequest,
  nowMs: number,
): Grant {
  const client = authenticatedClient(records, request);
  if (!serves(provider, client.clientId))
    throw new OauthError('invalid_client', 'client is not authorized to use the provider', { status: 401 });
  switch (request.grant_type) {
    case 'authorization_code':
      return redeemCode(records, { provider, client, request, nowMs });
    case 'client_credentials':
      return ofClient(provider, client, request);
    case undefined:
    case '':
      throw new OauthError('invalid_request', 'grant_type parameter is required');
    default:
      throw new OauthError('unsupported_grant_type', 'unsupported grant_type value');
  }
}

/** By HTTP's basic scheme or in the body (OpenID Connect Core, section 9); a public client only names itself. Throws `OauthError`. */
export function authenticatedClient(records: OidcRecords, request: TokenRequest): Client {
  const { id, secret } = credentialsOf(request);
  if (!id) throw new OauthError('invalid_request', 'client_id parameter is required');
  const client = records.clientById(id);
  const matches = equalSecrets(secret, client?.clientSecret ?? '');
  if (!client || !matches)
    throw new OauthError('invalid_client', 'client failed to authenticate', { status: 401 });
  return client;
}

function credentialsOf({ authorization, client_id = '', client_secret = '' }: TokenRequest) {
  const basic = /^basic +([\w+/=-]+)$/i.exec(authorization ?? '')?.[1];
  if (basic === undefined) return { id: client_id, secret: client_secret };
  const [, id = '', secret = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(basic, 'base64').toString()) ?? [];
  return { id: formDecoded(id), secret: formDecoded(secret) };
}

/** RFC 6749, section 2.3.1: both parts are encoded as in a form. */
function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

function redeemCode(
  records: OidcRecords,
  {
    provider,
    client,
    request,
    nowMs,
  }: { provider: Provider; client: Client; request: TokenRequest; nowMs: number },
): Grant {
  if (!client.authorizationCode)
    throw new OauthError(
      'unauthorized_client',
      'client is not authorized to use the authorization_code grant',
    );
  if (!request.code) throw new OauthError('invalid_request', 'code parameter is required');
  if (!request.redirect_uri) throw new OauthError('invalid_request', 'redirect_uri parameter is required');
  const code = records.takeCode(codeDigest(request.code), nowMs);
  if (!code || code.clientId !== client.clientId || code.provider !== provider.name)
    throw new OauthError('invalid_grant', 'authorization grant is invalid or expired');
  if (code.redirectUri !== request.redirect_uri)
    throw new OauthError(
      'invalid_grant',
      'redirect_uri does not match the redirect_uri used in the authorization request',
    );
  checkVerifier(code, request.code_verifier);
  const { entityId, scopes, nonce, authTime } = code;
  return { client, entityId, scopes, nonce, authTime, code: request.code };
}

function checkVerifier({ challenge }: AuthorizationCode, verifier: string | undefined): void {
  if (!challenge) {
    if (verifier)
      throw new OauthError(
        'invalid_request',
        'unexpected code_verifier for an authorization request without PKCE',
      );
    return;
  }
  if (!verifier) throw new OauthError('invalid_request', 'code_verifier parameter is required');
  if (!VERIFIER.test(verifier)) throw new OauthError('invalid_grant', 'invalid code_verifier for PKCE');
  const derived =
    challenge.method === 'S256' ? createHash('sha256').update(verifier).digest('base64url') : verifier;
  if (!equalSecrets(derived, challenge.value))
    throw new OauthError('invalid_grant', 'invalid code_verifier for PKCE');
}

/** RFC 6749, section 4.4: for confidential clients only. */
function ofClient(provider: Provider, client: Client, request: TokenRequest): Grant {
  if (client.clientType !== 'confidential' || !client.clientCredentials)
    throw new OauthError(
      'unauthorized_client',
      'client is not authorized to use the client_credentials grant',
    );
  const scopes = requestedScopes(provider, request.scope);
  return { client, entityId: '', scopes, nonce: '', authTime: undefined, code: undefined };
}
