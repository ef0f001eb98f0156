import { NotFound } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import type { EnginePath } from '../../engine/engine.ts';
import { integer, name, text } from '../../engine/fields.ts';
import { ALGORITHMS, halfHash } from '../../identity/oidc/algorithms.ts';
import { authorize, checkedUser } from '../../identity/oidc/authorize.ts';
import { claimsOfScopes, NO_IDENTITY } from '../../identity/oidc/claims.ts';
import { OauthError } from '../../identity/oidc/errors.ts';
import { authorizationPage, providerIssuer } from '../../identity/oidc/issuer.ts';
import { existingKey, readyKey } from '../../identity/oidc/oidc.ts';
import { type OidcRecords, OPENID, type Provider } from '../../identity/oidc/records.ts';
import { authenticatedClient, type Grant, redeem } from '../../identity/oidc/redeem.ts';
import {
  cacheSeconds,
  jwks,
  keysOfClients,
  mayUse,
  publishedKeys,
  signClaims,
} from '../../identity/oidc/signing-keys.ts';
import { type Rights, rightsInForce } from '../../identity/rights.ts';
import { type SystemContext, systemPath } from '../../mounts/system-context.ts';
import { inNamespace } from '../../tokens/token.ts';
import type { SystemParts } from '../parts.ts';
import { findHere } from '../token/find.ts';
import {
  bare,
  inOauth,
  inOauthLater,
  placeOf,
  recordsOf,
  rightsOf,
  rightsOfEntity,
  workOf,
} from './oidc-shared.ts';
import { kept } from './oidc-token.ts';

const providerName = name('The provider.');
const BASIC = 'Basic realm="coffer"';
const BEARER = 'Bearer realm="coffer"';

/** OpenID Connect as relying parties speak it. */
export function oidcFlowPaths(parts: SystemParts): EnginePath[] {
  return [
    ...discoveryPaths(parts),
    authorizePath(parts),
    tokenPath(parts),
    userinfoPath(parts),
    introspectPath(parts),
  ];
}

function existingProvider(records: OidcRecords, named: string): Provider {
  const provider = records.get('provider', named);
  if (!provider) throw new NotFound();
  return provider;
}

function discoveryPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'oidc/provider/{name}/.well-known/openid-configuration',
      summary: 'What relying parties need to know of a provider.',
      public: true,
      fields: { name: providerName },
      operations: {
        read: {
          handler(context, input) {
            const provider = existingProvider(recordsOf(context), input.name);
            return bare(discovery(parts, context, provider), kept(3600));
          },
        },
      },
    }),
    systemPath({
      pattern: 'oidc/provider/{name}/.well-known/keys',
      summary: 'The public keys of a provider.',
      public: true,
      fields: { name: providerName },
      operations: {
        read: {
          handler(context, input) {
            const records = recordsOf(context);
            const keys = keysOfClients(records, existingProvider(records, input.name).allowedClientIds);
            const nowMs = parts.clock.now();
            return bare(jwks(publishedKeys(keys, nowMs)), kept(cacheSeconds(keys, nowMs)));
          },
        },
      },
    }),
  ];
}

