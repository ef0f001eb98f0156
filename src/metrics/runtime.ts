import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks';
import type { Metrics } from './metrics.ts';

/** How often the event loop's delay is looked at; what is shorter does not show. */
const LOOP_RESOLUTION_MS = 20;
const LOOP_PERCENTILES = [50, 90, 99, 100];
const NANOSECONDS_PER_MS = 1e6;

/** The process: memory, garbage collection, the event loop. To be told once a minute that a minute is over. */
export function observeRuntime(metrics: Metrics, startedAtMs: number): { turnWindow(): void; stop(): void } {
  observeMemory(metrics);
  observeProcess(metrics, startedAtMs);
  const stopWatching = observeGarbageCollection(metrics);
  const eventLoop = observeEventLoop(metrics);
  return {
    turnWindow: () => eventLoop.turnWindow(),
    stop() {
      stopWatching();
      eventLoop.stop();
    },
  };
}

function observeMemory(metrics: Metrics): void {
  metrics.observed('runtime.alloc_bytes', () => process.memoryUsage().heapUsed);
  metrics.observed('runtime.heap_total_bytes', () => process.memoryUsage().heapTotal);
  metrics.observed('runtime.external_bytes', () => process.memoryUsage().external);
  metrics.observed('runtime.sys_bytes', () => process.memoryUsage.rss());
}

/** Under the names that Prometheus' own client libraries use. */
function observeProcess(metrics: Metrics, startedAtMs: number): void {
  metrics.observed(
    'process.cpu_seconds_total',
    () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
    'counter',
  );
  metrics.observed('process.resident_memory_bytes', () => process.memoryUsage.rss());
  metrics.observed('process.start_time_seconds', () => startedAtMs / 1000);
  // Linux only; elsewhere it throws and is left out.
  metrics.observed('process.open_fds', () => readdirSync('/proc/self/fd').length);
}

function observeGarbageCollection(metrics: Metrics): () => void {
  const pauses = metrics.timing('runtime.gc_pause');
  metrics.observed('runtime.total_gc_pause_ns', () => pauses.sum * NANOSECONDS_PER_MS, 'counter');
  metrics.observed('runtime.total_gc_runs', () => pauses.count, 'counter');
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) pauses.note(duration);
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}

/** What its percentiles were in the minute that is over; before that, since the start. */
function observeEventLoop(metrics: Metrics): { turnWindow(): void; stop(): void } {
  const histogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  histogram.enable();
  const percentiles = () =>
    LOOP_PERCENTILES.map((percentile) => {
      const ms = histogram.percentile(percentile) / NANOSECONDS_PER_MS - LOOP_RESOLUTION_MS;
      return [{ percentile: String(percentile) }, Math.max(0, ms)] as const;
    });
  let last: ReturnType<typeof percentiles> | undefined;
  metrics.observed('runtime.event_loop_delay_ms', () => last ?? percentiles());
  metrics.observed(
    'runtime.event_loop_active_seconds_total',
    () => performance.eventLoopUtilization().active / 1000,
    'counter',
  );
  return {
    turnWindow() {
      last = percentiles();
      histogram.reset();
    },
    stop: () => histogram.disable(),
  };
}
