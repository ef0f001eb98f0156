import { InvalidRequest, OutsideFailure } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import {
  type EnginePath,
  type LeaseKind,
  path,
  type RequestContext,
  type WorkContext,
} from '../../engine/engine.ts';
import { name } from '../../engine/fields.ts';
import type { Reply } from '../../engine/reply.ts';
import {
  type Clients,
  existingConnection,
  findConnection,
  pluginOf,
  type StoredConnection,
} from './connections.ts';
import type { DatabaseClient, DatabaseUser } from './plugin.ts';
import { type Role, readRole } from './roles.ts';
import { USERNAME_TEMPLATE_DEFAULT, usernameFrom } from './username-template.ts';
import { confirmIntent, forgetUser, type MadeUser, putIntent, type Underway, userKey } from './users.ts';

/** All that renewal and revocation need. */
interface LeasedUser extends UnknownRecord {
  readonly connectionUid: string;
  readonly connectionName: string;
  readonly username: string;
  readonly roleName: string;
  readonly roleUid: string;
  /** As of the issue; the role's present ones win while it is there, so that a mistake in them can be mended. */
  readonly revocationStatements: readonly string[];
}

/** The database's own expiry comes a little later, so that it never beats a renewal that is on its way. */
const EXPIRY_GRACE_MS = 5_000;

export const LEASE_KIND = 'user';

export function credsPath(clients: Clients, underway: Underway): EnginePath {
  return path({
    pattern: 'creds/{name}',
    summary: 'Makes a database user that lives as long as its lease.',
    fields: { name: name('Name of the role.') },
    operations: {
      read: {
        outside: true,
        leased: true,
        activeOnly: true,
        handler: (context, input) => issue(context, input.name, { clients, underway }),
      },
    },
  });
}

export function userLease(clients: Clients): LeaseKind {
  return {
    async revoke(context, internal) {
      const leased = internal as LeasedUser;
      const connection = connectionOf(context, leased);
      const role = readRole(context.view, leased.roleName);
      const statements =
        role?.uid === leased.roleUid ? role.revocation_statements : leased.revocationStatements;
      await clients.of(connection, context.random).dropUser({ username: leased.username }, statements);
      forgetUser(context.view, madeUser(leased), clients);
    },
    async renew(context, lease) {
      const leased = lease.internal as LeasedUser;
      const role = readRole(context.view, leased.roleName);
      if (role?.uid !== leased.roleUid) {
        throw new InvalidRequest(
          `error during renew: could not find role with name: ${JSON.stringify(leased.roleName)}`,
        );
      }
      const maxMs = role.max_ttl > 0 ? lease.issuedAtMs + role.max_ttl * 1000 : Number.POSITIVE_INFINITY;
      const expiresAtMs = Math.min(lease.expiresAtMs, maxMs);
      const client = clients.of(connectionOf(context, leased), context.random);
      await client.renewUser(
        { username: leased.username, expiresAtMs: expiresAtMs + EXPIRY_GRACE_MS },
        role.renew_statements,
      );
      return {
        ttl: Math.floor((expiresAtMs - context.clock.now()) / 1000),
        maxTtl: role.max_ttl,
      };
    },
  };
}

async function issue(
  context: RequestContext,
  roleName: string,
  state: { clients: Clients; underway: Underway },
): Promise<Reply> {
  const { view, clock, random } = context;
  const role = readRole(view, roleName);
  if (!role) throw new InvalidRequest(`unknown role: ${roleName}`);
  const connection = existingConnection(view, role.db_name);
  if (!connection.allowed_roles.some((pattern) => globMatches(pattern, roleName))) {
    throw new InvalidRequest(`${JSON.stringify(roleName)} is not an allowed role`);
  }
  const ttl = firstTtl(role, context);
  const input = { displayName: context.caller?.displayName ?? '', roleName, nowMs: clock.now(), random };
  const username = usernameFrom(
    connection.details.username_template || USERNAME_TEMPLATE_DEFAULT,
    input,
    pluginOf(connection).usernameLengthMax,
  );
  const password = context.generatePassword(
    role.credential_config.password_policy || connection.password_policy || undefined,
  );
  const user = { username, password, expiresAtMs: clock.now() + ttl * 1000 + EXPIRY_GRACE_MS };
  await makeUser(context, { connection, role, user }, state);
  const internal: LeasedUser = {
    connectionUid: connection.uid,
    connectionName: connection.name,
    username,
    roleName,
    roleUid: role.uid,
    revocationStatements: role.revocation_statements,
  };
  return {
    data: { username, password },
    lease: { kind: LEASE_KIND, internal, ttl, maxTtl: role.max_ttl, renewable: true },
  };
}

/** Alone among those of the same name, so that none takes down what another made. */
function makeUser(
  context: RequestContext,
  made: { connection: StoredConnection; role: Role; user: DatabaseUser },
  { clients, underway }: { clients: Clients; underway: Underway },
): Promise<void> {
  const { view } = context;
  const { connection, role, user } = made;
  const place: MadeUser = { connection, username: user.username };
  return context.locked(`user/${userKey(place)}`, async () => {
    const client = clients.of(connection, context.random);
    if (await client.hasUser(user)) {
      throw new InvalidRequest('username_template gave the name of an existing user; it needs randomness');
    }
    underway.add(userKey(place));
    try {
      putIntent(view, place, context.clock.now());
      await context.persist();
      await client.createUser(user, role.creation_statements);
      confirmIntent(view, place);
    } catch (error) {
      if (await isUndone(client, user, role)) {
        forgetUser(view, place, clients);
        await context.persist();
      }
      throw error;
    } finally {
      underway.delete(userKey(place));
    }
  });
}

/** Whether nothing is left of a creation that failed; if not, its intent stays for the sweep. */
async function isUndone(client: DatabaseClient, user: DatabaseUser, role: Role): Promise<boolean> {
  try {
    if (role.rollback_statements.length > 0) await client.dropUser(user, role.rollback_statements);
    await client.dropUser(user, []);
    return true;
  } catch {
    return false;
  }
}

function connectionOf({ view }: WorkContext, leased: LeasedUser): StoredConnection {
  const connection = findConnection(view, madeUser(leased).connection);
  if (!connection) throw new OutsideFailure(`there is no connection ${leased.connectionName} any more`);
  return connection;
}

function madeUser({ connectionUid, connectionName, username }: LeasedUser): MadeUser {
  return { connection: { uid: connectionUid, name: connectionName }, username };
}

/** What the host will give the lease. */
function firstTtl(role: Role, { mount }: RequestContext): number {
  const maxTtl = Math.min(role.max_ttl || mount.maxLeaseTtl, mount.maxLeaseTtl);
  return Math.min(role.default_ttl || mount.defaultLeaseTtl, maxTtl);
}

function globMatches(pattern: string, text: string): boolean {
  const pieces = pattern.split('*').map((piece) => piece.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${pieces.join('.*')}$`).test(text);
}
