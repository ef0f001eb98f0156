/**
 * Traces: what each step of a request took, for those requests that are sampled, sent to an OpenTelemetry collector.
 * Owns sampling, the W3C `traceparent`, the queue and the sending; which steps there are is the pipeline's. Where no
 * collector is configured there is no tracer at all.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { Exporter } from './exporter.ts';
import type { TracingSettings } from './settings.ts';
import { Trace } from './trace.ts';

export interface TracerParts {
  readonly settings: TracingSettings;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface Tracer {
  /** A trace for a request that is sampled; `traceparent` as the client sent it. */
  begin(traceparent: string | string[] | undefined): Trace | undefined;
  readonly stats: { readonly sent: number; readonly dropped: number };
  /** Sends what waits, within two seconds. */
  close(): Promise<void>;
}

export function openTracer(parts: TracerParts): Tracer {
  const { settings, clock, random } = parts;
  const exporter = new Exporter(parts);
  const newSpanId = () => random.bytes(8).toString('hex');
  const traceParts = { clock, newSpanId, deliver: exporter.add.bind(exporter) };
  return {
    begin(traceparent) {
      const parent = parseTraceparent(traceparent);
      const followed = settings.parentBased ? parent?.sampled : undefined;
      if (followed === false) return undefined;
      const traceId = parent?.traceId ?? random.bytes(16).toString('hex');
      if (followed === undefined && !isSampled(traceId, settings.sampleRatio)) return undefined;
      return new Trace({ traceId, spanId: newSpanId() }, parent?.spanId, traceParts);
    },
    get stats() {
      return exporter.stats;
    },
    close: () => exporter.close(),
  };
}

export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** W3C Trace Context; undefined for anything that is none, which then counts as not sent. */
export function parseTraceparent(header: string | string[] | undefined): TraceParent | undefined {
  if (typeof header !== 'string' || header.length > 512) return undefined;
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(header.trim()) ?? [];
  if (!version || !traceId || !spanId || !flags || (version === '00' && more)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** By the id, so that everybody who has the same ratio decides the same. */
function isSampled(traceId: string, ratio: number): boolean {
  if (ratio >= 1) return true;
  return Number.parseInt(traceId.slice(-13), 16) < ratio * 2 ** 52;
}
