import { InvalidRequest } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import type { EnginePath } from '../../engine/engine.ts';
import { boolean, duration, list, name, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, listReply } from '../../engine/reply.ts';
import { claimNames } from '../../identity/oidc/claims-template.ts';
import { checkedIssuer, providerIssuer } from '../../identity/oidc/issuer.ts';
import { existingKey } from '../../identity/oidc/oidc.ts';
import {
  type Client,
  DEFAULT,
  type OidcRecords,
  OPENID,
  type Provider,
} from '../../identity/oidc/records.ts';
import { type SystemContext, systemPath } from '../../mounts/system-context.ts';
import type { SystemParts } from '../parts.ts';
import { placeOf, recordsOf } from './oidc-shared.ts';

const DAY_SECONDS = 86_400;
const CLIENT_ID_LENGTH = 32;
const CLIENT_SECRET_LENGTH = 64;

/** Applications that people sign in to, and the providers that they do it through. */
export function oidcClientPaths(parts: SystemParts): EnginePath[] {
  return [...clientPaths(parts), ...providerPaths(parts)];
}

function clientPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'oidc/client',
      summary: 'Lists the applications that people can sign in to.',
      fields: pageFields,
      operations: {
        list: {
          handler(context, input) {
            const records = recordsOf(context);
            const names = records.names('client', pageOf(input));
            return listReply(
              names,
              infoOf(names, (each) => withoutSecret(records.get('client', each))),
            );
          },
        },
      },
    }),
    systemPath({
      pattern: 'oidc/client/{name}',
      summary: 'Makes, changes, shows or deletes an application that people can sign in to.',
      fields: {
        name: name('The client.'),
        key: text({
          description: 'The key that signs its tokens; stays as first set. "default" unless set.',
        }),
        redirect_uris: list({ description: 'Where people may be sent back to.' }),
        assignments: list({ description: 'Who may sign in; allow_all for everybody.' }),
        client_type: text({
          description: 'Whether it can keep a secret; stays as first set. "confidential" unless set.',
          choices: ['confidential', 'public'],
        }),
        id_token_ttl: duration({ description: 'How long its identity tokens are good; 24h unless set.' }),
        access_token_ttl: duration({ description: 'How long its access tokens are good; 24h unless set.' }),
        authorization_code: boolean({ description: 'Whether people may sign in to it; true unless set.' }),
        client_credentials: boolean({
          description: 'Whether it may have tokens for itself; true unless set, never for a public client.',
        }),
      },
      operations: {
        read: {
          handler(context, input) {
            const client = recordsOf(context).get('client', input.name);
            return dataReply(client && shownClient(client));
          },
        },
        write: {
          handler(context, input) {
            const records = recordsOf(context);
            const before = records.get('client', input.name);
            if (before && input.key !== undefined && input.key !== before.key)
              throw new InvalidRequest('key modification is not allowed');
            if (before && input.client_type !== undefined && input.client_type !== before.clientType)
              throw new InvalidRequest('client_type modification is not allowed');
            const start = before ?? newClient(parts, input.name, input.client_type === 'public');
            const client: Client = {
              ...start,
              key: input.key ?? start.key,
              redirectUris: input.redirect_uris ?? start.redirectUris,
              assignments: input.assignments ?? start.assignments,
              idTokenTtl: input.id_token_ttl ?? start.idTokenTtl,
              accessTokenTtl: input.access_token_ttl ?? start.accessTokenTtl,
              authorizationCode: input.authorization_code ?? start.authorizationCode,
              clientCredentials: input.client_credentials ?? start.clientCredentials,
            };
            checkClient(records, client);
            records.putClient(client);
            return undefined;
          },
        },
        delete: {
          handler(context, input) {
            const records = recordsOf(context);
            const client = records.get('client', input.name);
            if (client) records.deleteClient(client);
            return undefined;
          },
        },
      },
    }),
  ];
}

function newClient({ random }: SystemParts, clientName: string, isPublic: boolean): Client {
  return {
    name: clientName,
    clientId: random.base62(CLIENT_ID_LENGTH),
    clientSecret: isPublic ? '' : `hvo_secret_${random.base62(CLIENT_SECRET_LENGTH)}`,
    clientType: isPublic ? 'public' : 'confidential',
    key: DEFAULT,
    redirectUris: [],
    assignments: [],
    idTokenTtl: DAY_SECONDS,
    accessTokenTtl: DAY_SECONDS,
    authorizationCode: true,
    clientCredentials: !isPublic,
  };
}

