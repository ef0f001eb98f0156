import type { View } from '../../barrier/view.ts';
import { InvalidCredentials, InvalidRequest, PermissionDenied } from '../../base/errors.ts';
import { cidrContains, parseCidrList } from '../../crypto/cidr.ts';
import { type EnginePath, path, type RequestContext, type WorkContext } from '../../engine/engine.ts';
import { text } from '../../engine/fields.ts';
import { type LoginRenewal, type TokenParameters, tokenParameters } from '../../engine/login.ts';
import type { Reply } from '../../engine/reply.ts';
import type { Fingerprints } from './fingerprints.ts';
import { type Role, readRole, readRoleById } from './roles.ts';
import { isCidrSubset } from './secret-id-paths.ts';
import { type FoundSecretId, findSecretId, useSecretId } from './secret-ids.ts';

/** What a token made here remembers of its login. */
interface LoginInternal extends Record<string, unknown> {
  readonly roleName: string;
  readonly roleUid: string;
  /** The secret-id's own restriction of tokens; empty when it had none. */
  readonly tokenCidrs: readonly string[];
}

export function loginPath(fingerprints: Fingerprints): EnginePath {
  return path({
    pattern: 'login',
    summary: 'Logs in with a role-id and a secret-id.',
    public: true,
    fields: {
      role_id: text({ description: 'The id of the role.', required: true }),
      secret_id: text({
        description: 'A secret-id of the role; needed unless the role does without.',
        default: '',
        secret: true,
      }),
    },
    loginName: (_context, input) => input.role_id || undefined,
    loginRole: ({ view }, input) => readRoleById(view, fingerprints, input.role_id)?.name,
    operations: {
      write: {
        handler(context, input) {
          if (input.role_id === '') throw new InvalidRequest('missing role_id');
          return logIn(fingerprints, context, { roleId: input.role_id, id: input.secret_id });
        },
      },
    },
  });
}

/** The role must be the same one still; what it says of tokens now holds from now on. */
export function renewRole({ view }: WorkContext, login: LoginRenewal): TokenParameters {
  const internal = login.internal as LoginInternal;
  const role = readRole(view, internal.roleName);
  if (!role || role.uid !== internal.roleUid) {
    throw new InvalidRequest(`role ${JSON.stringify(internal.roleName)} does not exist during renewal`);
  }
  return parametersOf(role, internal.tokenCidrs);
}

function logIn(
  fingerprints: Fingerprints,
  context: RequestContext,
  credentials: { roleId: string; id: string },
): Reply {
  const { view, clock } = context;
  const { role, found } = provenRole(fingerprints, context, credentials);
  checkAddresses(context, role, found);
  if (found) useSecretId(view, found, clock.now());
  const metadata = { ...found?.secretId.metadata, role_name: role.name };
  const tokenCidrs = found?.secretId.tokenCidrs ?? [];
  return {
    login: {
      aliasName: role.role_id,
      role: role.name,
      aliasMetadata: metadata,
      displayName: '',
      metadata,
      token: parametersOf(role, tokenCidrs),
      internal: { roleName: role.name, roleUid: role.uid, tokenCidrs } satisfies LoginInternal,
    },
  };
}

/**
 * The role and secret-id that the credentials belong to. Every failure has one text and the same look-ups, so that
 * nobody learns which role-ids exist. Throws `InvalidCredentials`.
 */
function provenRole(
  fingerprints: Fingerprints,
  { view, clock }: RequestContext,
  { roleId, id }: { roleId: string; id: string },
): { role: Role; found: FoundSecretId | undefined } {
  const role = readRoleById(view, fingerprints, roleId) ?? nobody(view);
  const roleUid = role?.uid ?? '-';
  const fingerprint = fingerprints.ofSecretId(view, roleUid, id);
  const found = findSecretId(view, { roleUid, fingerprint }, clock.now());
  if (!role || (role.bind_secret_id && !found)) throw new InvalidCredentials('invalid role or secret ID');
  return { role, found: role.bind_secret_id ? found : undefined };
}

/** Does the look-up that an existing role would have cost. */
function nobody(view: View): undefined {
  readRole(view, '-');
}

/** After the credentials, so that it tells strangers nothing, and before a use is counted. */
function checkAddresses(
  { request: { remoteAddress } }: RequestContext,
  role: Role,
  found: FoundSecretId | undefined,
): void {
  const refuse = (whose: string) => {
    throw new InvalidRequest(
      `source address ${JSON.stringify(remoteAddress)} unauthorized through CIDR restrictions on the ${whose}`,
    );
  };
  if (!isWithin(remoteAddress, role.secret_id_bound_cidrs)) refuse('role');
  if (found) {
    const { cidrs, tokenCidrs } = found.secretId;
    // The role may have been narrowed since the secret-id was made.
    const stillWithin =
      isCidrSubset(cidrs, role.secret_id_bound_cidrs) && isCidrSubset(tokenCidrs, role.token_bound_cidrs);
    if (!stillWithin || !isWithin(remoteAddress, cidrs)) refuse('secret ID');
    if (!isWithin(remoteAddress, tokenCidrs)) throw new PermissionDenied();
  }
  if (!isWithin(remoteAddress, role.token_bound_cidrs)) throw new PermissionDenied();
}

function isWithin(address: string, cidrs: readonly string[]): boolean {
  return cidrs.length === 0 || cidrContains(parseCidrList(cidrs), address);
}

function parametersOf(role: Role, tokenCidrs: readonly string[]): TokenParameters {
  const parameters = tokenParameters(role);
  return tokenCidrs.length > 0 ? { ...parameters, boundCidrs: tokenCidrs } : parameters;
}
