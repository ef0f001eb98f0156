import type { Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import { Unavailable, unlessCorrupt } from '../base/errors.ts';
import { turn } from '../base/turn.ts';
import { getLease, leaseIdOfKey, leaseKeys } from '../leases/records.ts';
import { namespaceIdIn } from '../namespaces/namespace.ts';
import { storedToken } from '../tokens/token.ts';
import { DIMENSIONS, type Dimension, newSketches, type Origin, originOf } from './creators.ts';

export interface LiveLeasesParts {
  openSession(): Session;
  /** By the namespace's id. */
  namespacePath(id: string): string;
  /** The mount that a path of a namespace falls under, with trailing slash. */
  mountOf(session: Session, namespaceId: string, path: string): string;
  readonly clock: Clock;
}

/** All leases that there are, by who made them. */
export interface LiveCount {
  readonly atMs: number;
  readonly total: number;
  /** The most first; exact but for what came and went meanwhile. */
  readonly by: Readonly<Record<Dimension, readonly { readonly key: string; readonly count: number }[]>>;
}

const SLICE = 500;

/**
 * Counts all leases by who made them, in slices, so that others are served meanwhile, and in bounded memory: one pass finds who has
 * the most, and where those were too many to be counted at once, a second one counts them.
 */
export class LiveLeases {
  readonly #parts: LiveLeasesParts;
  #counting: Promise<LiveCount> | undefined;
  #stopped = false;
  /** Of the last count. */
  last: LiveCount | undefined;

  constructor(parts: LiveLeasesParts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Whoever asks while a count is under way gets its result. */
  count(): Promise<LiveCount> {
    this.#counting ??= this.#count().finally(() => {
      this.#counting = undefined;
    });
    return this.#counting;
  }

  async #count(): Promise<LiveCount> {
    const sketches = newSketches();
    let total = 0;
    await this.#walk((origin) => {
      total++;
      for (const by of DIMENSIONS) if (origin[by] !== undefined) sketches[by].add(origin[by]);
    });
    const counts = new Map<Dimension, Map<string, number>>();
    for (const by of DIMENSIONS)
      counts.set(by, new Map(sketches[by].top().map(({ key, count }) => [key, count])));
    const vague = DIMENSIONS.filter((by) => !sketches[by].exact);
    if (vague.length > 0) await this.#countAgain(counts, vague);
    const sorted = (by: Dimension) =>
      Array.from(counts.get(by)!, ([key, count]) => ({ key, count })).sort((a, b) => b.count - a.count);
    this.last = {
      atMs: this.#parts.clock.now(),
      total,
      by: { mount: sorted('mount'), role: sorted('role'), entity: sorted('entity') },
    };
    return this.last;
  }

  async #countAgain(
    counts: ReadonlyMap<Dimension, Map<string, number>>,
    vague: readonly Dimension[],
  ): Promise<void> {
    for (const by of vague) {
      const keys = counts.get(by)!;
      for (const key of keys.keys()) keys.set(key, 0);
    }
    await this.#walk((origin) => {
      for (const by of vague) {
        const key = origin[by];
        const count = key === undefined ? undefined : counts.get(by)!.get(key);
        if (key !== undefined && count !== undefined) counts.get(by)!.set(key, count + 1);
      }
    });
  }

  async #walk(visit: (origin: Origin) => void): Promise<void> {
    let after: string | undefined;
    for (;;) {
      if (this.#stopped) throw new Unavailable('the server is being sealed');
      const session = this.#parts.openSession();
      const keys = [...leaseKeys(session, after, SLICE)];
      for (const key of keys) {
        const id = leaseIdOfKey(key);
        if (id !== undefined) visit(this.#originOf(session, id));
      }
      if (keys.length < SLICE) return;
      after = keys.at(-1);
      await turn();
    }
  }

  /** A lease that cannot be read is its mount's all the same. */
  #originOf(session: Session, id: string): Origin {
    const namespaceId = namespaceIdIn(id);
    const path = id.slice(0, id.lastIndexOf('/'));
    const of = unlessCorrupt(() => getLease(session, id)?.of, undefined);
    const token = of?.tokenKey && unlessCorrupt(() => storedToken(session, of.tokenKey ?? ''), undefined);
    const isToken = of?.what !== 'secret';
    return originOf({
      namespace: this.#parts.namespacePath(namespaceId),
      mount: this.#parts.mountOf(session, namespaceId, path),
      path,
      role: isToken && token ? (token.login?.role ?? token.role) : '',
      entityId: token ? token.entityId : '',
      isToken,
    });
  }
}
