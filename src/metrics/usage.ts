import type { Session } from '../barrier/session.ts';
import { type Clock, rfc3339 } from '../base/clock.ts';
import { unlessCorrupt } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { allIrrevocableIds, dueLeases } from '../leases/records.ts';
import { dataPrefix, type Mounts } from '../mounts/mounts.ts';
import { namespaceIdIn, ROOT_NAMESPACE } from '../namespaces/namespace.ts';
import type { Namespaces } from '../namespaces/namespaces.ts';
import { namespaceIdOf, storedToken, TOKEN_RECORDS } from '../tokens/token.ts';
import type { Labels, Metrics, Observed } from './metrics.ts';
import type { TelemetrySettings } from './settings.ts';
import { namespaceLabel, ttlGroup } from './tokens.ts';

export interface UsageParts {
  readonly metrics: Metrics;
  readonly telemetry: TelemetrySettings;
  readonly namespaces: Namespaces;
  readonly mounts: Mounts;
  openSession(): Session;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The first count, after a start or an unseal. */
const FIRST_MS = 10_000;
/** Records looked at before others are let in. */
const SLICE = 128;
/** Of this time, one part counts and the others are everybody else's. */
const PARTS = 10;
const PAUSE_MS_MIN = 1;

/** Things by their labels; how many kinds there are does not grow with how many things there are. */
class Tally {
  readonly #counts = new Map<string, [Labels, number]>();
  add(labels: Labels): void {
    const key = JSON.stringify(labels);
    const known = this.#counts.get(key);
    if (known) known[1]++;
    else this.#counts.set(key, [labels, 1]);
  }
  get values(): readonly (readonly [Labels, number])[] {
    return [...this.#counts.values()];
  }
}

type Gauges = Map<string, number | readonly (readonly [Labels, number])[]>;

/** One kind of thing: counted in one go over the store, lazily, a name at a time. */
interface Count {
  readonly name: string;
  run(session: Session, gauges: Gauges): Iterable<unknown>;
}

/**
 * How much there is of what nobody counts as it comes and goes: tokens, leases, secrets. Counted through now and then
 * (`usage_gauge_period`), slowly, so that requests do not notice.
 */
export class UsageGauges {
  readonly #parts: UsageParts;
  readonly #current = new Map<string, Gauges>();
  #stopped = new AbortController();

