import { type Clock, rfc3339 } from '../base/clock.ts';
import { goDuration } from '../base/duration.ts';
import { CorruptRecord, InvalidRequest } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Revision } from '../log/log.ts';
import type { Store, Transaction } from '../store/store.ts';
import type { Barrier } from './barrier.ts';

/** How far it is; kept in the store, so that it goes on after a restart. */
interface Progress {
  /** Of the key that every record is brought under. */
  readonly term: number;
  readonly state: 'running' | 'stopped' | 'complete';
  readonly startedAtMs: number;
  readonly finishedAtMs?: number;
  /** Walks through all records until one finds nothing left to do; 1 is the first. */
  readonly walk: number;
  /** The last key that this walk has done; absent at its start. */
  readonly after?: string;
  /** In this walk. */
  readonly examined: number;
  readonly damaged: number;
  readonly foundOld: number;
  /** In all walks. */
  readonly rewritten: number;
}

/** As `sys/rotate/keyring/reencryption` shows it. */
export interface ReencryptionStatus {
  /** `verifying`: all is done, and another walk proves it. */
  readonly state: 'idle' | 'running' | 'verifying' | 'stopped' | 'complete';
  readonly term: number;
  /** About how many records there are. */
  readonly records: number;
  readonly examined: number;
  readonly rewritten: number;
  readonly damaged: number;
  readonly started_at: string;
  readonly finished_at: string;
}

export interface ReencryptionOptions {
  barrier: Barrier;
  store: Store;
  clock: Clock;
  log: Logger;
}

const RECORD = { under: 'core/', key: 'reencryption' } as const;

/** What one slice does at most before requests have their turn. */
const SLICE_MS = 1;
const SLICE_REWRITTEN = 32;
const SLICE_BYTES = 128 * 1024;
/** The clock is looked at after so many records. */
const LOOK_EVERY = 8;
/** After a slice and its commit comes a pause of so many times as long: a busy disk slows it down by itself. */
const PAUSE_FACTOR = 4;
const PAUSE_MS_MIN = 10;
/** Where nothing is rewritten the position is kept as rarely as this. */
const KEEP_EVERY_MS = 5000;

/**
 * Brings every record under the key that encrypts now, in the background, a slice at a time. One walk through all
 * records suffices, since whatever is written meanwhile is under the new key; another one proves it.
 */
export class Reencryption {
  readonly #options: ReencryptionOptions;
  #progress: Progress | undefined;
  #keptAtMs = 0;
  /** Whether the loop will look at `#progress` again. */
  #looping = false;
  #loop: Promise<void> = Promise.resolve();
  #halted = false;
  #endPause: () => void = () => {};

  constructor(options: ReencryptionOptions) {
    this.#options = options;
  }

