/**
 * Activity: which clients used the server in which month, and how many requests there were. A client is an entity, or
 * the tokens without one that may do the same. Owns noting and counting; who a token belongs to is identity's.
 *
 * Noting costs a request one look whether its token was met already. First meetings are kept for a moment and written
 * together; what a crash loses of them is met again.
 */
import { persist, type Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Mounts } from '../mounts/mounts.ts';
import { namespaceIdOf, type Token } from '../tokens/token.ts';
import {
  addClient,
  type Client,
  clientIdOf,
  dropMonth,
  type Month,
  monthAfter,
  monthOf,
  storedMonths,
} from './clients.ts';

export interface ActivityParts {
  readonly mounts: Mounts;
  openSession(): Session;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface ActivityConfig {
  readonly enabled: 'default' | 'enable' | 'disable';
  readonly retentionMonths: number;
  readonly defaultReportMonths: number;
}

const CONFIG = 'core/activity/config';
const REQUESTS = 'core/activity/requests/';
const CONFIG_DEFAULT: ActivityConfig = { enabled: 'default', retentionMonths: 48, defaultReportMonths: 12 };
const RETENTION_MONTHS = { min: 48, max: 60 };
const WRITE_MS = 10_000;
/** First meetings that may wait; one more writes them. */
const WAITING_MAX = 1000;
/** Clients remembered as noted; of others the store is asked. */
const NOTED_MAX = 50_000;
const DROP_SLICE = 1000;

export class Activity {
  readonly #parts: ActivityParts;
  #met = new WeakSet<Token>();
  #noted = new Set<string>();
  #waiting = new Map<string, Client>();
  #requests = 0;
  #month: Month;
  #config = CONFIG_DEFAULT;
  #cancel: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();
  #running = false;

  constructor(parts: ActivityParts) {
    this.#parts = parts;
    this.#month = monthOf(parts.clock.now());
  }

  start(session: Session): void {
    this.#config = { ...CONFIG_DEFAULT, ...session.view('').get<ActivityConfig>(CONFIG) };
    this.#running = true;
    this.#schedule();
  }

  /** Writes what waits; the store is not touched after it. */
  async stop(): Promise<void> {
    this.#cancel?.();
    if (this.#running) await this.write();
    this.#running = false;
  }

  get config(): ActivityConfig {
    return this.#config;
  }

  /** What is not given stays. Throws `InvalidRequest`. */
  configure(session: Session, change: Partial<ActivityConfig>): void {
    const config = { ...this.#config, ...change };
    const { min, max } = RETENTION_MONTHS;
    if (config.retentionMonths < min || config.retentionMonths > max)
      throw new InvalidRequest(`retention_months must be between ${min} and ${max}`);
    if (config.defaultReportMonths < 1)
      throw new InvalidRequest('default_report_months must be greater than 0');
    session.view('').put(CONFIG, config);
    session.afterApply(() => {
      this.#config = config;
      if (config.enabled !== 'disable') return;
      this.#forget();
      void this.#drop(this.#month);
    });
  }

  /** On the way of every request that has a token. */
  note(token: Token): void {
    this.#requests++;
    if (!this.#met.has(token)) this.#first(token);
  }

  /** A token was made for somebody who logged in. */
  noteLogin(token: Token): void {
    this.#first(token);
  }

  /** What reports know its client by. */
  clientId(token: Token): string {
    return clientIdOf(token, namespaceIdOf(token));
  }

  /** By month, the latest first. */
  requests(session: Session): { month: Month; total: number }[] {
    const view = session.view(REQUESTS);
    return view
      .list('')
      .map((month) => ({ month, total: view.get<number>(month) ?? 0 }))
      .reverse();
  }

  /** Writes what waits, so that a report has it. */
  write(): Promise<void> {
    this.#writing = this.#writing.then(() =>
      this.#write().catch((error) =>
        this.#parts.log.warn('who was active could not be written; it is tried again', { error }),
      ),
    );
    return this.#writing;
  }

  #first(token: Token): void {
    this.#met.add(token);
    if (this.#config.enabled === 'disable' || token.wrapped) return;
    const namespaceId = namespaceIdOf(token);
    const id = clientIdOf(token, namespaceId);
    if (this.#noted.has(id)) return;
    if (this.#noted.size >= NOTED_MAX) this.#noted.clear();
    this.#noted.add(id);
    this.#waiting.set(id, {
      id,
      kind: token.entityId === '' ? 'token' : 'entity',
      namespaceId,
      mountAccessor: this.#accessorOf(token),
      firstSeenSeconds: Math.floor(this.#parts.clock.now() / 1000),
    });
    if (this.#waiting.size === WAITING_MAX) void this.write();
  }

  /** The auth method it came from; of a token made by a token, that of tokens. */
  #accessorOf(token: Token): string {
    if (token.login) return token.login.mountAccessor;
    return this.#parts.mounts.loadedAt(namespaceIdOf(token), token.path)?.entry.accessor ?? '';
  }

  #schedule(): void {
    this.#cancel = this.#parts.clock.after(WRITE_MS, () => {
      this.#schedule();
      void this.write();
    });
  }

  async #write(): Promise<void> {
    if (!this.#running) return;
    const month = this.#month;
    const waiting = this.#waiting;
    const requests = this.#requests;
    this.#waiting = new Map();
    this.#requests = 0;
    try {
      if (waiting.size > 0 || requests > 0) {
        const session = this.#parts.openSession();
        for (const client of waiting.values()) addClient(session, month, client);
        const counts = session.view(REQUESTS);
        if (requests > 0) counts.put(month, (counts.get<number>(month) ?? 0) + requests);
        await persist(session);
      }
    } catch (error) {
      this.#waiting = new Map([...waiting, ...this.#waiting]);
      this.#requests += requests;
      throw error;
    }
    await this.#turnMonth();
  }

  async #turnMonth(): Promise<void> {
    const now = monthOf(this.#parts.clock.now());
    if (now === this.#month) return;
    this.#month = now;
    this.#forget();
    const oldest = monthAfter(now, -this.#config.retentionMonths);
    for (const month of storedMonths(this.#parts.openSession())) if (month < oldest) await this.#drop(month);
  }

  #forget(): void {
    this.#met = new WeakSet();
    this.#noted = new Set();
    this.#waiting = new Map();
  }

  async #drop(month: Month): Promise<void> {
    for (let done = false; !done && this.#running; ) {
      const session = this.#parts.openSession();
      done = dropMonth(session, month, DROP_SLICE);
      await persist(session);
    }
  }
}
