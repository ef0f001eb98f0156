import { InvalidRequest } from '../../base/errors.ts';
import { type EnginePath, path, type RequestContext, type WorkContext } from '../../engine/engine.ts';
import { name } from '../../engine/fields.ts';
import { lockOf, verifyDetails } from './config.ts';
import {
  type Clients,
  existingConnection,
  pluginOf,
  putConnection,
  readConnection,
  type StoredConnection,
} from './connections.ts';
import { hasPasswordPlaceholder } from './dsn.ts';

/** A new password that is durable before the database is told; which of the two holds after a crash is found by trying. */
interface Rotation {
  readonly connectionUid: string;
  readonly password: string;
}

export function rotateRootPath(clients: Clients): EnginePath {
  return path({
    pattern: 'rotate-root/{name}',
    summary: 'Gives the user of a connection a new password that nobody sees.',
    fields: { name: name('Name of the connection.') },
    operations: {
      write: {
        outside: true,
        handler: (context, input) =>
          context.locked(lockOf(input.name), () => rotateRoot(context, input.name, clients)),
      },
    },
  });
}

/** Ends rotations that a crash or a lost connection left open. */
export async function settleRotations(context: WorkContext, clients: Clients): Promise<void> {
  for (const connectionName of context.view.list('rotation/')) {
    try {
      await context.locked(lockOf(connectionName), () => settle(context, connectionName, clients));
    } catch (error) {
      context.log.warn('a password rotation is still open', { connection: connectionName, error });
    }
  }
}

async function rotateRoot(
  context: RequestContext,
  connectionName: string,
  clients: Clients,
): Promise<undefined> {
  const { view } = context;
  await settle(context, connectionName, clients);
  const connection = existingConnection(view, connectionName);
  const { username, connection_url: url } = connection.details;
  if (!username || !hasPasswordPlaceholder(url ?? '')) {
    throw new InvalidRequest(
      'to rotate the password, connection_url must use {{password}} and username be set',
    );
  }
  const password = context.generatePassword(connection.password_policy || undefined);
  view.put(`rotation/${connectionName}`, { connectionUid: connection.uid, password } satisfies Rotation);
  await context.persist();
  try {
    const client = clients.of(connection, context.random);
    await client.setPassword({ username, password }, connection.root_rotation_statements);
  } catch (error) {
    // Whether the database took it is not sure when the answer was lost.
    await settle(context, connectionName, clients).catch(() => {});
    await context.persist();
    throw error;
  }
  adopt(context, connection, password, clients);
  return undefined;
}

async function settle(context: WorkContext, connectionName: string, clients: Clients): Promise<void> {
  const { view } = context;
  const rotation = view.get<Rotation>(`rotation/${connectionName}`);
  if (!rotation) return;
  const connection = readConnection(view, connectionName);
  if (connection?.uid !== rotation.connectionUid) {
    view.delete(`rotation/${connectionName}`);
    return;
  }
  const plugin = pluginOf(connection);
  const details = { ...connection.details, password: rotation.password };
  try {
    await verifyDetails(plugin, details, context.random);
    adopt(context, connection, rotation.password, clients);
  } catch {
    await verifyDetails(plugin, connection.details, context.random);
    view.delete(`rotation/${connectionName}`);
  }
}

function adopt(context: WorkContext, connection: StoredConnection, password: string, clients: Clients): void {
  const { view, random } = context;
  const details = { ...connection.details, password };
  putConnection(view, { ...connection, version: random.base62(20), details });
  view.delete(`rotation/${connection.name}`);
  clients.drop(connection.uid);
}
