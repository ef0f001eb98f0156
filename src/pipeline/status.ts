import type { Clock } from '../base/clock.ts';
import { Sealed } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { isPromise } from '../base/promise.ts';
import { findOperation, parseOperation, requestData, runOperation } from '../engine/dispatch.ts';
import type { Operation } from '../engine/engine.ts';
import type { Reply } from '../engine/reply.ts';
import type { SystemContext } from '../mounts/system-context.ts';
import { ROOT_NAMESPACE } from '../namespaces/namespace.ts';
import { servedEverywhere } from '../namespaces/restricted.ts';
import type { PipelineParts } from './exchange.ts';
import { limitStatusRate } from './limit-rate.ts';
import { namespaceHeader } from './namespace.ts';
import type { WireReply, WireRequest } from './wire.ts';

const SYSTEM = 'sys/';
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
  const path = pathInSystem(parts, wire);
  if (path === undefined || wire.query.help !== undefined) return undefined;
  if (path === 'metrics' && !wire.listener.unauthenticatedMetrics) return undefined;
  const operation = OPERATION_OF.get(wire.method);
  if (!operation) return undefined;
  const found = findOperation(parts.statusPaths, path, operation);
  if (!found.path) return undefined;
  limitStatusRate(parts, parts.domains(), wire);
  const parsed = parseOperation(found, requestData(operation, wire));
  const reply = runOperation(parsed, new BareContext(parts, wire, { path, operation }));
  return isPromise(reply) ? reply.then(bare) : bare(reply);
}

/** Relative to `sys/`, of the root or, for what is in every namespace, of another. */
function pathInSystem(parts: PipelineParts, { path, headers }: WireRequest): string | undefined {
  if (path.startsWith(SYSTEM)) return path.slice(SYSTEM.length);
  if (!path.includes(`/${SYSTEM}`)) return undefined;
  const namespaces = parts.domains()?.namespaces;
  const base = namespaces?.below(ROOT_NAMESPACE, namespaceHeader(headers));
  const rest = base && namespaces?.split(path, base).rest;
  const relative = rest?.startsWith(SYSTEM) ? rest.slice(SYSTEM.length) : '';
  return servedEverywhere(relative) ? relative : undefined;
}

function bare(reply: Reply | undefined): WireReply {
  if (!reply) return { status: 204 };
  if (reply.raw) return { status: reply.status ?? 200, raw: reply.raw };
  return { status: reply.status ?? 200, body: reply.data ?? {} };
}

/**
 * Nothing of the store can be reached: it may be sealed. A class, because object literals with getters would each get a
 * hidden class of their own, which only a full garbage collection frees.
 */
class BareContext implements SystemContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly request: SystemContext['request'];
  readonly caller = undefined;
  readonly token = undefined;
  readonly tokenText = '';
  readonly upload = undefined;
  readonly authorization = undefined;
  readonly policyPrefix = '';
  readonly bytes: Buffer | undefined;
  readonly listener: SystemContext['listener'];
  readonly #wire: WireRequest;

  constructor(
    parts: PipelineParts,
    wire: WireRequest,
    { path, operation }: { path: string; operation: Operation },
  ) {
    this.clock = parts.clock;
    this.log = parts.log;
    this.request = {
      id: parts.requestId(),
      path,
      operation,
      data: requestData(operation, wire),
      remoteAddress: wire.remote.address,
      headers: {},
      wrapTtl: 0,
    };
    this.bytes = wire.bytes;
    this.listener = wire.listener;
    this.#wire = wire;
  }

  get view(): never {
    throw new Sealed();
  }
  get session(): never {
    throw new Sealed();
  }
  get namespace(): never {
    throw new Sealed();
  }
  get mount(): never {
    throw new Sealed();
  }
  get random(): never {
    throw new Sealed();
  }
  persist(): never {
    throw new Sealed();
  }
  locked(): never {
    throw new Sealed();
  }
  generatePassword(): never {
    throw new Sealed();
  }
  warn(): void {}
  allowed(): boolean {
    return false;
  }
  hasSudo(): boolean {
    return false;
  }
  signal(): AbortSignal {
    return this.#wire.signal;
  }
}
