import type { Random } from '../../base/random.ts';
import { postgresql } from './postgresql.ts';

/** A kind of database, as `plugin_name` names it. What differs between databases is behind this. */
export interface DatabasePlugin {
  readonly name: string;
  readonly usernameLengthMax: number;
  /** Throws `InvalidRequest` for details that cannot be right; touches nothing outside. */
  check(details: ConnectionDetails): void;
  /** Connects when first used. */
  open(details: ConnectionDetails, random: Random): DatabaseClient;
}

/** How to reach a database, as stored; wire names. */
export interface ConnectionDetails {
  readonly connection_url?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly max_open_connections?: number | undefined;
  readonly max_idle_connections?: number | undefined;
  /** Seconds. */
  readonly max_connection_lifetime?: number | undefined;
  readonly username_template?: string | undefined;
  readonly password_authentication?: string | undefined;
  readonly disable_escaping?: boolean | undefined;
  /** PEM. */
  readonly tls_ca?: string | undefined;
  readonly tls_certificate?: string | undefined;
  readonly private_key?: string | undefined;
}

export interface DatabaseUser {
  readonly username: string;
  readonly password: string;
  readonly expiresAtMs: number;
}

/**
 * One database, connected when first used. Every method rejects with `OutsideFailure`, whose text carries no password,
 * within a time limit; each runs its statements in one transaction where the database has them.
 */
export interface DatabaseClient {
  verify(): Promise<void>;
  hasUser(user: Pick<DatabaseUser, 'username'>): Promise<boolean>;
  createUser(user: DatabaseUser, statements: readonly string[]): Promise<void>;
  renewUser(user: Omit<DatabaseUser, 'password'>, statements: readonly string[]): Promise<void>;
  /** Resolves as well when there is no such user. Without statements: whatever the database needs to be rid of it. */
  dropUser(user: Pick<DatabaseUser, 'username'>, statements: readonly string[]): Promise<void>;
  setPassword(user: Omit<DatabaseUser, 'expiresAtMs'>, statements: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export const databasePlugins: ReadonlyMap<string, DatabasePlugin> = new Map(
  [postgresql].map((plugin) => [plugin.name, plugin]),
);
