import type { ConnectionOptions } from 'node:tls';
import type { Pool, PoolClient, PoolConfig } from 'pg';
import { CofferError, OutsideFailure } from '../../base/errors.ts';
import type { Dsn } from './dsn.ts';
import type { ConnectionDetails } from './plugin.ts';

/** Enough of a connection for running statements. */
export interface Connection {
  query(sql: string, parameters?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
}

const OPEN_DEFAULT = 4;
const OPEN_MAX = 100;
/** Also how long a request waits for a connection to become free. */
const CONNECT_MS_MAX = 5_000;
const STATEMENT_MS_MAX = 30_000;
/** When the server does not answer at all, not even that the statement took too long. */
const ANSWER_MS_MAX = STATEMENT_MS_MAX + 5_000;
const IDLE_MS_MAX = 300_000;
const KEEP_ALIVE_MS = 30_000;
const WAITING_MAX = 1_000;
const MESSAGE_LENGTH_MAX = 500;

type Tls = false | ConnectionOptions;
type Host = Dsn['hosts'][number];

/**
 * The connections to one PostgreSQL. The first host that can be reached is kept until it fails; every wait has an end,
 * so that a dead database costs its own requests seconds and others nothing.
 */
export class PostgresqlPool {
  readonly #dsn: Dsn;
  readonly #details: ConnectionDetails;
  #pool: Promise<Pool> | undefined;

  constructor(dsn: Dsn, details: ConnectionDetails) {
    this.#dsn = dsn;
    this.#details = details;
  }

