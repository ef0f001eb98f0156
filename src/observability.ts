/**
 * Composition: what the parts of a running server are asked for their metrics, and where those are sent. Nothing here is
 * on the way of a request.
 */
import type { Barrier } from './barrier/barrier.ts';
import type { Clock } from './base/clock.ts';
import type { Logger } from './base/logger.ts';
import type { Random } from './base/random.ts';
import type { Lifecycle } from './lifecycle/lifecycle.ts';
import type { SealCheck } from './lifecycle/seal-health.ts';
import { createMetrics, type Labels, type Metrics } from './metrics/metrics.ts';
import { createMetricsPage, type MetricsPage } from './metrics/page.ts';
import { observeRuntime } from './metrics/runtime.ts';
import { TELEMETRY_DEFAULTS, type TelemetrySettings } from './metrics/settings.ts';
import { openSink } from './metrics/statsd.ts';
import type { Domains } from './pipeline/exchange.ts';
import { DIMENSIONS } from './quotas/creators.ts';
import type { LeaseCountQuota } from './quotas/lease-counts.ts';
import type { CommitMeasure } from './store/open.ts';
import type { TracingSettings } from './tracing/settings.ts';
import { openTracer, type Tracer } from './tracing/tracer.ts';
import { VERSION } from './version.ts';

export interface Observability {
  readonly telemetry: TelemetrySettings;
  readonly metrics: Metrics;
  readonly metricsPage: MetricsPage;
  /** Undefined where nothing is traced. */
  readonly tracer: Tracer | undefined;
  readonly measured: CommitMeasure;
  /** To be told of every reply's status. */
  replied(status: number): void;
  /** Begins to look at the server and to send what it sees. */
  observe(server: ObservedServer): { stop(): Promise<void> };
}

export interface ObservedServer {
  readonly lifecycle: Lifecycle;
  readonly barrier: Barrier;
  readonly inFlight: ReadonlyMap<string, unknown>;
  /** Undefined while sealed. */
  domains(): Domains | undefined;
}

interface Parts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export function openObservability(
  settings: { readonly telemetry?: TelemetrySettings; readonly tracing?: TracingSettings },
  parts: Parts,
): Observability {
  const { clock, log } = parts;
  const { telemetry = TELEMETRY_DEFAULTS, tracing } = settings;
  const metrics = createMetrics(telemetry);
  const tracer =
    tracing && openTracer({ ...parts, settings: tracing, version: VERSION, log: log.named('tracing') });
  const opened = { telemetry, metrics, tracer };
  return {
    ...opened,
    metricsPage: createMetricsPage(metrics, telemetry, clock),
    measured: measureCommits(metrics, clock),
    replied: countReplies(metrics),
    observe: (server) => observeServer({ ...opened, ...server, clock, log }),
  };
}

type Observed = Pick<Observability, 'telemetry' | 'metrics' | 'tracer'> &
  ObservedServer &
  Pick<Parts, 'clock' | 'log'>;

/** How long a window of quantiles is; two of them are looked at. */
const WINDOW_MS = 60_000;
/** How often changes go to statsd and its like. */
const SEND_MS = 1000;
const STATUS_MAX = 599;

function observeServer(server: Observed): { stop(): Promise<void> } {
  const { metrics, clock, tracer } = server;
  observeCore(server);
  observeBarrier(server);
  observeSeals(server);
  observeMounts(server);
  observeQuotas(server);
  if (tracer) {
    metrics.observed('tracing.spans_sent', () => tracer.stats.sent, 'counter');
    metrics.observed('tracing.spans_dropped', () => tracer.stats.dropped, 'counter');
  }
  const runtime = observeRuntime(metrics, clock.now());
  const stopWindows = every(clock, WINDOW_MS, () => {
    metrics.turnWindow();
    runtime.turnWindow();
  });
  const sinks = server.telemetry.sinks.map((settings) =>
    openSink({ metrics, shown: server.telemetry.shown, settings, clock, log: server.log.named('telemetry') }),
  );
  const stopSending =
    sinks.length > 0 ? every(clock, SEND_MS, () => void sinks.map((sink) => sink.flush())) : () => {};
  return {
    async stop() {
      stopWindows();
      stopSending();
      for (const sink of sinks) sink.close();
      await tracer?.close();
      runtime.stop();
    },
  };
}

/** `storage.commit*`: what it takes until writes are agreed and on disk, and how much goes out together. */
function measureCommits(metrics: Metrics, clock: Clock): CommitMeasure {
  const took = metrics.timing('storage.commit');
  const changes = metrics.counter('storage.commit_changes');
  const bytes = metrics.counter('storage.commit_bytes');
  return {
    clock,
    committed(ms, commit) {
      took.note(ms);
      changes.add(commit.changes);
      bytes.add(commit.bytes);
    },
  };
}

/** `seal.check*`: what it takes to try an automatic seal, and how often that failed. */
export function measureSealChecks(metrics: Metrics): (check: SealCheck) => void {
  return ({ name: seal, type, healthy, durationMs }) => {
    metrics.timing('seal.check', { seal, type }).note(durationMs);
    metrics.counter('seal.check_failures', { seal, type }).add(healthy ? 0 : 1);
  };
}