/** OpenID Connect Discovery, section 3. */
function discovery(parts: SystemParts, context: SystemContext, provider: Provider): UnknownRecord {
  const place = placeOf(parts, context);
  const issuer = providerIssuer(provider, place);
  return {
    issuer,
    jwks_uri: `${issuer}/.well-known/keys`,
    authorization_endpoint: authorizationPage(provider, place),
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/userinfo`,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    id_token_signing_alg_values_supported: ALGORITHMS,
    response_types_supported: ['code'],
    scopes_supported: [OPENID, ...provider.scopesSupported],
    claims_supported: [],
    subject_types_supported: ['public'],
    grant_types_supported: ['authorization_code', 'client_credentials'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
    code_challenge_methods_supported: ['plain', 'S256'],
  };
}

function authorizePath(parts: SystemParts): EnginePath {
  const query = (description: string) => text({ description, query: true });
  const operation = {
    handler(context: SystemContext, { name: named, state, ...request }: AuthorizeInput) {
      return inOauth(() => {
        const records = recordsOf(context);
        const provider = existingProvider(records, named);
        const rights = rightsOf(parts, context);
        const loggedInAtMs = context.token?.createdAtMs ?? 0;
        const code = authorize({ records, clock: parts.clock, random: parts.random }, provider, request, {
          rights,
          loggedInAtMs,
        });
        return { code, state: state ?? '' };
      });
    },
  };
  return systemPath({
    pattern: 'oidc/provider/{name}/authorize',
    summary: 'Gives an application a code for the caller, who signs in to it so.',
    fields: {
      name: providerName,
      scope: query('Scopes, with spaces between; openid among them.'),
      response_type: query('code'),
      client_id: query('The application.'),
      redirect_uri: query('Where the caller is sent back to.'),
      state: query('Given back as it is.'),
      nonce: query('Stands in the identity token.'),
      max_age: integer({ description: 'Seconds since the caller logged in, at most.', query: true }),
      code_challenge: query('Of PKCE (RFC 7636); required for public clients.'),
      code_challenge_method: query('S256 or plain.'),
      request: query('Not supported.'),
      request_uri: query('Not supported.'),
    },
    operations: { read: operation, write: operation },
  });
}

interface AuthorizeInput {
  readonly name: string;
  readonly scope: string | undefined;
  readonly response_type: string | undefined;
  readonly client_id: string | undefined;
  readonly redirect_uri: string | undefined;
  readonly state: string | undefined;
  readonly nonce: string | undefined;
  readonly max_age: number | undefined;
  readonly code_challenge: string | undefined;
  readonly code_challenge_method: string | undefined;
  readonly request: string | undefined;
  readonly request_uri: string | undefined;
}

const clientFields = {
  client_id: text({ description: 'The application, unless the Authorization header names it.' }),
  client_secret: text({ description: 'Its secret, unless the Authorization header has it.', secret: true }),
};

function tokenPath(parts: SystemParts): EnginePath {
  return systemPath({
    pattern: 'oidc/provider/{name}/token',
    summary: 'Gives an application tokens for a code, or for itself.',
    public: true,
    fields: {
      name: providerName,
      ...clientFields,
      grant_type: text({ description: 'authorization_code or client_credentials.' }),
      code: text({ description: 'The code.', secret: true }),
      redirect_uri: text({ description: 'As in the authorization request.' }),
      code_verifier: text({ description: 'Of PKCE (RFC 7636).', secret: true }),
      scope: text({ description: 'Scopes, for client_credentials.' }),
    },
    operations: {
      write: {
        slow: true,
        handler: (context, { name: named, ...request }) =>
          inOauthLater(async () => {
            const records = recordsOf(context);
            const provider = existingProvider(records, named);
            const grant = redeem(
              records,
              provider,
              { ...request, authorization: context.authorization },
              parts.clock.now(),
            );
            // The code is used up, whatever comes now.
            context.session.apply();
            return await tokensFor(parts, context, provider, grant);
          }, BASIC),
      },
    },
  });
}

async function tokensFor(
  parts: SystemParts,
  context: SystemContext,
  provider: Provider,
  grant: Grant,
): Promise<UnknownRecord> {
  const work = workOf(parts, context);
  const { client } = grant;
  if (!mayUse(existingKey(work.records, client.key), client.clientId))
    throw new OauthError('invalid_client', 'client is not authorized to use its key', { status: 401 });
  const { algorithm, pairs } = await readyKey(work, client.key);
  const identity = identityOf(parts, context, grant);
  const nowMs = parts.clock.now();
  const issuedAt = Math.floor(nowMs / 1000);
  const accessToken = makeAccessToken(parts, context, provider, grant);
  const claims = {
    ...claimsOfScopes(work.records, grant.scopes, identity?.template ?? NO_IDENTITY, nowMs),
    iss: providerIssuer(provider, placeOf(parts, context)),
    namespace: work.namespaceId,
    sub: grant.entityId || client.clientId,
    aud: client.clientId,
    iat: issuedAt,
    exp: issuedAt + client.idTokenTtl,
    at_hash: halfHash(algorithm, accessToken),
    ...(grant.code !== undefined && { c_hash: halfHash(algorithm, grant.code) }),
    ...(grant.nonce !== '' && { nonce: grant.nonce }),
    ...(grant.authTime !== undefined && { auth_time: grant.authTime }),
  };
  return {
    access_token: accessToken,
    token_type: 'Bearer',
    id_token: await signClaims(algorithm, pairs.current, claims),
    expires_in: client.accessTokenTtl,
  };
}

/** The user of a grant, who may have lost the right meanwhile; undefined where the client acts for itself. Throws `OauthError`. */
function identityOf(
  parts: SystemParts,
  context: SystemContext,
  { client, entityId }: Grant,
): Rights | undefined {
  if (entityId === '') return undefined;
  const rights = rightsInForce(rightsOfEntity(parts, context, entityId));
  if (!rights) throw new OauthError('invalid_grant', 'identity entity associated with the request not found');
  checkedUser(recordsOf(context), client, rights);
  return rights;
}

/** A batch token that is good for the provider's userinfo and nothing else. */
function makeAccessToken(
  { tokens }: SystemParts,
  { session, mount, namespace }: SystemContext,
  provider: Provider,
  { client, entityId, scopes }: Grant,
): string {
  const { id } = tokens.create(session, {
    ...inNamespace(namespace.id),
    type: 'batch',
    parent: undefined,
    policies: [],
    path: `${mount.path}oidc/provider/${provider.name}/token`,
    meta: null,
    displayName: 'oidc',
    numUses: 0,
    ttl: client.accessTokenTtl,
    explicitMaxTtl: client.accessTokenTtl,
    period: 0,
    renewable: false,
    entityId,
    role: '',
    boundCidrs: [],
    inlinePolicy: `path "identity/oidc/provider/${provider.name}/userinfo" { capabilities = ["read", "update"] }`,
    openId: { provider: provider.name, clientId: client.clientId, scopes },
  });
  return id;
}

function userinfoPath(parts: SystemParts): EnginePath {
  const operation = {
    handler: (context: SystemContext, { name: named }: { name: string }) =>
      inOauth(() => {
        const records = recordsOf(context);
        const provider = existingProvider(records, named);
        const of = context.token?.openId;
        if (!of || of.provider !== provider.name || !records.clientById(of.clientId))
          throw new OauthError('invalid_token', 'the access token is not one of this provider', {
            status: 401,
          });
        const rights = rightsInForce(rightsOf(parts, context));
        if (context.token?.entityId && !rights)
          throw new OauthError(
            'access_denied',
            'identity entity associated with the access token not found',
            {
              status: 403,
            },
          );
        const template = rights?.template ?? NO_IDENTITY;
        const claims = claimsOfScopes(records, of.scopes, template, parts.clock.now());
        return { ...claims, sub: rights?.entity.id ?? of.clientId };
      }, BEARER),
  };
  return systemPath({
    pattern: 'oidc/provider/{name}/userinfo',
    summary: 'Tells an application, by its access token, who signed in.',
    fields: { name: providerName },
    operations: { read: operation, write: operation },
  });
}

function introspectPath(parts: SystemParts): EnginePath {
  return systemPath({
    pattern: 'oidc/introspect-access-token',
    summary: 'Tells an application whether an access token is good.',
    public: true,
    fields: {
      token: text({ description: 'The access token.', required: true, secret: true }),
      ...clientFields,
    },
    operations: {
      write: {
        handler: (context, input) =>
          inOauth(() => {
            const client = authenticatedClient(recordsOf(context), {
              ...input,
              authorization: context.authorization,
            });
            if (client.clientType !== 'confidential')
              throw new OauthError('invalid_client', 'client failed to authenticate', { status: 401 });
            const token = findHere(parts, context, input.token);
            if (!token?.openId) return { active: false };
            return {
              active: true,
              aud: token.openId.clientId,
              iat: Math.floor(token.createdAtMs / 1000),
              exp: Math.floor(token.expiresAtMs / 1000),
            };
          }, BASIC),
      },
    },
  });
}
