import { type Connection, isServerError } from './postgresql-pool.ts';

/**
 * GRANTs and REVOKEs on the same object at the same time fail instead of waiting, with an internal error by this text;
 * the others are PostgreSQL's own invitations to try again. Whoever was in the way has then committed.
 */
const CONFLICT = /tuple concurrently (?:updated|deleted)/;
const CONFLICT_CODES: ReadonlySet<string> = new Set(['40001', '40P01']);
const ATTEMPTS_MAX = 20;

/** Runs `work` in one transaction, anew when another one was in its way. */
export async function inTransaction(connection: Connection, work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await connection.query('BEGIN');
      await work();
      await connection.query('COMMIT');
      return;
    } catch (error) {
      const conflicts =
        isServerError(error) && (CONFLICT_CODES.has(error.code) || CONFLICT.test(error.message));
      if (!conflicts || attempt === ATTEMPTS_MAX) throw error;
      await connection.query('ROLLBACK');
    }
  }
}
