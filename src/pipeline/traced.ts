import { CofferError } from '../base/errors.ts';
import type { Trace } from '../tracing/trace.ts';
import type { Exchange } from './exchange.ts';

/** What the server is to blame for, not the client. */
const OURS = new Set(['unexpected', 'internal_failure', 'unavailable', 'corrupt_record', 'outside_failure']);

/** Runs one step and notes what it took, waiting included. */
export function tracedStep(
  exchange: Exchange,
  trace: Trace,
  step: { readonly name: string; run(exchange: Exchange): void | Promise<void> },
): void | Promise<void> {
  const { clock } = exchange.parts;
  const fromMs = clock.monotonic();
  const note = () => trace.step(step.name, fromMs, clock.monotonic());
  let waiting: void | Promise<void>;
  try {
    waiting = step.run(exchange);
  } catch (error) {
    note();
    throw error;
  }
  if (!waiting) return note();
  return waiting.finally(note);
}

export function traceFailure(trace: Trace, error: unknown): void {
  const code = error instanceof CofferError ? error.code : 'unexpected';
  trace.failed(code, OURS.has(code));
}

/** The path's pattern stands for the path, whose names may be secret; the audit log has it under the same request id. */
export function endTrace(trace: Trace, exchange: Exchange, endedMs: number): void {
  const { mount, found, operation, wire, id } = exchange;
  const pattern = found?.path?.pattern;
  const route = mount && pattern !== undefined ? `/v1/${mount.info.path}${pattern}` : undefined;
  trace.end(mount ? `${operation} ${mount.info.path}` : operation, endedMs, {
    'http.request.method': wire.method,
    'http.route': route,
    'coffer.request_id': id,
    'coffer.operation': operation,
    'coffer.mount': mount?.info.path,
    'coffer.mount_type': mount?.entry.type,
    'coffer.namespace': mount?.info.namespace.path,
  });
}