function checkClient(records: OidcRecords, client: Client): void {
  const { verificationTtl } = existingKey(records, client.key);
  if (client.idTokenTtl <= 0 || client.accessTokenTtl <= 0)
    throw new InvalidRequest('id_token_ttl and access_token_ttl must be positive');
  if (client.idTokenTtl > verificationTtl)
    throw new InvalidRequest(
      "a client's id_token_ttl cannot be greater than the verification_ttl of the key it references",
    );
  for (const assignment of client.assignments)
    if (!records.get('assignment', assignment))
      throw new InvalidRequest(`assignment ${JSON.stringify(assignment)} does not exist`);
  for (const uri of client.redirectUris) {
    if (!URL.canParse(uri) || uri.includes('#') || /^(javascript|data|vbscript):/i.test(uri))
      throw new InvalidRequest('redirect_uris must be absolute URIs without a fragment');
  }
  if (client.clientType === 'public' && client.clientCredentials)
    throw new InvalidRequest('a public client cannot use the client_credentials grant');
}

function shownClient(client: Client): UnknownRecord {
  const secret = client.clientType === 'confidential' ? { client_secret: client.clientSecret } : {};
  return { ...withoutSecret(client), ...secret };
}

function withoutSecret(client: Client | undefined): UnknownRecord | undefined {
  return (
    client && {
      access_token_ttl: client.accessTokenTtl,
      assignments: client.assignments,
      authorization_code: client.authorizationCode,
      client_credentials: client.clientCredentials,
      client_id: client.clientId,
      client_type: client.clientType,
      id_token_ttl: client.idTokenTtl,
      key: client.key,
      redirect_uris: client.redirectUris,
    }
  );
}

function providerPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'oidc/provider',
      summary: 'Lists the OpenID providers.',
      fields: {
        ...pageFields,
        allowed_client_id: text({ description: 'Only those that serve this client.', query: true }),
      },
      operations: {
        list: {
          handler(context, input) {
            const records = recordsOf(context);
            const wanted = input.allowed_client_id;
            const names = records.names('provider', pageOf(input)).filter((each) => {
              const allowed = records.get('provider', each)?.allowedClientIds ?? [];
              return !wanted || allowed.includes('*') || allowed.includes(wanted);
            });
            return listReply(
              names,
              infoOf(names, (each) => shownProvider(parts, context, records.get('provider', each))),
            );
          },
        },
      },
    }),
    systemPath({
      pattern: 'oidc/provider/{name}',
      summary: 'Makes, changes, shows or deletes an OpenID provider.',
      fields: {
        name: name('The provider.'),
        issuer: text({ description: 'scheme://host:port; the server’s own api_addr unless set.' }),
        allowed_client_ids: list({ description: 'Ids of the clients that it serves; * for all.' }),
        scopes_supported: list({ description: 'Scopes that clients may ask for.' }),
      },
      operations: {
        read: {
          handler: (context, input) =>
            dataReply(shownProvider(parts, context, recordsOf(context).get('provider', input.name))),
        },
        write: {
          handler(context, input) {
            const records = recordsOf(context);
            const before = records.get('provider', input.name);
            const provider: Provider = {
              name: input.name,
              issuer: checkedIssuer(input.issuer ?? before?.issuer ?? ''),
              allowedClientIds: input.allowed_client_ids ?? before?.allowedClientIds ?? [],
              scopesSupported: input.scopes_supported ?? before?.scopesSupported ?? [],
            };
            warnOfConflicts(context, records, provider);
            records.put('provider', provider);
            return undefined;
          },
        },
        delete: {
          handler(context, input) {
            if (input.name === DEFAULT)
              throw new InvalidRequest('deletion of OIDC provider "default" not allowed');
            recordsOf(context).delete('provider', input.name);
            return undefined;
          },
        },
      },
    }),
  ];
}

/** Two scopes that make the same claim cannot be asked for together. */
function warnOfConflicts(context: SystemContext, records: OidcRecords, { scopesSupported }: Provider): void {
  const scopeOf = new Map<string, string>();
  for (const scopeName of scopesSupported) {
    if (scopeName === OPENID)
      throw new InvalidRequest('"openid" scope is always supported and cannot be listed');
    const scope = records.get('scope', scopeName);
    if (!scope) throw new InvalidRequest(`scope ${JSON.stringify(scopeName)} does not exist`);
    for (const claim of claimNames(scope.template)) {
      const other = scopeOf.get(claim);
      if (other)
        context.warn(
          `Found scope templates with conflicting top-level keys: conflict ${JSON.stringify(claim)} in scopes ${JSON.stringify(other)}, ${JSON.stringify(scopeName)}. This may result in an error if the scopes are requested in an OIDC Authentication Request.`,
        );
      scopeOf.set(claim, scopeName);
    }
  }
}

function shownProvider(
  parts: SystemParts,
  context: SystemContext,
  provider: Provider | undefined,
): UnknownRecord | undefined {
  return (
    provider && {
      allowed_client_ids: provider.allowedClientIds,
      issuer: providerIssuer(provider, placeOf(parts, context)),
      scopes_supported: provider.scopesSupported,
    }
  );
}

function infoOf(names: readonly string[], info: (name: string) => UnknownRecord | undefined): UnknownRecord {
  return Object.fromEntries(
    names.flatMap((each) => {
      const found = info(each);
      return found ? [[each, found]] : [];
    }),
  );
}
