import type { Logger } from '../base/logger.ts';
import { RequestMetrics } from '../metrics/requests.ts';
import type { Exchange, PipelineParts, Step } from './exchange.ts';
import { endTrace } from './traced.ts';

/** What a step waited for is worth remembering from here on, in milliseconds. */
const WAIT_MS_MIN = 1;

/** Between the steps: a reading of the clock each, for metrics and for the log of slow requests. */
export const checksEnd: Step = (exchange) => {
  exchange.checkedMs = exchange.parts.clock.monotonic();
};
export const engineBegins: Step = (exchange) => {
  exchange.engineMs = exchange.parts.clock.monotonic();
};
export const engineEnds: Step = (exchange) => {
  exchange.answeredMs = exchange.parts.clock.monotonic();
};

/** `step` has waited since `fromMs`. */
export function noteWait(exchange: Exchange, step: string, fromMs: number): void {
  const ms = exchange.parts.clock.monotonic() - fromMs;
  if (ms < WAIT_MS_MIN) return;
  exchange.waits ??= [];
  exchange.waits.push([step, ms]);
}

/** What there is to say of a request when it has ended. */
export class RequestTimer {
  readonly #parts: PipelineParts;
  readonly #metrics: RequestMetrics;
  readonly #log: Logger;
  readonly #slowMs: number;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    this.#metrics = new RequestMetrics(parts.metrics);
    this.#log = parts.log.named('slow');
    this.#slowMs = parts.slowRequestMs;
  }

  ended(exchange: Exchange): void {
    const endedMs = this.#parts.clock.monotonic();
    const { mount, operation, startedMs, checkedMs, engineMs, answeredMs } = exchange;
    const { token, wire } = exchange;
    if (token && this.#parts.namesClients()) wire.clientId = exchange.domains.activity.clientId(token);
    const login = exchange.reply?.login !== undefined;
    const path = exchange.found?.path;
    this.#metrics.note(
      { mount, path, operation, login },
      { startedMs, checkedMs, engineMs, answeredMs, endedMs },
    );
    if (exchange.trace) endTrace(exchange.trace, exchange, endedMs);
    if (endedMs - startedMs >= this.#slowMs)
      this.#log.warn('a request was slow', slowDetails(exchange, endedMs));
  }
}

/** The path's pattern, not the path: names in it may be secret. The audit log has the request under the same id. */
function slowDetails(exchange: Exchange, endedMs: number): Record<string, unknown> {
  const {
    id,
    trace,
    mount,
    found,
    operation,
    startedMs,
    checkedMs,
    engineMs,
    answeredMs,
    waits = [],
  } = exchange;
  const between = (fromMs: number, toMs: number) =>
    fromMs > 0 ? Math.round(((toMs || endedMs) - fromMs) * 10) / 10 : undefined;
  const waited = waits.map(([step, ms]) => [`wait.${step}`, Math.round(ms * 10) / 10]);
  return {
    request: id,
    trace: trace?.context.traceId,
    operation,
    mount: mount?.info.path,
    path: found?.path?.pattern,
    ms: between(startedMs, endedMs),
    'ms.checks': between(startedMs, checkedMs),
    'ms.audit': between(checkedMs, engineMs),
    'ms.engine': between(engineMs, answeredMs),
    'ms.reply': between(answeredMs, endedMs),
    ...Object.fromEntries(waited),
  };
}
