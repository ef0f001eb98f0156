import { createPublicKey } from 'node:crypto';
import { decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { InvalidRequest } from '../../base/errors.ts';
import type { EnginePath } from '../../engine/engine.ts';
import { duration, name, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, listReply, type Reply } from '../../engine/reply.ts';
import { ALGORITHMS } from '../../identity/oidc/algorithms.ts';
import { checkClaimsTemplate, populateClaims } from '../../identity/oidc/claims-template.ts';
import { checkedIssuer, tokenIssuer } from '../../identity/oidc/issuer.ts';
import { existingKey, readyKey } from '../../identity/oidc/oidc.ts';
import type { OidcRecords, TokenRole } from '../../identity/oidc/records.ts';
import { cacheSeconds, jwks, mayUse, publishedKeys, signClaims } from '../../identity/oidc/signing-keys.ts';
import { rightsInForce } from '../../identity/rights.ts';
import { type SystemContext, systemPath } from '../../mounts/system-context.ts';
import type { SystemParts } from '../parts.ts';
import { bare, placeOf, recordsOf, rightsOf, workOf } from './oidc-shared.ts';

const DAY_SECONDS = 86_400;
const CLIENT_ID_LENGTH = 26;

/** Identity tokens: signed statements of who somebody is, for whoever trusts this server's keys. */
export function oidcTokenPaths(parts: SystemParts): EnginePath[] {
  return [
    configPath(),
    ...rolePaths(parts),
    tokenPath(parts),
    introspectPath(parts),
    ...wellKnownPaths(parts),
  ];
}

function configPath(): EnginePath {
  return systemPath({
    pattern: 'oidc/config',
    summary: 'The issuer of identity tokens.',
    fields: { issuer: text({ description: 'scheme://host:port; the server’s own api_addr unless set.' }) },
    operations: {
      read: { handler: (context) => ({ data: { ...recordsOf(context).config } }) },
      write: {
        handler(context, input) {
          const issuer = checkedIssuer(input.issuer ?? '');
          recordsOf(context).putConfig({ issuer });
          if (issuer !== '') {
            context.warn(
              'If "issuer" is set explicitly, all tokens must be validated against that address, including those issued by secondary clusters. Setting issuer to "" will restore the default behavior of using the cluster\'s api_addr as the issuer.',
            );
          }
          return undefined;
        },
      },
    },
  });
}

function rolePaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'oidc/role',
      summary: 'Lists the roles of identity tokens.',
      fields: pageFields,
      operations: {
        list: { handler: (context, input) => listReply(recordsOf(context).names('role', pageOf(input))) },
      },
    }),
    systemPath({
      pattern: 'oidc/role/{name}',
      summary: 'Makes, changes, shows or deletes a role of identity tokens.',
      fields: {
        name: name('The role.'),
        key: text({ description: 'The key that signs; it must exist.' }),
        template: text({ description: 'JSON with {{…}} for further claims; plain or in base64.' }),
        client_id: text({ description: 'The tokens’ audience; made up unless set.' }),
        ttl: duration({ description: 'How long the tokens are good; 24h unless set.' }),
      },
      operations: {
        read: {
          handler(context, input) {
            const role = recordsOf(context).get('role', input.name);
            return dataReply(
              role && { client_id: role.clientId, key: role.key, template: role.template, ttl: role.ttl },
            );
          },
        },
        write: {
          handler(context, input) {
            const records = recordsOf(context);
            const before = records.get('role', input.name);
            records.put('role', {
              name: input.name,
              key: input.key ?? before?.key ?? '',
              template: checkedTemplate(input.template) ?? before?.template ?? '',
              clientId: input.client_id || before?.clientId || parts.random.base62(CLIENT_ID_LENGTH),
              ttl: input.ttl ?? before?.ttl ?? DAY_SECONDS,
            });
            checkRole(records, records.get('role', input.name)!);
            return undefined;
          },
        },
        delete: {
          handler(context, input) {
            recordsOf(context).delete('role', input.name);
            return undefined;
          },
        },
      },
    }),
  ];
}

/** Throws `InvalidRequest`. */
export function checkedTemplate(template: string | undefined): string | undefined {
  if (template === undefined) return undefined;
  try {
    checkClaimsTemplate(template);
  } catch (error) {
    throw new InvalidRequest(`error parsing template: ${error instanceof Error ? error.message : 'invalid'}`);
  }
  return template;
}

function checkRole(records: OidcRecords, role: TokenRole): void {
  if (role.key === '') throw new InvalidRequest('the key parameter is required');
  if (role.ttl <= 0) throw new InvalidRequest('ttl must be positive');
  const key = records.get('key', role.key);
  if (!key) throw new InvalidRequest(`cannot find key ${JSON.stringify(role.key)}`);
  if (role.ttl > key.verificationTtl)
    throw new InvalidRequest(
      "a role's token ttl cannot be longer than the verification_ttl of the key it references",
    );
}

