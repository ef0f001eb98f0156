import { persist, type Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import { CofferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { openPlace } from './places/open.ts';
import { type SnapshotPlace, snapshotName, snapshotTime } from './places/place.ts';
import {
  getSchedule,
  getStatus,
  putStatus,
  type Schedule,
  type ScheduleStatus,
  scheduleNames,
} from './schedule.ts';
import type { Snapshots } from './snapshots.ts';

export interface SchedulerOptions {
  snapshots: Pick<Snapshots, 'take'>;
  openSession(): Session;
  metrics: Metrics;
  clock: Clock;
  log: Logger;
  /** Otherwise by the schedule's `storage_type`. */
  open?: (schedule: Schedule) => Promise<SnapshotPlace>;
}

const LOOK_EVERY_MS = 1000;
const RETRY_SECONDS_FIRST = 30;
const RETRY_SECONDS_MAX = 3600;

/** Takes snapshots by their schedules, one at a time. What fails is shown, and tried again sooner than it would be due. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #abort = new AbortController();
  #cancel: (() => void) | undefined;
  #running = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    options.metrics.observed('snapshot.auto.failing', () => this.#failing());
  }

  start(): void {
    this.#cancel = this.#options.clock.after(LOOK_EVERY_MS, () => {
      this.start();
      if (!this.#running) void this.#look();
    });
  }

  /** Ends a run under way, without waiting for what is outside. */
  stop(): void {
    this.#cancel?.();
    this.#abort.abort(new Error('the server is being sealed'));
  }

  async #look(): Promise<void> {
    this.#running = true;
    try {
      const session = this.#options.openSession();
      for (const name of scheduleNames(session)) {
        const schedule = getSchedule(session, name);
        if (this.#abort.signal.aborted) return;
        if (schedule && dueAtMs(schedule, getStatus(session, name)) <= this.#options.clock.now())
          await this.#run(name, schedule);
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#options.log.error('looking for due snapshots failed', { error });
    } finally {
      this.#running = false;
    }
  }

  async #run(name: string, schedule: Schedule): Promise<void> {
    const { clock, log, metrics } = this.#options;
    const startedAtMs = clock.now();
    let url = '';
    try {
      const place = await (this.#options.open ?? openPlace)(schedule);
      try {
        const file = snapshotName(schedule.file_prefix, startedAtMs);
        url = place.url(file);
        await this.#note(name, (before) => ({ ...before, startedAtMs, url }));
        await place.tidy();
        const { body } = await this.#options.snapshots.take();
        await place.write(file, body, this.#abort.signal);
        const kept = await this.#thin(place, schedule).catch((error: unknown) => reasonOf(error));
        if (kept) log.warn('older snapshots could not be removed', { schedule: name, error: kept });
        await this.#note(name, () => ended({ startedAtMs, url }, clock.now(), kept));
      } finally {
        place.close?.();
      }
      metrics.counter('snapshot.auto.success', { name }).add();
      log.info('took a scheduled snapshot', { schedule: name, url });
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      metrics.counter('snapshot.auto.failure', { name }).add();
      log.error('a scheduled snapshot failed; it will be tried again', { schedule: name, error });
      await this.#note(name, ({ failures, ...before }) => ({
        ...before,
        ...{ startedAtMs: undefined, url: undefined },
        lastStartedAtMs: startedAtMs,
        lastEndedAtMs: clock.now(),
        lastError: reasonOf(error),
        failures: failures + 1,
      }));
    }
  }

  /** Removes the oldest beyond those to keep. */
  async #thin(place: SnapshotPlace, { file_prefix, retain }: Schedule): Promise<undefined> {
    const dated = (await place.names()).flatMap((name) => {
      const time = snapshotTime(file_prefix, name);
      return time === undefined ? [] : [{ name, time }];
    });
    dated.sort((a, b) => (a.time < b.time ? 1 : -1));
    for (const { name } of dated.slice(retain)) await place.remove(name);
  }

  /** Unless the schedule was deleted meanwhile. */
  async #note(name: string, change: (before: ScheduleStatus) => ScheduleStatus): Promise<void> {
    const session = this.#options.openSession();
    if (!getSchedule(session, name)) return;
    putStatus(session, name, change(getStatus(session, name)));
    await persist(session);
  }

  *#failing(): Iterable<readonly [{ name: string }, number]> {
    const session = this.#options.openSession();
    for (const name of scheduleNames(session)) yield [{ name }, getStatus(session, name).failures];
  }
}

/** At once when it never ran: so a mistake in it shows. */
function dueAtMs({ interval }: Schedule, { lastStartedAtMs, failures }: ScheduleStatus): number {
  if (lastStartedAtMs === undefined) return 0;
  const retry = Math.min(RETRY_SECONDS_FIRST * 2 ** (failures - 1), RETRY_SECONDS_MAX);
  return lastStartedAtMs + 1000 * (failures === 0 ? interval : Math.min(retry, interval));
}

function ended(
  run: { startedAtMs: number; url: string },
  nowMs: number,
  error: string | undefined,
): ScheduleStatus {
  return {
    lastStartedAtMs: run.startedAtMs,
    lastEndedAtMs: nowMs,
    lastUrl: run.url,
    lastError: error ?? '',
    failures: 0,
  };
}

/** Errors of the system name paths of the operator's own; others may hold anything. */
function reasonOf(error: unknown): string {
  if (error instanceof CofferError) return error.message;
  if (error instanceof Error && 'code' in error && 'syscall' in error) return error.message;
  return 'internal error; see the server log';
}
