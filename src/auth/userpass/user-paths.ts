import { InvalidRequest, NotFound } from '../../base/errors.ts';
import { type EnginePath, path, type RequestContext } from '../../engine/engine.ts';
import type { Input } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, listReply } from '../../engine/reply.ts';
import {
  changedUser,
  deleteUser,
  listUsers,
  newPasswordHash,
  newUser,
  passwordFields,
  putUser,
  readUser,
  shownUser,
  type User,
  userFields,
  usernameField,
} from './users.ts';

const writeFields = { username: usernameField, ...passwordFields, ...userFields };

/** `users` and what is below it. */
export function userPaths(): EnginePath[] {
  return [
    path({
      pattern: 'users',
      summary: 'Lists the users.',
      fields: pageFields,
      operations: { list: { handler: ({ view }, input) => listReply(listUsers(view, pageOf(input))) } },
    }),
    path({
      pattern: 'users/{username}',
      summary: 'Makes, changes, shows or deletes a user.',
      fields: writeFields,
      exists: ({ view }, input) => readUser(view, input.username) !== undefined,
      operations: {
        write: { handler: writeUser, outside: true },
        read: {
          handler({ view }, input) {
            const user = readUser(view, input.username);
            return dataReply(user && shownUser(user));
          },
        },
        delete: { handler: ({ view }, input) => void deleteUser(view, input.username) },
      },
    }),
    passwordPath(),
    path({
      pattern: 'users/{username}/policies',
      summary: "Sets the user's policies.",
      fields: {
        username: usernameField,
        policies: userFields.policies,
        token_policies: userFields.token_policies,
      },
      operations: {
        write: {
          handler({ view }, input) {
            const user = existingUser(view, input.username);
            if (!input.token_policies && !input.policies) throw new InvalidRequest('missing token_policies');
            putUser(view, changedUser(user, input));
            return undefined;
          },
        },
      },
    }),
  ];
}

function passwordPath(): EnginePath {
  return path({
    pattern: 'users/{username}/password',
    summary: "Sets the user's password.",
    fields: { username: usernameField, ...passwordFields },
    operations: {
      write: {
        outside: true,
        async handler({ view }, input) {
          existingUser(view, input.username);
          const passwordHash = await newPasswordHash(input);
          if (passwordHash === undefined) throw new InvalidRequest('missing password');
          // Read again: while the thread pool hashed, the user may have been changed or deleted.
          putUser(view, { ...existingUser(view, input.username), passwordHash });
          return undefined;
        },
      },
    },
  });
}

async function writeUser(
  { view, random }: RequestContext,
  input: Input<typeof writeFields>,
): Promise<undefined> {
  const { username, password: _password, password_hash: _hash, ...userInput } = input;
  const missing = readUser(view, username) === undefined && !input.password && !input.password_hash;
  if (missing) throw new InvalidRequest('missing password');
  const passwordHash = await newPasswordHash(input);
  // Read again: while the thread pool hashed, the user may have been changed or deleted.
  const before = readUser(view, username);
  if (before) {
    putUser(view, changedUser({ ...before, passwordHash: passwordHash ?? before.passwordHash }, userInput));
  } else if (passwordHash !== undefined) {
    putUser(view, changedUser(newUser(username, random.base62(20), passwordHash), userInput));
  } else throw new InvalidRequest('missing password');
  return undefined;
}

/** Throws `NotFound`. */
function existingUser(view: RequestContext['view'], username: string): User {
  const user = readUser(view, username);
  if (!user) throw new NotFound('username does not exist');
  return user;
}
