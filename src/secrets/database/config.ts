import { InvalidRequest, OutsideFailure } from '../../base/errors.ts';
import { type EnginePath, path, type RequestContext } from '../../engine/engine.ts';
import { boolean, duration, type Input, integer, list, name, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, listReply } from '../../engine/reply.ts';
import {
  type Clients,
  deleteConnection,
  existingConnection,
  pluginOf,
  putConnection,
  readConnection,
  type StoredConnection,
} from './connections.ts';
import { hasPasswordPlaceholder, shownDsn } from './dsn.ts';
import type { ConnectionDetails, DatabasePlugin } from './plugin.ts';
import { statementsField } from './sql.ts';
import { usernameFrom } from './username-template.ts';
import { hasUsers } from './users.ts';

const detailFields = {
  connection_url: text({
    description: 'Connection string; {{username}} and {{password}} in it stand for the fields of that name.',
  }),
  username: text({ description: 'The user that makes, changes and drops users.' }),
  password: text({ description: 'Its password.', secret: true }),
  max_open_connections: integer({ description: 'Connections at a time; 4 unless set.' }),
  max_idle_connections: integer({
    description: 'Connections kept when idle; as many as open at 0, none below.',
  }),
  max_connection_lifetime: duration({ description: 'How long a connection is used at most; 0 is for ever.' }),
  username_template: text({ description: 'Template for the names of users.' }),
  password_authentication: text({
    description: 'password sends passwords as they are, scram-sha-256 their SCRAM verifiers.',
    choices: ['password', 'scram-sha-256'],
  }),
  disable_escaping: boolean({
    description: 'Puts username and password into the connection string as they are.',
  }),
  tls_ca: text({ description: "PEM of the authority that signed the database's certificate." }),
  tls_certificate: text({ description: 'PEM of the certificate to show to the database.' }),
  private_key: text({ description: 'PEM of its key.', secret: true }),
};
const configFields = {
  name: name('Name of the connection.'),
  plugin_name: text({ description: 'Kind of database: postgresql-database-plugin.' }),
  plugin_version: text({ description: 'Kept, and without effect.' }),
  verify_connection: boolean({ description: 'Whether to connect before this is taken.', default: true }),
  allowed_roles: list({ description: 'Roles that may use this connection; * stands for any text.' }),
  root_rotation_statements: statementsField('Statements that set the password of username.'),
  password_policy: text({ description: 'Password policy for generated passwords.' }),
  ...detailFields,
};
type ConfigInput = Input<typeof configFields>;
const SECRET_DETAILS: ReadonlySet<string> = new Set(['password', 'private_key']);

/** `config`, `config/{name}` and `reset/{name}`. */
export function configPaths(clients: Clients): EnginePath[] {
  return [
    path({
      pattern: 'config',
      summary: 'Lists the connections.',
      fields: pageFields,
      operations: { list: { handler: ({ view }, input) => listReply(view.list('config/', pageOf(input))) } },
    }),
    path({
      pattern: 'config/{name}',
      summary: 'Makes, changes, shows or deletes a connection to a database.',
      fields: configFields,
      exists: ({ view }, input) => readConnection(view, input.name) !== undefined,
      operations: {
        write: {
          outside: true,
          handler: (context, input) =>
            context.locked(lockOf(input.name), () => writeConnection(context, input, clients)),
        },
        read: {
          handler({ view }, input) {
            const connection = readConnection(view, input.name);
            return dataReply(connection && shownConnection(connection));
          },
        },
        delete: {
          outside: true,
          handler: (context, input) =>
            context.locked(lockOf(input.name), async () => {
              const connection = readConnection(context.view, input.name);
              if (!connection) return undefined;
              const isInUse = hasUsers(context.view, connection.uid);
              deleteConnection(context.view, connection, isInUse);
              if (isInUse) context.warn('the connection is kept aside until its last user is revoked');
              else clients.drop(connection.uid);
              return undefined;
            }),
        },
      },
    }),
    path({
      pattern: 'reset/{name}',
      summary: 'Closes what is open to a database; it is opened again at the next use.',
      fields: { name: configFields.name },
      operations: {
        write: {
          handler({ view }, input) {
            clients.drop(existingConnection(view, input.name).uid);
            return undefined;
          },
        },
      },
    }),
  ];
}

/** Key of the lock under which a connection is changed. */
export function lockOf(connectionName: string): string {
  return `config/${connectionName}`;
}

/** Fails unless the database can be reached with these details. Throws `InvalidRequest`. */
export async function verifyDetails(
  plugin: DatabasePlugin,
  details: ConnectionDetails,
  random: RequestContext['random'],
): Promise<void> {
  const client = plugin.open(details, random);
  try {
    await client.verify();
  } catch (error) {
    if (!(error instanceof OutsideFailure)) throw error;
    throw new InvalidRequest(`error verifying connection: ${error.message}`);
  } finally {
    await client.close();
  }
}

async function writeConnection(
  context: RequestContext,
  input: ConfigInput,
  clients: Clients,
): Promise<undefined> {
  const { view, random } = context;
  const before = readConnection(view, input.name);
  const connection = merged(before, input, random);
  const plugin = pluginOf(connection);
  plugin.check(connection.details);
  const template = connection.details.username_template;
  if (template) {
    const sample = { displayName: 'token', roleName: 'role', nowMs: context.clock.now(), random };
    usernameFrom(template, sample, plugin.usernameLengthMax);
  }
  if (input.verify_connection) await verifyDetails(plugin, connection.details, random);
  putConnection(view, connection);
  clients.drop(connection.uid);
  const url = connection.details.connection_url ?? '';
  if (shownDsn(url) !== url && !hasPasswordPlaceholder(url)) {
    context.warn(
      'Password found in connection_url, use a templated url to enable root rotation and prevent read access to password information.',
    );
  }
  return undefined;
}

function merged(
  before: StoredConnection | undefined,
  input: ConfigInput,
  random: RequestContext['random'],
): StoredConnection {
  if (!before && !input.plugin_name) throw new InvalidRequest('empty plugin name');
  const details: Record<string, unknown> = { ...before?.details };
  for (const detailName of Object.keys(detailFields) as (keyof typeof detailFields)[]) {
    if (input[detailName] !== undefined) details[detailName] = input[detailName];
  }
  return {
    name: input.name,
    uid: before?.uid ?? random.base62(20),
    version: random.base62(20),
    plugin_name: input.plugin_name ?? before?.plugin_name ?? '',
    plugin_version: input.plugin_version ?? before?.plugin_version ?? '',
    allowed_roles: input.allowed_roles ?? before?.allowed_roles ?? [],
    root_rotation_statements: input.root_rotation_statements ?? before?.root_rotation_statements ?? [],
    password_policy: input.password_policy ?? before?.password_policy ?? '',
    details,
  };
}

/** Never a secret: not even one that was written into the connection string. */
function shownConnection(connection: StoredConnection): Record<string, unknown> {
  const details: Record<string, unknown> = {};
  for (const [detailName, value] of Object.entries(connection.details)) {
    if (!SECRET_DETAILS.has(detailName)) details[detailName] = value;
  }
  if (connection.details.connection_url !== undefined) {
    details.connection_url = shownDsn(connection.details.connection_url);
  }
  return {
    allowed_roles: connection.allowed_roles,
    connection_details: details,
    password_policy: connection.password_policy,
    plugin_name: connection.plugin_name,
    plugin_version: connection.plugin_version,
    root_credentials_rotate_statements: connection.root_rotation_statements,
  };
}
