import { persist, type Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import { Unavailable } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { turn } from '../base/turn.ts';
import type { Leases } from '../leases/leases.ts';
import { dataPrefix, type Mounts } from '../mounts/mounts.ts';
import { deleteMount, mountRecords } from '../mounts/records.ts';
import { NAMESPACED_KINDS, type Namespace, namespacedPrefix } from '../namespaces/namespace.ts';
import type { Namespaces } from '../namespaces/namespaces.ts';
import type { Quotas } from '../quotas/quotas.ts';
import type { Tokens } from '../tokens/tokens.ts';
import { hasLeases } from './mount-ending.ts';

/** Records deleted between two commits. */
const SLICE = 500;
const RETRY_SECONDS_FIRST = 5;
const RETRY_SECONDS_MAX = 3600;

export interface NamespaceEndingParts {
  readonly namespaces: Namespaces;
  readonly mounts: Mounts;
  readonly leases: Leases;
  readonly tokens: Tokens;
  readonly quotas: Quotas;
  openSession(): Session;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Ends what is in a namespace that is being deleted: leases while their engines are there to revoke them, then tokens,
 * mounts with their data, and every other record. Each step can be done twice, so a start goes on where a crash came
 * between. What cannot be revoked yet keeps the namespace, out of everybody's reach, and is tried again.
 */
export class NamespaceEnding {
  readonly #parts: NamespaceEndingParts;
  readonly #running = new Map<string, Promise<void>>();
  readonly #waiting = new Map<string, () => void>();
  readonly #failures = new Map<string, number>();
  #stopped = false;

  constructor(parts: NamespaceEndingParts) {
    this.#parts = parts;
  }

  /** Begins or goes on; resolves when the namespace is gone or a step has failed and will be tried again. */
  begin(namespace: Namespace): Promise<void> {
    const running = this.#running.get(namespace.id);
    if (running) return running;
    this.#waiting.get(namespace.id)?.();
    this.#waiting.delete(namespace.id);
    const work = this.#end(namespace)
      .then(() => void this.#failures.delete(namespace.id))
      .catch((error: unknown) => this.#retryLater(namespace, error))
      .finally(() => this.#running.delete(namespace.id));
    this.#running.set(namespace.id, work);
    return work;
  }

  /** Whether it has tried and failed. */
  hasFailed({ id }: Namespace): boolean {
    return this.#failures.has(id);
  }

  /** Touches the store no more; goes on at the next start. */
  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#waiting.values()) cancel();
    this.#waiting.clear();
  }

  async #end(namespace: Namespace): Promise<void> {
    const { mounts, namespaces, quotas, openSession } = this.#parts;
    await this.#endLeases(namespace.id);
    await this.#endMounts(namespace.id);
    mounts.dropTable(namespace.id);
    for (const kind of NAMESPACED_KINDS) await this.#wipe(namespacedPrefix(kind, namespace.id));
    this.#checkRunning();
    const last = openSession();
    quotas.namespaceGone(last, namespace.path);
    namespaces.remove(last, namespace);
    await persist(last);
    mounts.dropTable(namespace.id);
  }

  /** Once more for each request that was on its way when the door closed. */
  async #endLeases(id: string): Promise<void> {
    const { leases, tokens, openSession } = this.#parts;
    do {
      this.#checkRunning();
      await tokens.revokeAll(id);
      await leases.revokePrefix(openSession(), id, '', { force: false, wait: true });
    } while (hasLeases(openSession(), id, ''));
  }

  async #endMounts(id: string): Promise<void> {
    const { mounts, openSession } = this.#parts;
    const session = openSession();
    const open = [...mounts.table(session, id).all()].map(({ entry }) => entry);
    const uuids = new Set([...open.map(({ uuid }) => uuid), ...mountRecords(session, id).keys('')]);
    for (const uuid of uuids) await this.#wipe(dataPrefix({ uuid }));
    const last = openSession();
    for (const entry of open) deleteMount(last, entry);
    await persist(last);
  }

  async #wipe(prefix: string): Promise<void> {
    for (;;) {
      this.#checkRunning();
      const session = this.#parts.openSession();
      const view = session.view(prefix);
      const keys = [...view.keys('', { limit: SLICE })];
      for (const key of keys) view.delete(key);
      await persist(session);
      if (keys.length < SLICE) return;
      await turn();
    }
  }

  #retryLater(namespace: Namespace, error: unknown): void {
    if (this.#stopped) return;
    const { clock, log } = this.#parts;
    const failures = (this.#failures.get(namespace.id) ?? 0) + 1;
    this.#failures.set(namespace.id, failures);
    const seconds = Math.min(RETRY_SECONDS_FIRST * 2 ** (failures - 1), RETRY_SECONDS_MAX);
    log.error('deleting a namespace failed; it will be tried again', {
      namespace: namespace.path,
      retrySeconds: seconds,
      error,
    });
    this.#waiting.set(
      namespace.id,
      clock.after(seconds * 1000, () => void this.begin(namespace)),
    );
  }

  #checkRunning(): void {
    if (this.#stopped) throw new Unavailable('the server is being sealed');
  }
}