  constructor(parts: UsageParts) {
    this.#parts = parts;
    const { metrics } = parts;
    // There from the start, so that an alert on their rate works from the first failure.
    for (const { name } of this.#counts()) metrics.counter('metrics.collection.error', { gauge: name });
    for (const name of GAUGES) metrics.observed(name, () => this.#latest(name));
  }

  start(): void {
    const { usageGaugePeriodMs } = this.#parts.telemetry;
    this.#stopped = new AbortController();
    if (usageGaugePeriodMs > 0) void this.#collect(this.#stopped.signal);
  }

  /** The store is not touched after it. */
  stop(): void {
    this.#stopped.abort();
    this.#current.clear();
  }

  #latest(name: string): Observed {
    for (const gauges of this.#current.values()) if (gauges.has(name)) return gauges.get(name);
    return undefined;
  }

  async #collect(stopped: AbortSignal): Promise<void> {
    const { telemetry, clock } = this.#parts;
    await this.#pause(Math.min(FIRST_MS, telemetry.usageGaugePeriodMs), stopped);
    while (!stopped.aborted) {
      const nextMs = clock.monotonic() + telemetry.usageGaugePeriodMs;
      for (const count of this.#counts()) await this.#run(count, stopped);
      await this.#pause(Math.max(PAUSE_MS_MIN, nextMs - clock.monotonic()), stopped);
    }
  }

  async #run(count: Count, stopped: AbortSignal): Promise<void> {
    const { metrics, clock, log, openSession } = this.#parts;
    const fromMs = clock.monotonic();
    try {
      const gauges: Gauges = new Map();
      let seen = 0;
      let sliceFromMs = fromMs;
      for (const _ of count.run(openSession(), gauges)) {
        if (stopped.aborted) return;
        if (++seen % SLICE > 0) continue;
        await this.#pause(Math.max(PAUSE_MS_MIN, (clock.monotonic() - sliceFromMs) * (PARTS - 1)), stopped);
        if (stopped.aborted) return;
        sliceFromMs = clock.monotonic();
      }
      this.#current.set(count.name, gauges);
      metrics.timing('metrics.collection', { gauge: count.name }).note(clock.monotonic() - fromMs);
    } catch (error) {
      metrics.counter('metrics.collection.error', { gauge: count.name }).add();
      log.warn('counting for the metrics failed', { what: count.name, error });
    }
  }

  #pause(ms: number, stopped: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        stopped.removeEventListener('abort', end);
        resolve();
      };
      const cancel = this.#parts.clock.after(ms, end);
      stopped.addEventListener('abort', end);
    });
  }

  #counts(): readonly Count[] {
    const { mounts } = this.#parts;
    return [
      {
        name: 'leases',
        run: (session, gauges) => countLeases(session, gauges, this.#parts),
      },
      { name: 'tokens', run: (session, gauges) => countTokens(session, gauges, this.#parts) },
      { name: 'secrets', run: (session, gauges) => countSecrets(session, gauges, mounts) },
    ];
  }
}

const GAUGES = [
  'expire.num_leases',
  'expire.num_irrevocable_leases',
  'expire.leases.by_expiration',
  'expire.leases.by_mount',
  'token.count',
  'token.count.by_auth',
  'token.count.by_policy',
  'token.count.by_ttl',
  'secret.kv.count',
] as const;

const labelOf = (namespaces: Namespaces, id: string) => namespaceLabel(namespaces.byId(id) ?? ROOT_NAMESPACE);

/** From the names in the index by time alone: nothing is decrypted. */
function* countLeases(
  session: Session,
  gauges: Gauges,
  { namespaces, mounts, clock, telemetry }: UsageParts,
): Iterable<unknown> {
  const { widthMs, count, namespaceLabels } = telemetry.leases;
  const nowMs = clock.now();
  const byTime = new Tally();
  const byMount = new Tally();
  let total = 0;
  for (const { id, dueAtMs } of dueLeases(session, Number.POSITIVE_INFINITY)) {
    yield id;
    total++;
    const namespaceId = namespaceIdIn(id);
    const mount = mounts.loadedAt(namespaceId, id);
    const namespace = labelOf(namespaces, namespaceId);
    byMount.add({ mount_point: mount?.info.path ?? 'none', namespace });
    const bucket = Math.max(0, Math.round((dueAtMs - nowMs) / widthMs));
    if (bucket >= count) continue;
    const expiring = rfc3339(nowMs + bucket * widthMs);
    byTime.add(namespaceLabels ? { expiring, namespace } : { expiring });
  }
  let irrevocable = 0;
  for (const id of allIrrevocableIds(session)) {
    yield id;
    irrevocable++;
  }
  gauges.set('expire.num_leases', total);
  gauges.set('expire.num_irrevocable_leases', irrevocable);
  gauges.set('expire.leases.by_expiration', byTime.values);
  gauges.set('expire.leases.by_mount', byMount.values);
}

function* countTokens(
  session: Session,
  gauges: Gauges,
  { namespaces, mounts }: UsageParts,
): Iterable<unknown> {
  const all = new Tally();
  const byAuth = new Tally();
  const byPolicy = new Tally();
  const byTtl = new Tally();
  for (const key of session.view(TOKEN_RECORDS).keys('')) {
    yield key;
    const token = unlessCorrupt(() => storedToken(session, key), undefined);
    if (!token) continue;
    const namespaceId = namespaceIdOf(token);
    const mount = mounts.loadedAt(namespaceId, token.path);
    const namespace = labelOf(namespaces, namespaceId);
    all.add({ namespace });
    byAuth.add({ namespace, auth_method: mount?.entry.type ?? 'none' });
    byTtl.add({ namespace, creation_ttl: ttlGroup(token.creationTtl) });
    for (const policy of token.policies) byPolicy.add({ namespace, policy });
  }
  gauges.set('token.count', all.values);
  gauges.set('token.count.by_auth', byAuth.values);
  gauges.set('token.count.by_policy', byPolicy.values);
  gauges.set('token.count.by_ttl', byTtl.values);
}

function* countSecrets(session: Session, gauges: Gauges, mounts: Mounts): Iterable<unknown> {
  const counts: [Labels, number][] = [];
  for (const { entry, info, inUse } of [...mounts.loaded()]) {
    if (entry.type !== 'kv' || !inUse?.kept) continue;
    let secrets = 0;
    for (const name of inUse.kept(session.view(dataPrefix(entry)))) {
      yield name;
      secrets++;
    }
    counts.push([{ namespace: namespaceLabel(info.namespace), mount_point: info.path }, secrets]);
  }
  gauges.set('secret.kv.count', counts);
}
