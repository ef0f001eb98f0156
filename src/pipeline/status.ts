import { Sealed } from '../base/errors.ts';
import { isPromise } from '../base/promise.ts';
import { findOperation, parseOperation, requestData, runOperation } from '../engine/dispatch.ts';
import type { Operation } from '../engine/engine.ts';
import type { Reply } from '../engine/reply.ts';
import type { SystemContext } from '../mounts/system-context.ts';
import type { PipelineParts } from './exchange.ts';
import type { WireReply, WireRequest } from './wire.ts';

const OPERATION_OF = new Map<string, Operation>([
  ['GET', 'read'],
  ['POST', 'update'],
  ['PUT', 'update'],
  ['DELETE', 'delete'],
]);

/** Health, seal status, initialisation and unsealing answer before all else: no token, no audit, also when sealed. */
export function serveStatus(
  parts: PipelineParts,
  wire: WireRequest,
): WireReply | Promise<WireReply> | undefined {
  if (!wire.path.startsWith('sys/') || wire.query.help !== undefined) return undefined;
  if (wire.path === 'sys/metrics' && !wire.listener.unauthenticatedMetrics) return undefined;
  const operation = OPERATION_OF.get(wire.method);
  if (!operation) return undefined;
  const found = findOperation(parts.statusPaths, wire.path.slice('sys/'.length), operation);
  if (!found.path) return undefined;
  const parsed = parseOperation(found, requestData(operation, wire));
  const reply = runOperation(parsed, bareContext(parts, wire, operation));
  return isPromise(reply) ? reply.then(bare) : bare(reply);
}

function bare(reply: Reply | undefined): WireReply {
  if (!reply) return { status: 204 };
  if (reply.raw) return { status: reply.status ?? 200, raw: reply.raw };
  return { status: reply.status ?? 200, body: reply.data ?? {} };
}

/** Nothing of the store can be reached: it may be sealed. */
function bareContext(parts: PipelineParts, wire: WireRequest, operation: Operation): SystemContext {
  const sealed = (): never => {
    throw new Sealed();
  };
  return {
    get view() {
      return sealed();
    },
    get session() {
      return sealed();
    },
    get mount() {
      return sealed();
    },
    get random() {
      return sealed();
    },
    clock: parts.clock,
    log: parts.log,
    persist: sealed,
    locked: sealed,
    generatePassword: sealed,
    request: {
      id: parts.requestId(),
      path: wire.path.slice('sys/'.length),
      operation,
      data: requestData(operation, wire),
      remoteAddress: wire.remote.address,
      headers: {},
      wrapTtl: 0,
    },
    caller: undefined,
    warn: () => {},
    allowed: () => false,
    token: undefined,
    tokenText: '',
    hasSudo: () => false,
    bytes: wire.bytes,
    unauthenticatedMetrics: wire.listener.unauthenticatedMetrics,
    get signal() {
      return wire.signal;
    },
  };
}