function tokenPath(parts: SystemParts): EnginePath {
  return systemPath({
    pattern: 'oidc/token/{name}',
    summary: 'Gives a signed token that says who the caller is.',
    fields: { name: name('The role.') },
    operations: {
      read: { slow: true, handler: (context, input) => identityToken(parts, context, input.name) },
    },
  });
}

async function identityToken(parts: SystemParts, context: SystemContext, roleName: string): Promise<Reply> {
  const work = workOf(parts, context);
  const role = work.records.get('role', roleName);
  if (!role) throw new InvalidRequest(`role ${JSON.stringify(roleName)} not found`);
  const rights = rightsInForce(rightsOf(parts, context));
  if (!rights) throw new InvalidRequest("no entity associated with the request's token");
  if (!mayUse(existingKey(work.records, role.key), role.clientId)) {
    throw new InvalidRequest(
      `the key ${JSON.stringify(role.key)} does not list the client ID of the role ${JSON.stringify(roleName)} as an allowed client ID`,
    );
  }
  const { algorithm, pairs } = await readyKey(work, role.key);
  const nowMs = parts.clock.now();
  const issuedAt = Math.floor(nowMs / 1000);
  const claims = {
    ...populateClaims(role.template, rights.template, nowMs),
    iss: tokenIssuer(work.records.config.issuer, placeOf(parts, context)),
    namespace: work.namespaceId,
    sub: rights.entity.id,
    aud: role.clientId,
    iat: issuedAt,
    exp: issuedAt + role.ttl,
  };
  const token = await signClaims(algorithm, pairs.current, claims);
  return { data: { client_id: role.clientId, token, ttl: role.ttl } };
}

function introspectPath(parts: SystemParts): EnginePath {
  return systemPath({
    pattern: 'oidc/introspect',
    summary: 'Tells whether an identity token is good, and whom it speaks of is still there.',
    fields: {
      token: text({ description: 'The identity token.', required: true, secret: true }),
      client_id: text({ description: 'The audience that it must have.' }),
    },
    operations: {
      write: {
        slow: true,
        async handler(context, input) {
          const error = await whyInactive(parts, context, input);
          return bare(error === undefined ? { active: true } : { active: false, error });
        },
      },
    },
  });
}

/** Undefined for a token that is good. */
async function whyInactive(
  parts: SystemParts,
  context: SystemContext,
  { token, client_id: audience }: { token: string; client_id?: string | undefined },
): Promise<string | undefined> {
  const records = recordsOf(context);
  const issuer = tokenIssuer(records.config.issuer, placeOf(parts, context));
  const nowMs = parts.clock.now();
  let subject: string | undefined;
  try {
    const { kid } = decodeProtectedHeader(token);
    const key = publishedKeys(records.all('key'), nowMs).find((each) => each.kid === kid);
    if (!key) return 'unable to validate the token signature';
    const { payload } = await jwtVerify(token, createPublicKey(key.publicKey), {
      algorithms: [key.algorithm],
      issuer,
      ...(audience && { audience }),
      currentDate: new Date(nowMs),
    });
    subject = payload.sub;
  } catch (error) {
    return whyRefused(error);
  }
  const identities = parts.identity.within(context.session, context.mount.namespace.id);
  const entity = identities.records.currentEntity(subject ?? '');
  if (!entity) return 'entity was not found';
  return entity.disabled ? 'entity is disabled' : undefined;
}

function whyRefused(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'token is expired';
  if (error instanceof errors.JWTClaimValidationFailed) return `invalid ${error.claim}`;
  return 'unable to validate the token signature';
}

function wellKnownPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'oidc/.well-known/openid-configuration',
      summary: 'Where the keys of identity tokens are, for libraries of OpenID Connect.',
      public: true,
      fields: {},
      operations: {
        read: {
          handler(context) {
            const issuer = tokenIssuer(recordsOf(context).config.issuer, placeOf(parts, context));
            return bare({
              issuer,
              authorization_endpoint: '',
              jwks_uri: `${issuer}/.well-known/keys`,
              response_types_supported: ['id_token'],
              subject_types_supported: ['public'],
              id_token_signing_alg_values_supported: ALGORITHMS,
            });
          },
        },
      },
    }),
    systemPath({
      pattern: 'oidc/.well-known/keys',
      summary: 'The public keys of identity tokens.',
      public: true,
      fields: {},
      operations: {
        read: {
          handler(context) {
            const nowMs = parts.clock.now();
            const keys = [...recordsOf(context).all('key')];
            return bare(jwks(publishedKeys(keys, nowMs)), kept(cacheSeconds(keys, nowMs)));
          },
        },
      },
    }),
  ];
}

/** How long others may keep what they fetch. */
export function kept(seconds: number): Record<string, string> {
  return { 'Cache-Control': seconds > 0 ? `max-age=${seconds}` : 'no-store' };
}
