import type { View } from '../../barrier/view.ts';
import type { WorkContext } from '../../engine/engine.ts';
import { type Clients, type ConnectionReference, findConnection, forgetRetired } from './connections.ts';

/**
 * The users that were made in databases. An intent is durable before its user is created, and becomes a user record in
 * the same commit that registers the lease; so after a crash in between an intent is left, and the sweep drops its user.
 *
 *     intent/<connection uid>/<username>
 *     user/<connection uid>/<username>
 */
export interface MadeUser {
  readonly connection: ConnectionReference;
  readonly username: string;
}

interface Intent {
  readonly connectionName: string;
  readonly createdMs: number;
}

/** A creation on another node, just deposed, may still be on its way for as long as its time limits allow. */
const INTENT_AGE_MS_MIN = 120_000;
const SWEEP_MAX = 100;

export function putIntent(view: View, user: MadeUser, nowMs: number): void {
  const intent: Intent = { connectionName: user.connection.name, createdMs: nowMs };
  view.put(`intent/${userKey(user)}`, intent);
}

export function confirmIntent(view: View, user: MadeUser): void {
  view.delete(`intent/${userKey(user)}`);
  view.put(`user/${userKey(user)}`, {});
}

/** The user is no more; so is a deleted connection that was kept for its last user. */
export function forgetUser(view: View, user: MadeUser, clients: Clients): void {
  view.delete(`intent/${userKey(user)}`);
  view.delete(`user/${userKey(user)}`);
  const { uid, name } = user.connection;
  if (hasUsers(view, uid)) return;
  forgetRetired(view, uid);
  if (findConnection(view, { uid, name })?.uid !== uid) clients.drop(uid);
}

export function hasUsers(view: View, connectionUid: string): boolean {
  return ['intent', 'user'].some((kind) => view.list(`${kind}/${connectionUid}/`, { limit: 1 }).length > 0);
}

/** Keys of users that this process is creating right now. */
export type Underway = Set<string>;

/** Drops the users of intents that nobody will confirm any more. A database that does not answer waits for the next run. */
export async function sweepIntents(
  context: WorkContext,
  clients: Clients,
  underway: Underway,
): Promise<void> {
  const { view, log } = context;
  for (const folder of view.list('intent/')) {
    const uid = folder.slice(0, -1);
    for (const key of view.list(`intent/${folder}`, { limit: SWEEP_MAX })) {
      const intent = view.get<Intent>(`intent/${folder}${key}`);
      if (!intent) continue;
      const username = decodeURIComponent(key);
      const user: MadeUser = { connection: { uid, name: intent.connectionName }, username };
      const isFresh = context.clock.now() - intent.createdMs < INTENT_AGE_MS_MIN;
      if (isFresh || underway.has(userKey(user))) continue;
      try {
        await dropOrphan(context, user, clients);
      } catch (error) {
        log.warn('a user that was never handed out is not dropped yet', { username, error });
        break;
      }
    }
  }
}

async function dropOrphan(context: WorkContext, user: MadeUser, clients: Clients): Promise<void> {
  const connection = findConnection(context.view, user.connection);
  if (!connection) throw new Error(`there is no connection ${user.connection.name} any more`);
  await clients.of(connection, context.random).dropUser({ username: user.username }, []);
  forgetUser(context.view, user, clients);
  await context.persist();
  context.log.info('dropped a user that was never handed out', { username: user.username });
}

export function userKey({ connection, username }: MadeUser): string {
  // A name may have slashes and the like; one segment of a key may not.
  return `${connection.uid}/${encodeURIComponent(username)}`;
}
