import type { Clock } from '../base/clock.ts';

/** What a span says of itself: numbers and words of ours, never what a client sent. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface SpanContext {
  /** Hex, 32 and 16 digits. */
  readonly traceId: string;
  readonly spanId: string;
}

/** A finished span; times in milliseconds since the Unix epoch, with fractions. */
export interface Span extends SpanContext {
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: 'server' | 'internal';
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  /** What went wrong, where the server is to blame. */
  readonly error: string | undefined;
}

/** The spans of one request that is being traced. Times are readings of the monotonic clock. */
export class Trace {
  readonly context: SpanContext;
  readonly #parentSpanId: string | undefined;
  readonly #spans: Span[] = [];
  readonly #newSpanId: () => string;
  readonly #deliver: (spans: readonly Span[]) => void;
  /** From the monotonic clock to the time of day. */
  readonly #offsetMs: number;
  readonly #startedMs: number;
  #failure: { readonly kind: string; readonly ours: boolean } | undefined;

  constructor(
    context: SpanContext,
    parentSpanId: string | undefined,
    parts: { clock: Clock; newSpanId: () => string; deliver: (spans: readonly Span[]) => void },
  ) {
    this.context = context;
    this.#parentSpanId = parentSpanId;
    this.#newSpanId = parts.newSpanId;
    this.#deliver = parts.deliver;
    this.#startedMs = parts.clock.monotonic();
    this.#offsetMs = parts.clock.now() - this.#startedMs;
  }

  step(name: string, fromMs: number, toMs: number): void {
    this.#spans.push({
      traceId: this.context.traceId,
      spanId: this.#newSpanId(),
      parentSpanId: this.context.spanId,
      name,
      kind: 'internal',
      startMs: fromMs + this.#offsetMs,
      endMs: toMs + this.#offsetMs,
      attributes: {},
      error: undefined,
    });
  }

  /** `kind` is the code of an error; `ours` that the server is to blame, not the client. */
  failed(kind: string, ours: boolean): void {
    this.#failure = { kind, ours };
  }

  end(name: string, endedMs: number, attributes: Attributes): void {
    const failure = this.#failure;
    this.#deliver([
      {
        ...this.context,
        parentSpanId: this.#parentSpanId,
        name,
        kind: 'server',
        startMs: this.#startedMs + this.#offsetMs,
        endMs: endedMs + this.#offsetMs,
        attributes: failure ? { ...attributes, 'error.type': failure.kind } : attributes,
        error: failure?.ours ? failure.kind : undefined,
      },
      ...this.#spans,
    ]);
  }
}
