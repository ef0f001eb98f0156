import type { Session } from '../barrier/session.ts';
import type { EnginePath, OperationName, OperationSpec, PathSpec, RequestContext } from '../engine/engine.ts';
import type { Fields, Input } from '../engine/fields.ts';
import type { Reply } from '../engine/reply.ts';
import type { Namespace } from '../namespaces/namespace.ts';
import type { Token } from '../tokens/token.ts';

/** What a listener lets callers without a token do. */
export interface ListenerRights {
  readonly unauthenticatedMetrics: boolean;
  readonly unauthenticatedRekey: boolean;
  readonly unauthenticatedRootGeneration: boolean;
}

/** What the host's own mounts (`sys`, `token`) are handed beyond an engine's context. No other engine gets it. */
export interface SystemContext extends RequestContext {
  readonly session: Session;
  /** The request's; handlers reach nothing of another. */
  readonly namespace: Namespace;
  /** What the caller's policies have before the request's path: the way from the token's namespace to this one. */
  readonly policyPrefix: string;
  readonly token: Token | undefined;
  /** The token's text as sent. */
  readonly tokenText: string;
  /** The header, for applications that sign in by HTTP's basic scheme. */
  readonly authorization: string | undefined;
  /** The caller's token also has `sudo` at this very path. */
  hasSudo(): boolean;
  readonly bytes: Buffer | undefined;
  /** A long body as it comes; can be iterated once. */
  readonly upload: AsyncIterable<Buffer> | undefined;
  readonly listener: ListenerRights;
  /** Aborts when the client goes away. A method, since most requests never need one. */
  signal(): AbortSignal;
}

export interface SystemOperation<F extends Fields> extends Omit<OperationSpec<F>, 'handler'> {
  handler(context: SystemContext, input: Input<F>): Reply | undefined | Promise<Reply | undefined>;
}

export interface SystemPathSpec<F extends Fields> extends Omit<PathSpec<F>, 'operations' | 'exists'> {
  readonly operations: Readonly<Partial<Record<OperationName, SystemOperation<F>>>>;
  exists?(context: SystemContext, input: Input<F>): boolean;
}

/** Declares a path of a host's mount. The pipeline gives those mounts, and only those, a `SystemContext`. */
export function systemPath<F extends Fields>(spec: SystemPathSpec<F>): EnginePath {
  return spec as unknown as EnginePath;
}
