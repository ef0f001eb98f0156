import type { View } from '../../barrier/view.ts';
import { InvalidRequest } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import {
  type ConnectionDetails,
  type DatabaseClient,
  type DatabasePlugin,
  databasePlugins,
} from './plugin.ts';

/**
 * How databases are reached. A deleted connection is kept aside while users made over it live, so that their leases
 * can still be revoked.
 *
 *     config/<name>       the connection
 *     retired/<uid>       a deleted one that is still needed
 */
export interface StoredConnection {
  readonly name: string;
  /** Stays with this connection only: one made later under the same name has another. */
  readonly uid: string;
  /** Changes with every write: what was opened for another version is out of date. */
  readonly version: string;
  readonly plugin_name: string;
  readonly plugin_version: string;
  readonly allowed_roles: readonly string[];
  readonly root_rotation_statements: readonly string[];
  readonly password_policy: string;
  readonly details: ConnectionDetails;
}

/** What a user or lease remembers of its connection. */
export interface ConnectionReference {
  readonly uid: string;
  readonly name: string;
}

export function readConnection(view: View, connectionName: string): StoredConnection | undefined {
  return view.get<StoredConnection>(`config/${connectionName}`);
}

/** Throws `InvalidRequest`. */
export function existingConnection(view: View, connectionName: string): StoredConnection {
  const connection = readConnection(view, connectionName);
  if (!connection) {
    throw new InvalidRequest(
      `failed to find entry for connection with name: ${JSON.stringify(connectionName)}`,
    );
  }
  return connection;
}

/** The same connection, deleted or not; failing that the one that has its name now. */
export function findConnection(view: View, { uid, name }: ConnectionReference): StoredConnection | undefined {
  const named = readConnection(view, name);
  return named?.uid === uid ? named : (view.get<StoredConnection>(`retired/${uid}`) ?? named);
}

export function putConnection(view: View, connection: StoredConnection): void {
  view.put(`config/${connection.name}`, connection);
}

export function deleteConnection(view: View, connection: StoredConnection, isInUse: boolean): void {
  view.delete(`config/${connection.name}`);
  if (isInUse) view.put(`retired/${connection.uid}`, connection);
}

export function forgetRetired(view: View, uid: string): void {
  if (view.get(`retired/${uid}`) !== undefined) view.delete(`retired/${uid}`);
}

/** Throws `InvalidRequest`. */
export function pluginOf(connection: Pick<StoredConnection, 'plugin_name'>): DatabasePlugin {
  const plugin = databasePlugins.get(connection.plugin_name);
  if (!plugin) {
    throw new InvalidRequest(
      `unknown plugin_name ${JSON.stringify(connection.plugin_name)}; there is ${[...databasePlugins.keys()].join(', ')}`,
    );
  }
  return plugin;
}

/** Clients by connection, opened when first asked for and replaced when the connection was written anew. */
export class Clients {
  readonly #open = new Map<string, { version: string; client: DatabaseClient }>();

  of(connection: StoredConnection, random: Random): DatabaseClient {
    const known = this.#open.get(connection.uid);
    if (known?.version === connection.version) return known.client;
    this.drop(connection.uid);
    const client = pluginOf(connection).open(connection.details, random);
    this.#open.set(connection.uid, { version: connection.version, client });
    return client;
  }

  /** Work under way ends in peace. */
  drop(uid: string): void {
    const known = this.#open.get(uid);
    this.#open.delete(uid);
    known?.client.close().catch(() => {});
  }

  async close(): Promise<void> {
    const clients = [...this.#open.values()].map(({ client }) => client);
    this.#open.clear();
    await Promise.all(clients.map((client) => client.close()));
  }
}
