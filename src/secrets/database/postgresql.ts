import { InvalidRequest } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { parseDsn } from './dsn.ts';
import type { ConnectionDetails, DatabaseClient, DatabasePlugin, DatabaseUser } from './plugin.ts';
import { dropRole, roleExists } from './postgresql-drop.ts';
import { PostgresqlPool } from './postgresql-pool.ts';
import { inTransaction } from './postgresql-transaction.ts';
import { SCRAM_SALT_BYTES, scramVerifier } from './scram.ts';
import { fillStatement, singleStatements } from './sql.ts';

const PASSWORD_AUTHENTICATIONS = ['password', 'scram-sha-256'];
const RENEW_DEFAULT = `ALTER ROLE "{{name}}" VALID UNTIL '{{expiration}}'`;
const SET_PASSWORD_DEFAULT = `ALTER ROLE "{{username}}" WITH PASSWORD '{{password}}'`;

export const postgresql: DatabasePlugin = {
  name: 'postgresql-database-plugin',
  // PostgreSQL cuts longer identifiers, and the name that is dropped would not be the one that was made.
  usernameLengthMax: 63,
  check(details) {
    if (!details.connection_url) throw new InvalidRequest('connection_url cannot be empty');
    dsnOf(details);
    const authentication = details.password_authentication;
    if (authentication !== undefined && !PASSWORD_AUTHENTICATIONS.includes(authentication)) {
      throw new InvalidRequest(
        `password_authentication must be one of ${PASSWORD_AUTHENTICATIONS.join(', ')}`,
      );
    }
    if (Boolean(details.tls_certificate) !== Boolean(details.private_key)) {
      throw new InvalidRequest('tls_certificate and private_key belong together');
    }
  },
  open: (details, random) => new PostgresqlClient(details, random),
};

function dsnOf(details: ConnectionDetails) {
  return parseDsn(details.connection_url ?? '', {
    username: details.username ?? '',
    password: details.password ?? '',
    disableEscaping: details.disable_escaping ?? false,
  });
}

class PostgresqlClient implements DatabaseClient {
  readonly #details: ConnectionDetails;
  readonly #random: Random;
  readonly #pool: PostgresqlPool;

  constructor(details: ConnectionDetails, random: Random) {
    this.#details = details;
    this.#random = random;
    this.#pool = new PostgresqlPool(dsnOf(details), details);
  }

  verify(): Promise<void> {
    return this.#pool.connected([], async (connection) => void (await connection.query('SELECT 1')));
  }

  hasUser({ username }: Pick<DatabaseUser, 'username'>): Promise<boolean> {
    return this.#pool.connected([], (connection) => roleExists(connection, username));
  }

  async createUser(user: DatabaseUser, statements: readonly string[]): Promise<void> {
    if (singleStatements(statements).length === 0) throw new InvalidRequest('creation_statements are empty');
    await this.#run(statements, await this.#values(user));
  }

  async renewUser(user: Omit<DatabaseUser, 'password'>, statements: readonly string[]): Promise<void> {
    await this.#run(statements.length > 0 ? statements : [RENEW_DEFAULT], await this.#values(user));
  }

  async setPassword(user: Omit<DatabaseUser, 'expiresAtMs'>, statements: readonly string[]): Promise<void> {
    await this.#run(statements.length > 0 ? statements : [SET_PASSWORD_DEFAULT], await this.#values(user));
  }

  async dropUser({ username }: Pick<DatabaseUser, 'username'>, statements: readonly string[]): Promise<void> {
    if (singleStatements(statements).length === 0) {
      await this.#pool.connected([], (connection) => dropRole(connection, username));
      return;
    }
    const values = await this.#values({ username });
    try {
      await this.#run(statements, values);
    } catch (error) {
      const exists = await this.#pool.connected([], (connection) => roleExists(connection, username));
      if (exists) throw error;
    }
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  /** All of `statements` in one transaction. */
  async #run(statements: readonly string[], values: ReadonlyMap<string, string>): Promise<void> {
    const filled = singleStatements(statements).map((statement) => fillStatement(statement, values));
    const secrets = [values.get('password') ?? ''];
    await this.#pool.connected(secrets, (connection) =>
      inTransaction(connection, async () => {
        for (const statement of filled) await connection.query(statement);
      }),
    );
  }

  async #values(user: Partial<DatabaseUser> & { username: string }): Promise<ReadonlyMap<string, string>> {
    const values = new Map([
      ['name', user.username],
      ['username', user.username],
    ]);
    if (user.password !== undefined) {
      const hashed = this.#details.password_authentication === 'scram-sha-256';
      const salt = this.#random.bytes(SCRAM_SALT_BYTES);
      values.set('password', hashed ? await scramVerifier(user.password, salt) : user.password);
    }
    if (user.expiresAtMs !== undefined) values.set('expiration', timestampWithZone(user.expiresAtMs));
    return values;
  }
}

/** `2026-01-02 03:04:05+0000` */
function timestampWithZone(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}+0000`;
}
