import type { Attributes, Span } from './trace.ts';

const KINDS = { internal: 1, server: 2 } as const;
const STATUS_ERROR = 2;

/** The JSON form of an OTLP trace export request (opentelemetry.proto.collector.trace.v1). */
export function exportRequest(
  spans: readonly Span[],
  about: { resource: Attributes; version: string },
): unknown {
  return {
    resourceSpans: [
      {
        resource: { attributes: keyValues(about.resource) },
        scopeSpans: [{ scope: { name: 'coffer', version: about.version }, spans: spans.map(spanJson) }],
      },
    ],
  };
}

function spanJson({ traceId, spanId, parentSpanId, name, kind, startMs, endMs, attributes, error }: Span) {
  return {
    traceId,
    spanId,
    ...(parentSpanId && { parentSpanId }),
    name,
    kind: KINDS[kind],
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(endMs),
    attributes: keyValues(attributes),
    status: error === undefined ? {} : { code: STATUS_ERROR, message: error },
  };
}

/** 64-bit numbers are strings in JSON; milliseconds have room for microseconds in a double. */
function nanoseconds(ms: number): string {
  return (BigInt(Math.round(ms * 1000)) * 1000n).toString();
}

function keyValues(attributes: Attributes): unknown[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: anyValue(value) }],
  );
}

function anyValue(value: string | number | boolean): unknown {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
