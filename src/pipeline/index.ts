/**
 * What happens to every request, as one ordered list. Each step is a file that does one thing to the exchange; an engine
 * runs inside one of them and can neither skip nor repeat the others.
 */
import { CofferError } from '../base/errors.ts';
import { isPromise } from '../base/promise.ts';
import { LeaseQuotaExceeded } from '../quotas/lease-counts.ts';
import { answer } from './answer.ts';
import { auditFailure, auditReply, auditRequest } from './audit.ts';
import { beginExchange } from './begin.ts';
import { awaitCommit, doLast } from './commit.ts';
import { endSpentToken, runEngine } from './engine.ts';
import { identifyEntity } from './entity.ts';
import type { Exchange, PipelineParts, Step } from './exchange.ts';
import { requireFactors } from './factors.ts';
import { issueToken } from './issue-token.ts';
import { registerLease } from './lease.ts';
import { limitLeases } from './limit-leases.ts';
import { limitRate, limitRateOfRole } from './limit-rate.ts';
import { filterKeys, limitPage } from './list-limits.ts';
import { matchPath } from './mount.ts';
import { checkServed, resolveNamespace } from './namespace.ts';
import { checkPolicy } from './policy.ts';
import { readInput } from './read-input.ts';
import { shedLoad } from './shed.ts';
import { serveStatus } from './status.ts';
import { checksEnd, engineBegins, engineEnds, noteWait, RequestTimer } from './times.ts';
import { identifyToken } from './token.ts';
import { tracedStep, traceFailure } from './traced.ts';
import type { Handle, WireReply } from './wire.ts';
import { wrapReply } from './wrap.ts';

/**
 * The order matters: who it is before what it may, the audit of the request before an engine touches anything outside,
 * the audit of the reply and the commit before anybody is told.
 */
const STEPS = {
  resolveNamespace,
  matchPath,
  limitRate,
  checkServed,
  readInput,
  limitRateOfRole,
  identifyToken,
  checkPolicy,
  limitPage,
  limitLeases,
  checksEnd,
  auditRequest,
  engineBegins,
  runEngine,
  engineEnds,
  filterKeys,
  identifyEntity,
  requireFactors,
  issueToken,
  registerLease,
  endSpentToken,
  wrapReply,
  auditReply,
  awaitCommit,
  doLast,
} satisfies Record<string, Step>;
const NAMES = Object.keys(STEPS);
const NAMED = Object.entries(STEPS).map(([name, run]) => ({ name, run }));
const ORDER: readonly Step[] = Object.values(STEPS);

export function createPipeline(parts: PipelineParts): Handle {
  const timer = new RequestTimer(parts);
  return (wire) => {
    const status = serveStatus(parts, wire);
    if (status) return status;
    if (parts.overload.shedding) shedLoad(parts, wire);
    const domains = parts.domains();
    if (!domains) throw parts.sealedError();
    const exchange = beginExchange(parts, domains, wire);
    const ended = () => {
      parts.inFlight.delete(exchange.id);
      timer.ended(exchange);
    };
    return settle(exchange, ended);
  };
}

/** Walks the steps; only steps that wait make the request asynchronous. */
function settle(exchange: Exchange, ended: () => void): WireReply | Promise<WireReply> {
  let walking: void | Promise<void>;
  try {
    walking = walk(exchange, 0);
  } catch (error) {
    return refuse(exchange, error).finally(ended);
  }
  if (!isPromise(walking)) {
    ended();
    return answer(exchange);
  }
  return walking
    .then(
      () => answer(exchange),
      (error) => refuse(exchange, error),
    )
    .finally(ended);
}

function walk(exchange: Exchange, from: number): void | Promise<void> {
  const { trace } = exchange;
  for (let i = from; i < ORDER.length; i++) {
    const waiting = trace ? tracedStep(exchange, trace, NAMED[i]!) : ORDER[i]!(exchange);
    if (isPromise(waiting)) return resume(exchange, i, waiting);
  }
}

function resume(exchange: Exchange, step: number, waiting: Promise<void>): Promise<void> {
  const fromMs = exchange.parts.clock.monotonic();
  return waiting.then(
    () => {
      noteWait(exchange, NAMES[step]!, fromMs);
      return walk(exchange, step + 1);
    },
    (error) => {
      noteWait(exchange, NAMES[step]!, fromMs);
      throw error;
    },
  );
}

/** A failed request changes nothing, but it is in the audit log, and a token's last use is spent all the same. */
async function refuse(exchange: Exchange, error: unknown): Promise<never> {
  const { session, parts, reply } = exchange;
  reply?.delivered?.(false);
  session.discard();
  if (!(error instanceof CofferError)) {
    parts.log.error('a request failed unexpectedly', {
      request: exchange.id,
      path: exchange.path,
      error: describe(error),
    });
  }
  if (exchange.trace) traceFailure(exchange.trace, error);
  parts.metrics.counter('core.request_errors').add();
  if (error instanceof LeaseQuotaExceeded)
    parts.metrics.counter('quota.lease_count.violation', { name: error.quota }).add();
  endSpentToken(exchange);
  session.apply();
  await Promise.all([exchange.unaudited ? undefined : auditFailure(exchange, error), session.settled()]);
  throw error;
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
