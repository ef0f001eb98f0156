import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { Sketch } from './sketch.ts';

/** What leases can be told apart by. */
export const DIMENSIONS = ['mount', 'role', 'entity'] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** Where a lease comes from, as keys: each with the path of its namespace before it; undefined where there is none. */
export type Origin = Readonly<Record<Dimension, string | undefined>>;

/** As an operator knows it. */
export interface Created {
  readonly namespace: string;
  /** With trailing slash, within the namespace. */
  readonly mount: string;
  /** Of the request, within the namespace. */
  readonly path: string;
  /** Of a login or token role; '' for none. */
  readonly role: string;
  /** '' for none. */
  readonly entityId: string;
  readonly isToken: boolean;
}

/** A login's role under its mount; a leased credential's path, which names its role. */
export function originOf({ namespace, mount, path, role, entityId, isToken }: Created): Origin {
  const place = namespace + mount;
  return {
    mount: place,
    role: role !== '' ? `${place}${role}` : isToken ? undefined : namespace + path,
    entity: entityId === '' ? undefined : namespace + entityId,
  };
}

const KEYS_MAX = 200;
const WINDOW_MS = 600_000;
/** Leases of one creator in a window that are worth a warning. */
const EXPLOSION = 10_000;

type Sketches = Readonly<Record<Dimension, Sketch>>;

/** One for each dimension. */
export function newSketches(): Sketches {
  return { mount: new Sketch(KEYS_MAX), role: new Sketch(KEYS_MAX), entity: new Sketch(KEYS_MAX) };
}

/**
 * Who makes the most leases, since the server was unsealed and of late, in bounded memory; an explosion is said in the
 * server log while it begins.
 */
export class LeaseCreators {
  readonly #clock: Clock;
  readonly #log: Logger;
  #total = newSketches();
  #now = newSketches();
  #before = newSketches();
  #windowStartMs: number;
  readonly startedAtMs: number;

  constructor(parts: { clock: Clock; log: Logger }) {
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.startedAtMs = parts.clock.now();
    this.#windowStartMs = parts.clock.monotonic();
  }

  note(created: Created): void {
    this.#turnWindow();
    const origin = originOf(created);
    for (const by of DIMENSIONS) {
      const key = origin[by];
      if (key === undefined) continue;
      this.#total[by].add(key);
      const { count, error } = this.#now[by].add(key);
      if (count - error === EXPLOSION) this.#warn(by, key);
    }
  }

  /** Since the server was unsealed; the most first. */
  total(by: Dimension): ReturnType<Sketch['top']> {
    return this.#total[by].top();
  }

  /** In this window and the one before: of the last ten to twenty minutes. */
  recent(by: Dimension): { key: string; count: number }[] {
    this.#turnWindow();
    const counts = new Map<string, number>();
    for (const sketch of [this.#now[by], this.#before[by]])
      for (const { key, count } of sketch.top()) counts.set(key, (counts.get(key) ?? 0) + count);
    return Array.from(counts, ([key, count]) => ({ key, count })).sort((a, b) => b.count - a.count);
  }

  /** What `recent` is about. */
  get recentSeconds(): number {
    this.#turnWindow();
    return Math.round((WINDOW_MS + this.#clock.monotonic() - this.#windowStartMs) / 1000);
  }

  #turnWindow(): void {
    const windows = Math.floor((this.#clock.monotonic() - this.#windowStartMs) / WINDOW_MS);
    if (windows === 0) return;
    this.#before = windows === 1 ? this.#now : newSketches();
    this.#now = newSketches();
    this.#windowStartMs += windows * WINDOW_MS;
  }

  #warn(by: Dimension, key: string): void {
    this.#log.warn('somebody makes very many leases', {
      [by]: key,
      leases: EXPLOSION,
      withinSeconds: Math.round((this.#clock.monotonic() - this.#windowStartMs) / 1000),
    });
  }
}
