import type { Page, View } from '../../barrier/view.ts';
import { InvalidRequest } from '../../base/errors.ts';
import { checkPasswordHash, hashPassword } from '../../crypto/password-hash.ts';
import { duration, type Input, list, lowerCase, name, text } from '../../engine/fields.ts';
import {
  mergeTokenFields,
  type StoredTokenFields,
  shownTokenFields,
  tokenFields,
} from '../../engine/login.ts';

/** Anything else in this place of a path is an unsupported path, so that a user has no second spelling but by case. */
export const usernameField = name('Name of the user; case does not matter.', { canonical: lowerCase });

export const passwordFields = {
  password: text({ description: 'The password.', secret: true }),
  password_hash: text({ description: 'A bcrypt hash of the password instead of it.', secret: true }),
};
export type PasswordInput = Partial<Input<typeof passwordFields>>;

/** What else can be set on a user. */
export const userFields = {
  policies: list({ description: 'Use token_policies.', deprecated: true }),
  ttl: duration({ description: 'Use token_ttl.', deprecated: true }),
  max_ttl: duration({ description: 'Use token_max_ttl.', deprecated: true }),
  bound_cidrs: list({ description: 'Use token_bound_cidrs.', deprecated: true }),
  ...tokenFields,
};
export type UserInput = Partial<Input<typeof userFields>>;

const LEGACY_NAMES = ['policies', 'ttl', 'max_ttl', 'bound_cidrs'] as const;

export interface User extends StoredTokenFields {
  /** Lower case: the one spelling that lockout, alias and metadata go by. */
  readonly name: string;
  /** Stays with this user only: one made later under the same name has another. */
  readonly uid: string;
  /** bcrypt. */
  readonly passwordHash: string;
  /** The deprecated fields that were last used to set their successors; a GET shows them too. */
  readonly legacy: readonly (typeof LEGACY_NAMES)[number][];
}

export function canonicalUsername(username: string): string {
  return username.toLowerCase();
}

export function readUser(view: View, username: string): User | undefined {
  return view.get<User>(`user/${canonicalUsername(username)}`);
}

export function putUser(view: View, user: User): void {
  view.put(`user/${user.name}`, user);
}

export function deleteUser(view: View, username: string): void {
  view.delete(`user/${canonicalUsername(username)}`);
}

export function listUsers(view: View, page: Page): string[] {
  return view.list('user/', page);
}

/** The hash to store, or undefined when neither a password nor a hash was given. Throws `InvalidRequest`. */
export async function newPasswordHash(input: PasswordInput): Promise<string | undefined> {
  if (input.password && input.password_hash) {
    throw new InvalidRequest('password and password_hash cannot both be given');
  }
  if (input.password) return hashPassword(input.password);
  if (!input.password_hash) return undefined;
  checkPasswordHash(input.password_hash);
  return input.password_hash;
}

/** The user with what `input` sets. Throws `InvalidRequest`. */
export function changedUser(before: User, input: UserInput): User {
  const withLegacy = {
    ...input,
    token_policies: input.token_policies ?? input.policies,
    token_ttl: input.token_ttl ?? input.ttl,
    token_max_ttl: input.token_max_ttl ?? input.max_ttl,
    token_bound_cidrs: input.token_bound_cidrs ?? input.bound_cidrs,
  };
  return {
    ...before,
    ...mergeTokenFields(withLegacy, before),
    legacy: LEGACY_NAMES.filter((legacyName) =>
      withLegacy[`token_${legacyName}`] === undefined
        ? before.legacy.includes(legacyName)
        : input[legacyName] !== undefined,
    ),
  };
}

export function newUser(username: string, uid: string, passwordHash: string): User {
  return { ...mergeTokenFields({}), name: canonicalUsername(username), uid, passwordHash, legacy: [] };
}

/** For a user's GET: never the password. */
export function shownUser(user: User): Record<string, unknown> {
  const shown = shownTokenFields(user);
  for (const legacyName of user.legacy) shown[legacyName] = user[`token_${legacyName}`];
  return shown;
}
