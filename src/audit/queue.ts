import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { AuditDevice } from './device.ts';
import type { AuditMetrics, EntryCounts } from './measure.ts';

export interface DeviceQueueOptions {
  readonly open: () => Promise<AuditDevice>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly measure: AuditMetrics;
}

/** A write that takes longer leaves doubt whether it will ever come to its end. */
const DOUBT_MS = 1000;
/** How long entries may wait until they count as not recorded; the write itself goes on. */
const WAIT_MS_MAX = 10_000;
/** Bytes that may wait behind a slow device. */
const WAITING_LENGTH_MAX = 32 * 1024 * 1024;
const CLOSE_WAIT_MS = 2000;
const RELOAD_WAIT_MS = 2000;
const OPEN_AGAIN_MS = 1000;
/** A device that fails is reported at once, then once in this time. */
const REPORT_AGAIN_MS = 30_000;

const NO_ENTRIES: EntryCounts = { requests: 0, responses: 0 };

interface Chunk {
  readonly lines: readonly Buffer[];
  /** None once they are told of. */
  counts: EntryCounts;
  readonly length: number;
  settle(error?: Error): void;
}

/**
 * One device's waiting entries: one write at a time, everything that waits goes out with the next. Whatever the device
 * does, a caller hears within `WAIT_MS_MAX`; while a write hangs beyond that, new entries are turned away at once, and
 * memory stays bounded. A device that could not be opened is tried again with later entries.
 */
export class DeviceQueue {
  readonly #options: DeviceQueueOptions;
  #device: AuditDevice | undefined;
  #waiting: Chunk[] = [];
  #waitingLength = 0;
  #working: Promise<void> | undefined;
  /** The device's latest call; the next one waits for it. */
  #lastCall: Promise<void> = Promise.resolve();
  #stuck = false;
  /** The latest write succeeded. */
  #proven = false;
  #writingSinceMs = 0;
  #closed = false;
  #openAgainAtMs = 0;
  #reportAgainAtMs = 0;
  #lost = 0;

  constructor(options: DeviceQueueOptions) {
    this.#options = options;
  }

  /** Whether there is reason to think that the next lines will be written. */
  get works(): boolean {
    if (!this.#proven || this.#stuck) return false;
    return !this.#working || this.#options.clock.monotonic() - this.#writingSinceMs < DOUBT_MS;
  }

  /** Resolves when the lines are written; rejects when they are not, or nobody knows in time. */
  write(lines: readonly Buffer[], counts: EntryCounts): Promise<void> {
    let length = 0;
    for (const line of lines) length += line.length;
    const refusal = this.#refusal(length);
    if (refusal) return Promise.reject(this.#lose(refusal, { counts }));
    return new Promise((resolve, reject) => {
      const chunk: Chunk = {
        lines,
        counts,
        length,
        settle: (error) => (error ? reject(error) : resolve()),
      };
      const cancel = this.#options.clock.after(WAIT_MS_MAX, () => this.#late(chunk));
      const { settle } = chunk;
      chunk.settle = (error) => {
        cancel();
        settle(error);
      };
      this.#waiting.push(chunk);
      this.#waitingLength += length;
      this.#working ??= this.#work();
    });
  }

  /** Opens the device if it is not open. Rejects with what is wrong with it. */
  async ready(): Promise<void> {
    this.#device ??= await this.#options.open();
  }

  /** Rejects with what is wrong; while a write hangs, the device is reloaded after it and nobody waits for that. */
  async reload(): Promise<void> {
    const device = this.#device;
    if (device?.reload)
      await this.#within(
        RELOAD_WAIT_MS,
        this.#alone(() => device.reload!()),
      );
  }

  /** Lets what waits go out, within bounds, and closes the device. */
  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#stuck) await this.#within(CLOSE_WAIT_MS, this.#working);
    await this.#within(CLOSE_WAIT_MS, this.#device?.close());
    this.#device = undefined;
  }

  /** Devices are promised one call at a time. */
  #alone(call: () => Promise<void>): Promise<void> {
    const mine = this.#lastCall.then(call);
    this.#lastCall = mine.catch(() => {});
    return mine;
  }

  #within(ms: number, work: Promise<void> | undefined): Promise<void> {
    if (!work) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.after(ms, resolve);
      work.then(resolve, reject).finally(cancel);
    });
  }

  #refusal(length: number): Error | undefined {
    if (this.#closed) return new Error('the audit device was disabled');
    if (this.#stuck) return new Error('the audit device does not respond');
    if (this.#waitingLength + length > WAITING_LENGTH_MAX)
      return new Error('too many entries wait for the audit device');
    return undefined;
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const chunks = this.#waiting;
      this.#waiting = [];
      this.#writingSinceMs = this.#options.clock.monotonic();
      const error = await this.#attempt(chunks);
      const ms = this.#options.clock.monotonic() - this.#writingSinceMs;
      this.#stuck = false;
      this.#proven = error === undefined;
      for (const chunk of chunks) {
        this.#waitingLength -= chunk.length;
        if (error) chunk.settle(this.#lose(error, chunk));
        else {
          this.#options.measure.written(chunk.counts, ms);
          chunk.settle();
        }
      }
    }
    this.#working = undefined;
  }

  async #attempt(chunks: readonly Chunk[]): Promise<Error | undefined> {
    const { clock, open } = this.#options;
    try {
      if (!this.#device) {
        if (clock.monotonic() < this.#openAgainAtMs) return new Error('the audit device could not be opened');
        this.#openAgainAtMs = clock.monotonic() + OPEN_AGAIN_MS;
        this.#device = await open();
      }
      const device = this.#device;
      const lines = chunks.length === 1 ? chunks[0]!.lines : chunks.flatMap((chunk) => chunk.lines);
      await this.#alone(() => device.write(lines));
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #late(chunk: Chunk): void {
    const place = this.#waiting.indexOf(chunk);
    if (place >= 0) {
      this.#waiting.splice(place, 1);
      this.#waitingLength -= chunk.length;
    } else this.#stuck = true;
    chunk.settle(this.#lose(new Error('the audit device does not respond'), chunk));
  }

  /** Counted and, now and then, reported. */
  #lose(error: Error, entries: { counts: EntryCounts }): Error {
    const { clock, log, measure } = this.#options;
    const { counts } = entries;
    entries.counts = NO_ENTRIES;
    measure.lost(counts);
    this.#lost += counts.requests + counts.responses;
    if (clock.monotonic() >= this.#reportAgainAtMs) {
      this.#reportAgainAtMs = clock.monotonic() + REPORT_AGAIN_MS;
      log.error('audit entries were not written to this device', { entries: this.#lost, error });
      this.#lost = 0;
    }
    return error;
  }
}