  /** Runs `work` with a connection. Rejects with `OutsideFailure`; `secrets` never appear in its text. */
  async connected<T>(secrets: readonly string[], work: (connection: Connection) => Promise<T>): Promise<T> {
    try {
      const client = await this.#acquire();
      return await this.#release(client, work);
    } catch (error) {
      if (error instanceof CofferError) throw error;
      throw new OutsideFailure(described(error, [...secrets, this.#dsn.password ?? '']));
    }
  }

  async close(): Promise<void> {
    const pool = await this.#pool?.catch(() => undefined);
    this.#pool = undefined;
    await pool?.end().catch(() => {});
  }

  async #acquire(): Promise<PoolClient> {
    const known = this.#pool;
    this.#pool ??= this.#reach();
    const reaching = this.#pool;
    try {
      const pool = await reaching;
      if (pool.waitingCount >= WAITING_MAX)
        throw new OutsideFailure('too many requests wait for the database');
      return await pool.connect();
    } catch (error) {
      if (error instanceof CofferError || isBusy(error)) throw error;
      if (this.#pool === reaching) this.#forget(reaching);
      const mayBeElsewhere = known !== undefined && this.#dsn.hosts.length > 1 && !isServerError(error);
      if (mayBeElsewhere) return this.#acquire();
      throw error;
    }
  }

  async #release<T>(client: PoolClient, work: (connection: Connection) => Promise<T>): Promise<T> {
    let broken = false;
    const onError = () => {
      broken = true;
    };
    client.on('error', onError);
    try {
      return await work(client);
    } catch (error) {
      // A failed statement leaves its transaction open; a lost or late answer leaves nobody knows what.
      broken ||= !isServerError(error);
      if (!broken) await client.query('ROLLBACK').catch(onError);
      throw error;
    } finally {
      client.removeListener('error', onError);
      client.release(broken || (await this.#isTooManyIdle()));
    }
  }

  async #isTooManyIdle(): Promise<boolean> {
    const wanted = this.#details.max_idle_connections ?? 0;
    if (wanted === 0) return false;
    const pool = await this.#pool?.catch(() => undefined);
    return pool !== undefined && pool.idleCount >= wanted;
  }

  #forget(pool: Promise<Pool>): void {
    this.#pool = undefined;
    pool.then((reached) => reached.end()).catch(() => {});
  }

  /** Tries the hosts in turn until one answers. What a server itself refuses ends the search. */
  async #reach(): Promise<Pool> {
    let failure: unknown;
    for (const host of this.#dsn.hosts) {
      try {
        return await this.#reachHost(host);
      } catch (error) {
        if (isServerError(error)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async #reachHost(host: Host): Promise<Pool> {
    const { tls, orPlain } = tlsChoice(this.#dsn, this.#details);
    try {
      return await this.#opened(host, tls);
    } catch (error) {
      if (orPlain && error instanceof Error && /does not support SSL/.test(error.message)) {
        return this.#opened(host, false);
      }
      throw error;
    }
  }

  async #opened(host: Host, tls: Tls): Promise<Pool> {
    const { Pool } = (await import('pg')).default;
    const pool = new Pool(this.#options(host, tls));
    // A connection that breaks while idle is thrown away by the pool; unheard, the event would end the process.
    pool.on('error', () => {});
    try {
      const client = await pool.connect();
      try {
        if (this.#dsn.readWrite && !(await isWritable(client)))
          throw new Error('the host does not accept writes');
      } finally {
        client.release();
      }
      return pool;
    } catch (error) {
      await pool.end();
      throw error;
    }
  }

  #options({ host, port }: Host, tls: Tls): PoolConfig {
    const { user, password, database, connectTimeoutSeconds } = this.#dsn;
    const open = this.#details.max_open_connections ?? 0;
    const lifetimeSeconds = this.#details.max_connection_lifetime ?? 0;
    return {
      host,
      port,
      ssl: tls,
      user,
      password,
      database,
      max: open === 0 ? OPEN_DEFAULT : open < 0 ? OPEN_MAX : Math.min(open, OPEN_MAX),
      idleTimeoutMillis: IDLE_MS_MAX,
      ...(lifetimeSeconds > 0 && { maxLifetimeSeconds: lifetimeSeconds }),
      connectionTimeoutMillis: connectTimeoutSeconds ? connectTimeoutSeconds * 1000 : CONNECT_MS_MAX,
      statement_timeout: STATEMENT_MS_MAX,
      query_timeout: ANSWER_MS_MAX,
      idle_in_transaction_session_timeout: STATEMENT_MS_MAX,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      application_name: 'coffer',
      allowExitOnIdle: true,
      // Statements are filled in for the standard meaning of a backslash.
      onConnect: async (client) => void (await client.query('SET standard_conforming_strings = on')),
    };
  }
}

/** libpq's sslmodes (manual, 34.19). A configured authority is always checked. */
function tlsChoice(dsn: Dsn, details: ConnectionDetails): { tls: Tls; orPlain: boolean } {
  const own: ConnectionOptions = {
    ...(details.tls_ca && { ca: details.tls_ca }),
    ...(details.tls_certificate && { cert: details.tls_certificate, key: details.private_key }),
  };
  const unchecked = { ...own, rejectUnauthorized: false };
  const chainOnly = { ...own, checkServerIdentity: () => undefined };
  const mode = dsn.sslmode ?? (details.tls_ca ? 'verify-full' : 'prefer');
  if (mode === 'disable') return { tls: false, orPlain: false };
  if (mode === 'allow' || mode === 'prefer') return { tls: unchecked, orPlain: true };
  if (mode === 'require') return { tls: details.tls_ca ? chainOnly : unchecked, orPlain: false };
  return { tls: mode === 'verify-ca' ? chainOnly : own, orPlain: false };
}

/** All connections were in use for too long; nothing is wrong with the database. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && error.message === 'timeout exceeded when trying to connect';
}

async function isWritable(client: PoolClient): Promise<boolean> {
  const { rows } = await client.query<{ transaction_read_only: string }>('SHOW transaction_read_only');
  return rows[0]?.transaction_read_only === 'off';
}

/** An answer of the server's, as against no answer. */
export function isServerError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && 'severity' in error && 'code' in error && typeof error.code === 'string';
}

/** One line, without what is secret: a syntax error quotes the statement around it. */
function described(error: unknown, secrets: readonly string[]): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = (error instanceof Error && error.message) || code || 'no connection to the database';
  let text = isServerError(error) ? `${message} (SQLSTATE ${error.code})` : message;
  for (const secret of secrets.filter(Boolean)) text = text.replaceAll(secret, '*****');
  return text.replaceAll(/\s+/g, ' ').slice(0, MESSAGE_LENGTH_MAX);
}
