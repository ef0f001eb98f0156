import type { Barrier } from '../barrier/barrier.ts';
import { openSession, type Session } from '../barrier/session.ts';
import { type Clock, rfc3339 } from '../base/clock.ts';
import { InvalidRequest, NotFound } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { readStaged } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import type { Snapshots, StagedSnapshot } from './snapshots.ts';

export interface LoadedOptions {
  snapshots: Pick<Snapshots, 'load'>;
  store: Store;
  barrier: Pick<Barrier, 'beside'>;
  clock: Clock;
  random: Random;
}

/** A snapshot that lies beside what is served, to be looked into. */
export interface LoadedSnapshot {
  readonly id: string;
  readonly staged: StagedSnapshot;
  readonly expiresAtMs: number;
  /** What was stored then; nothing can be written. */
  session(): Session;
  close(): void;
}

const KEPT_MS = 72 * 60 * 60_000;

/** The snapshot that is loaded, if any: one at a time, for three days at most, and not over a restart. */
export class LoadedSnapshots {
  readonly #options: LoadedOptions;
  #loaded: LoadedSnapshot | undefined;
  #loading = false;

  constructor(options: LoadedOptions) {
    this.#options = options;
  }

  /** Rejects with `InvalidRequest` for a file that is not whole or not of this server's keys, and while another is loaded. */
  async load(source: AsyncIterable<Uint8Array>): Promise<LoadedSnapshot> {
    if (this.#loaded || this.#loading)
      throw new InvalidRequest('another snapshot is loaded; unload it first, for there can be only one');
    this.#loading = true;
    try {
      const staged = await this.#options.snapshots.load(source);
      this.#loaded = this.#open(staged);
      return this.#loaded;
    } finally {
      this.#loading = false;
    }
  }

  ids(): string[] {
    return this.#loaded ? [this.#loaded.id] : [];
  }

  /** Throws `NotFound`. */
  get(id: string): LoadedSnapshot {
    if (this.#loaded?.id !== id) throw new NotFound();
    return this.#loaded;
  }

  unload(id: string): void {
    this.get(id).close();
  }

  close(): void {
    this.#loaded?.close();
  }

  #open(staged: StagedSnapshot): LoadedSnapshot {
    const { store, barrier, clock, random } = this.#options;
    const opened = barrier.beside(readStaged(staged.records));
    const cancel = clock.after(KEPT_MS, () => loaded.close());
    const loaded: LoadedSnapshot = {
      id: random.uuid(),
      staged,
      expiresAtMs: clock.now() + KEPT_MS,
      session: () => openSession({ store, barrier: opened }, readStaged(staged.records)),
      close: () => {
        cancel();
        if (this.#loaded === loaded) this.#loaded = undefined;
        opened.seal();
        staged.records.discard();
      },
    };
    return loaded;
  }
}

/** As `sys/storage/raft/snapshot-load` shows it. */
export function shownLoaded({ id, staged, expiresAtMs }: LoadedSnapshot) {
  return {
    snapshot_id: id,
    status: 'ready',
    cluster_id: staged.meta.cluster_id,
    created_at: staged.meta.created_at,
    expires_at: rfc3339(expiresAtMs),
  };
}
