import { InvalidCredentials, InvalidRequest, PermissionDenied } from '../../base/errors.ts';
import { cidrContains, parseCidrList } from '../../crypto/cidr.ts';
import { equalSecrets } from '../../crypto/compare.ts';
import { verifyNobody, verifyPassword } from '../../crypto/password-hash.ts';
import { type EnginePath, path, type RequestContext, type WorkContext } from '../../engine/engine.ts';
import { type Input, text } from '../../engine/fields.ts';
import { type LoginRenewal, type TokenParameters, tokenParameters } from '../../engine/login.ts';
import type { Reply } from '../../engine/reply.ts';
import { canonicalUsername, readUser, type User, usernameField } from './users.ts';

interface LoginInternal extends Record<string, unknown> {
  readonly username: string;
  readonly userUid: string;
  readonly policies: readonly string[];
}

const loginFields = {
  username: usernameField,
  password: text({ description: 'The password.', default: '', secret: true }),
};

export function loginPath(): EnginePath {
  return path({
    pattern: 'login/{username}',
    summary: 'Logs in with a user name and a password.',
    public: true,
    fields: loginFields,
    loginName: (_context, input) => canonicalUsername(input.username),
    loginRole: (_context, input) => canonicalUsername(input.username),
    operations: { write: { handler: logIn, outside: true } },
  });
}

/** The user must be the same one still, with the same policies; Vault refuses a renewal after they changed. */
export function renewUser({ view }: WorkContext, login: LoginRenewal): TokenParameters {
  const internal = login.internal as LoginInternal;
  const user = readUser(view, internal.username);
  if (!user || user.uid !== internal.userUid) {
    throw new InvalidRequest(`user ${JSON.stringify(internal.username)} does not exist during renewal`);
  }
  if (user.token_policies.join() !== internal.policies.join()) {
    throw new InvalidRequest('policies have changed, not renewing');
  }
  return tokenParameters(user);
}

async function logIn(context: RequestContext, input: Input<typeof loginFields>): Promise<Reply> {
  if (input.password === '') throw new InvalidRequest('missing password');
  const user = await provenUser(context, canonicalUsername(input.username), input.password);
  const { remoteAddress } = context.request;
  if (
    user.token_bound_cidrs.length > 0 &&
    !cidrContains(parseCidrList(user.token_bound_cidrs), remoteAddress)
  ) {
    throw new PermissionDenied();
  }
  const metadata = { username: user.name };
  return {
    login: {
      aliasName: user.name,
      role: user.name,
      aliasMetadata: metadata,
      displayName: user.name,
      metadata,
      token: tokenParameters(user),
      internal: {
        username: user.name,
        userUid: user.uid,
        policies: user.token_policies,
      } satisfies LoginInternal,
    },
  };
}

/** The user, as of after the check. Takes as long for unknown users. Throws `InvalidCredentials`. */
async function provenUser({ view }: RequestContext, username: string, password: string): Promise<User> {
  const before = readUser(view, username);
  const verified = before
    ? await verifyPassword(password, before.passwordHash)
    : await verifyNobody(password);
  // Read again: while the thread pool hashed, the user may have been deleted or got another password.
  const user = readUser(view, username);
  if (!verified || !before || !user || !equalSecrets(user.passwordHash, before.passwordHash)) {
    throw new InvalidCredentials('invalid username or password');
  }
  return user;
}
