import type { UnknownRecord } from '../../base/json.ts';
import type { TemplateIdentity } from '../../policies/templates.ts';
import { populateClaims } from './claims-template.ts';
import { OauthError } from './errors.ts';
import type { OidcRecords } from './records.ts';

/** Somebody without an identity: a client that acts for itself. */
export const NO_IDENTITY: TemplateIdentity = {
  entity: { id: '', name: '', metadata: {}, aliases: new Map() },
  groups: [],
};

/** What the scopes tell of somebody. Throws `OauthError` where two of them give one claim two meanings. */
export function claimsOfScopes(
  records: OidcRecords,
  scopes: readonly string[],
  identity: TemplateIdentity,
  nowMs: number,
): UnknownRecord {
  const claims: UnknownRecord = {};
  for (const name of scopes) {
    const scope = records.get('scope', name);
    if (!scope) continue;
    for (const [key, value] of Object.entries(populateClaims(scope.template, identity, nowMs))) {
      if (Object.hasOwn(claims, key))
        throw new OauthError(
          'invalid_request',
          `conflicting claim ${JSON.stringify(key)} in the requested scopes`,
        );
      Object.defineProperty(claims, key, { value, enumerable: true, configurable: true, writable: true });
    }
  }
  return claims;
}