  /** Goes on with what was under way. `automatic`: begins by itself where older keys are still in use. */
  start({ automatic }: { automatic: boolean }): void {
    const { barrier, store } = this.#options;
    this.#progress = barrier.view(store.begin(), RECORD.under).get<Progress>(RECORD.key);
    const old = this.#progress?.term !== barrier.term;
    if (old ? automatic && barrier.keyStatuses.length > 1 : this.#progress?.state === 'running')
      this.#go(old ? this.#fresh() : this.#progress!);
  }

  /** Ends after the slice under way; the next `start` goes on. */
  async stop(): Promise<void> {
    this.#halted = true;
    this.#endPause();
    await this.#loop;
  }

  /** From the first record on, or where it was stopped; nothing where it is under way. Resolves when that is durable. */
  async begin(): Promise<void> {
    const { barrier, store } = this.#options;
    const known = this.#progress?.term === barrier.term ? this.#progress : undefined;
    if (this.#looping && known?.state === 'running') return;
    const stopped = known?.state === 'stopped' ? known : undefined;
    await store.durable(this.#go(stopped ? { ...stopped, state: 'running' } : this.#fresh()));
  }

  /** Lets everything be as it is until the next `begin`. Resolves when that is durable. */
  async cancel(): Promise<void> {
    if (this.#progress?.state !== 'running') return;
    this.#progress = { ...this.#progress, state: 'stopped' };
    const { store } = this.#options;
    await store.durable(this.#keep(store.begin()));
    this.#endPause();
  }

  status(): ReencryptionStatus {
    const { barrier, store } = this.#options;
    const known = this.#progress;
    const current = known && (known.term === barrier.term || known.state === 'running') ? known : undefined;
    return {
      state: current ? shownState(current) : 'idle',
      term: current?.term ?? barrier.term,
      records: store.size,
      examined: current?.examined ?? 0,
      rewritten: current?.rewritten ?? 0,
      damaged: current?.damaged ?? 0,
      started_at: current ? rfc3339(current.startedAtMs) : '',
      finished_at: current?.finishedAtMs ? rfc3339(current.finishedAtMs) : '',
    };
  }

  /** About how many records are still to be looked at. */
  get remaining(): number {
    const known = this.#progress;
    return known?.state === 'running' ? Math.max(0, this.#options.store.size - known.examined) : 0;
  }

  /**
   * Removes the keys that were replaced at least so long ago, and returns their terms once that is durable. Throws
   * `InvalidRequest` when there are none, or when a record may still need one.
   */
  async retire(olderThanSeconds: number): Promise<number[]> {
    const { barrier, store, clock, log } = this.#options;
    const keys = barrier.keyStatuses;
    const replaced = keys.slice(0, -1).map(({ term }, at) => ({ term, atMs: keys[at + 1]!.installTimeMs }));
    const limitMs = clock.now() - olderThanSeconds * 1000;
    const terms = replaced.filter(({ atMs }) => atMs <= limitMs).map(({ term }) => term);
    if (terms.length === 0)
      throw new InvalidRequest(`no key was replaced ${goDuration(olderThanSeconds)} ago or earlier`);
    const { term, state, damaged } = this.status();
    if (state !== 'complete' || term !== barrier.term)
      throw new InvalidRequest('older keys may still be needed: re-encryption is not complete');
    if (damaged > 0)
      throw new InvalidRequest(
        `older keys may still be needed: ${damaged} damaged records name one; the server's log has their names`,
      );
    await barrier.retire(store, new Set(terms));
    log.warn('older encryption keys were retired', { terms });
    return terms;
  }

  #fresh(): Progress {
    const { barrier, clock } = this.#options;
    const startedAtMs = clock.now();
    return { ...NOTHING_YET, term: barrier.term, state: 'running', startedAtMs, walk: 1, rewritten: 0 };
  }

  #go(progress: Progress): Revision {
    const { store, log } = this.#options;
    this.#progress = progress;
    this.#halted = false;
    log.info('re-encryption of older records', { term: progress.term, examined: progress.examined });
    const revision = this.#keep(store.begin());
    // A loop that is under way sees that it is at another place now.
    if (!this.#looping) this.#loop = this.#run();
    return revision;
  }

  async #run(): Promise<void> {
    const { store, clock, log } = this.#options;
    this.#looping = true;
    try {
      let walk: Walk | undefined;
      while (!this.#halted && this.#progress?.state === 'running') {
        const startedMs = clock.monotonic();
        if (walk?.at !== this.#progress) walk = openWalk(store.begin(), this.#progress);
        const revision = this.#slice(walk);
        if (revision) await store.durable(revision);
        await this.#pause(Math.max(PAUSE_MS_MIN, (clock.monotonic() - startedMs) * PAUSE_FACTOR));
      }
    } catch (error) {
      log.error('re-encryption of older records failed; it goes on after the next start', { error });
    } finally {
      this.#looping = false;
    }
  }

  /** Synchronous, hence between requests: a record that is read here is written before anybody else sees it. */
  #slice(walk: Walk): Revision | undefined {
    const { clock } = this.#options;
    const endMs = clock.monotonic() + SLICE_MS;
    const done = { examined: 0, rewritten: 0, damaged: 0, bytes: 0 };
    let after = walk.at.after;
    let ended = true;
    for (let next = walk.keys.next(); !next.done; next = walk.keys.next()) {
      after = next.value;
      this.#renew(walk.transaction, after, done);
      const late = done.examined % LOOK_EVERY === 0 && clock.monotonic() >= endMs;
      if (!late && done.rewritten < SLICE_REWRITTEN && done.bytes < SLICE_BYTES) continue;
      ended = false;
      break;
    }
    this.#progress = advanced(walk.at, done, after);
    if (ended) this.#endWalk();
    else walk.at = this.#progress;
    const nowMs = clock.monotonic();
    if (!ended && done.rewritten === 0 && nowMs - this.#keptAtMs < KEEP_EVERY_MS) return undefined;
    this.#keptAtMs = nowMs;
    return this.#keep(walk.transaction);
  }

  #renew(transaction: Transaction, key: string, done: Done): void {
    done.examined += 1;
    const envelope = transaction.get(key);
    if (!envelope) return;
    done.bytes += envelope.length;
    try {
      const renewed = this.#options.barrier.reencrypt(key, envelope);
      if (!renewed) return;
      transaction.put(key, renewed);
      done.rewritten += 1;
    } catch (error) {
      if (!(error instanceof CorruptRecord)) throw error;
      done.damaged += 1;
    }
  }

  #endWalk(): void {
    const { clock, log } = this.#options;
    const progress = this.#progress!;
    const { after: _, ...whole } = progress;
    if (progress.foundOld > 0) {
      this.#progress = { ...whole, ...NOTHING_YET, walk: progress.walk + 1 };
      return;
    }
    this.#progress = { ...whole, state: 'complete', finishedAtMs: clock.now() };
    const { term, rewritten, damaged } = progress;
    log.info('every record is under the newest encryption key', { term, rewritten, damaged });
  }

  #keep(transaction: Transaction): Revision {
    this.#options.barrier.view(transaction, RECORD.under).put(RECORD.key, this.#progress);
    return transaction.apply();
  }

  #pause(ms: number): Promise<void> {
    if (this.#halted) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}

const NOTHING_YET = { examined: 0, damaged: 0, foundOld: 0 };

/** The records that one walk still has before it. */
interface Walk {
  /** Where it stands; `#progress` is another one where somebody began anew. */
  at: Progress;
  readonly transaction: Transaction;
  readonly keys: Iterator<string>;
}

function shownState({ state, walk }: Progress): ReencryptionStatus['state'] {
  return state === 'running' && walk > 1 ? 'verifying' : state;
}

interface Done {
  examined: number;
  rewritten: number;
  damaged: number;
  bytes: number;
}

function openWalk(transaction: Transaction, at: Progress): Walk {
  return { at, transaction, keys: transaction.keys('', { after: at.after })[Symbol.iterator]() };
}

function advanced(progress: Progress, done: Done, after: string | undefined): Progress {
  return {
    ...progress,
    examined: progress.examined + done.examined,
    damaged: progress.damaged + done.damaged,
    foundOld: progress.foundOld + done.rewritten,
    rewritten: progress.rewritten + done.rewritten,
    ...(after === undefined ? {} : { after }),
  };
}
