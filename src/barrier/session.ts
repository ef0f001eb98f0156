import type { Revision } from '../log/log.ts';
import type { Store, Transaction } from '../store/store.ts';
import type { View } from './view.ts';

/**
 * The store as one request (or one piece of background work) sees it: views over one transaction, so that everything
 * it writes commits together.
 */
export interface Session {
  /** Everything under `prefix` ('' or ending in '/'). */
  view(prefix: string): View;
  /** Makes the writes so far visible to others; wait for `settled` before telling anybody. */
  apply(): void;
  /** Runs `work` once, right after the next `apply`; forgotten by `discard`. For background work that must see the writes. */
  afterApply(work: () => void): void;
  /** Forgets the writes since the last `apply`. */
  discard(): void;
  /** What was read and applied is durable once this resolves; undefined when it already is. */
  settled(): Promise<void> | undefined;
}

export interface SessionSource {
  /** Called with the writes that are about to be applied; what it writes goes with them. */
  beforeApply?: (session: Session, writes: Transaction['writes']) => void;
  store: Store;
  barrier: {
    view(transaction: Transaction, prefix: string): View;
    readonly term: number;
    renewWrites(transaction: Transaction): void;
  };
}

/** `transaction`: one that holds writes already, to commit with the session's. */
export function openSession(source: SessionSource, transaction = source.store.begin()): Session {
  const { store, barrier } = source;
  let applied: Revision = 0;
  let waiting: (() => void)[] = [];
  let { term } = barrier;
  const session: Session = {
    view: (prefix) => barrier.view(transaction, prefix),
    apply() {
      if (transaction.dirty) source.beforeApply?.(session, transaction.writes);
      // The key was replaced while somebody waited for an outside system: nothing is written under the older one any more.
      if (barrier.term !== term) {
        barrier.renewWrites(transaction);
        term = barrier.term;
      }
      applied = Math.max(applied, transaction.apply());
      const ready = waiting;
      waiting = [];
      for (const work of ready) work();
    },
    afterApply: (work) => {
      waiting.push(work);
    },
    discard() {
      waiting = [];
      transaction.discard();
    },
    settled() {
      const revision = Math.max(applied, transaction.dependsOn);
      return revision === 0 ? undefined : store.durable(revision);
    },
  };
  return session;
}

/** Makes the session's writes durable. */
export async function persist(session: Session): Promise<void> {
  session.apply();
  await session.settled();
}