/** `core.response_status_code`: an addition to an array for each reply. */
function countReplies(metrics: Metrics): (status: number) => void {
  const counts = new Float64Array(STATUS_MAX + 1);
  metrics.observed(
    'core.response_status_code',
    () =>
      Array.from(counts, (count, status) => ({ count, status }))
        .filter(({ count }) => count > 0)
        .map(({ count, status }) => [{ code: String(status), type: `${Math.floor(status / 100)}xx` }, count]),
    'counter',
  );
  return (status) => {
    counts[Math.min(status, STATUS_MAX)]! += 1;
  };
}

function observeCore({ metrics, lifecycle, inFlight, domains }: Observed): void {
  // There from the start, so that an alert on its rate works from the first failure.
  metrics.counter('core.request_errors');
  metrics.observed('core.unsealed', () => (lifecycle.sealed ? 0 : 1));
  metrics.observed('core.active', () => (lifecycle.sealed ? 0 : 1));
  metrics.observed('core.initialized', () => (lifecycle.initialized ? 1 : 0));
  metrics.observed('core.in_flight_requests', () => inFlight.size);
  metrics.observed('identity.num_entities', () => {
    const now = domains();
    return now?.identity.count(now.openSession(), 'root');
  });
  metrics.observed('core.locked_users', () => {
    const now = domains();
    if (!now) return undefined;
    let names = 0;
    for (const locked of now.lockouts.locked((accessor) => now.mounts.loadedByAccessor(accessor)).values())
      names += locked.length;
    return names;
  });
}

function observeBarrier({ metrics, barrier }: Observed): void {
  metrics.observed('cache.hit', () => barrier.cacheUse.hits, 'counter');
  metrics.observed('cache.miss', () => barrier.cacheUse.misses, 'counter');
  metrics.observed('barrier.corrupt_reads', () => barrier.corruptReads, 'counter');
  // These throw while sealed, and are left out then.
  metrics.observed('barrier.estimated_encryptions', () => barrier.keyStatus.encryptions);
  metrics.observed('barrier.key_term', () => barrier.keyStatus.term);
  metrics.observed('barrier.key_installed_time_seconds', () => barrier.keyStatus.installTimeMs / 1000);
}

/** Which automatic seals work now; nothing where there are none. */
function observeSeals({ metrics, lifecycle }: Observed): void {
  const backends = () => lifecycle.sealHealth.report().backends;
  metrics.observed('seal.reachable', () =>
    backends().map(({ name, type, healthy }) => [{ seal: name, type }, healthy ? 1 : 0] as const),
  );
  metrics.observed('seal.working', () =>
    backends().length > 0 ? lifecycle.sealHealth.report().working : undefined,
  );
}

function observeMounts({ metrics, domains }: Observed): void {
  const mounts = () => [...(domains()?.mounts.loaded() ?? [])];
  metrics.observed('core.mount_table.num_entries', () => {
    const counts = new Map<string, { labels: Labels; count: number }>();
    for (const { entry } of mounts()) {
      const type = entry.class === 'auth' ? 'auth' : 'logical';
      const key = `${type} ${entry.local}`;
      const group = counts.get(key) ?? { labels: { type, local: String(entry.local) }, count: 0 };
      counts.set(key, group);
      group.count++;
    }
    return Array.from(counts.values(), ({ labels, count }) => [labels, count] as const);
  });
  metrics.observed('core.mount_table.failed', () => {
    const now = domains();
    return now && mounts().filter(({ failure }) => failure).length;
  });
}

/** Of each kind: mounts, roles, entities. */
const CREATORS_SHOWN = 5;

function observeQuotas({ metrics, domains }: Observed): void {
  const counts = (value: (quota: LeaseCountQuota, now: Domains) => number) => () => {
    const now = domains();
    return (
      now &&
      [...now.quotas.leaseCounts.all()].map((quota) => [{ name: quota.name }, value(quota, now)] as const)
    );
  };
  metrics.observed('expire.top_lease_creators', () => {
    const creators = domains()?.quotas.creators;
    return (
      creators &&
      DIMENSIONS.flatMap((by) =>
        creators
          .recent(by)
          .slice(0, CREATORS_SHOWN)
          .map(({ key, count }) => [{ by, name: key }, count] as const),
      )
    );
  });
  metrics.observed(
    'quota.lease_count.counter',
    counts(({ name }, now) => now.quotas.leaseCounts.leases(now.openSession(), name)),
  );
  metrics.observed(
    'quota.lease_count.max',
    counts(({ maxLeases }) => maxLeases),
  );
}

/** Does `work` again and again; the returned function ends it. */
function every(clock: Clock, ms: number, work: () => void): () => void {
  let cancel: () => void;
  const next = () => {
    cancel = clock.after(ms, () => {
      next();
      work();
    });
  };
  next();
  return () => cancel();
}
