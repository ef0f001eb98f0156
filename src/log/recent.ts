import { type Commit, LogCompacted, type Revision } from './log.ts';

/** How much of the past a log keeps in memory for its followers. */
export interface RecentLimits {
  commits: number;
  bytes: number;
}

export const RECENT_LIMITS_DEFAULT: RecentLimits = { commits: 4096, bytes: 4 * 1024 * 1024 };

/**
 * The newest commits of a log, bounded by number and bytes, and the followers waiting for the next one.
 * The oldest go first; whoever still needed them has to load a snapshot.
 */
export class RecentCommits {
  readonly #limits: RecentLimits;
  #commits: { commit: Commit; bytes: number }[] = [];
  #bytes = 0;
  /** The newest revision; what is kept ends here. */
  #newest: Revision;
  #closed = false;
  #waiting = new Set<() => void>();

  constructor(newest: Revision, limits: RecentLimits = RECENT_LIMITS_DEFAULT) {
    this.#newest = newest;
    this.#limits = limits;
  }

  add(commit: Commit): void {
    const bytes = commit.batch.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);
    this.#commits.push({ commit, bytes });
    this.#bytes += bytes;
    this.#newest = commit.revision;
    this.#trim();
    this.#wake();
  }

  /** Forgets everything and goes on after `newest`: what led there was not seen here. */
  restart(newest: Revision): void {
    this.#commits = [];
    this.#bytes = 0;
    this.#newest = newest;
    this.#wake();
  }

  /** Followers end. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** As `Log.follow`. */
  async *follow(from: Revision, signal: AbortSignal): AsyncGenerator<Commit, void, undefined> {
    let position = from;
    while (!signal.aborted && !this.#closed) {
      if (position >= this.#newest) {
        await this.#changed(signal);
        continue;
      }
      const next = this.#after(position);
      position = next.revision;
      yield next;
    }
  }

  #after(position: Revision): Commit {
    const oldest = this.#newest - this.#commits.length + 1;
    const found = this.#commits[position + 1 - oldest];
    if (!found) throw new LogCompacted(`revision ${position + 1} is no longer kept; the oldest is ${oldest}`);
    return found.commit;
  }

  /** Drops from the front in strides, so that adding stays cheap however many are kept. */
  #trim(): void {
    let excess = 0;
    let bytes = this.#bytes;
    while (
      excess < this.#commits.length &&
      (this.#commits.length - excess > this.#limits.commits || bytes > this.#limits.bytes)
    ) {
      bytes -= this.#commits[excess]!.bytes;
      excess += 1;
    }
    if (excess === 0) return;
    const stride = Math.max(excess, Math.min(this.#commits.length, this.#limits.commits >> 3));
    const dropped = this.#commits.splice(0, stride);
    this.#bytes -= dropped.reduce((sum, one) => sum + one.bytes, 0);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake);
    });
  }
}
