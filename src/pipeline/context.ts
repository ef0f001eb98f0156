import type { Caller, Operation } from '../engine/engine.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import type { SystemContext } from '../mounts/system-context.ts';
import { workContext } from '../mounts/work.ts';
import { isListing } from '../policies/acl.ts';
import { placeholderValue } from '../policies/templates.ts';
import type { Exchange } from './exchange.ts';

/** What a handler is handed. The host's own mounts get the session and the token as well; nobody else does. */
export function requestContext(exchange: Exchange, mount: OpenMount): SystemContext {
  const { domains, session, wire } = exchange;
  const context = {
    ...workContext(domains.work, session, mount),
    request: {
      id: exchange.id,
      path: exchange.found?.requestPath ?? '',
      // Whether a write creates or updates is known only once there is a context to ask with.
      get operation() {
        return exchange.operation;
      },
      data: exchange.data,
      remoteAddress: wire.remote.address,
      headers: passedHeaders(exchange, mount),
      wrapTtl: exchange.wrapTtl,
    },
    caller: callerOf(exchange),
    warn: (message: string) => void exchange.warnings.push(message),
    allowed: (operation: Operation, relative: string) => allowedAt(exchange, operation, relative),
  };
  if (!mount.host) return context as SystemContext;
  return {
    ...context,
    session,
    namespace: exchange.namespace,
    policyPrefix: exchange.policyPrefix,
    token: exchange.token,
    tokenText: exchange.tokenText,
    authorization: authorizationOf(exchange),
    hasSudo: () =>
      exchange.acl?.check({
        path: exchange.policyPrefix + exchange.path,
        operation: exchange.operation,
        sudoRequired: true,
        data: exchange.data,
      }).allowed ?? false,
    bytes: wire.bytes,
    upload: wire.upload,
    listener: wire.listener,
    signal: () => wire.signal,
  };
}

function callerOf({ token, rights }: Exchange): Caller | undefined {
  if (!token) return undefined;
  return {
    accessor: token.accessor,
    displayName: token.displayName,
    entityId: rights?.entity.id ?? '',
    policies: rights ? rights.with(token.policies) : token.policies,
    metadata: token.meta ?? {},
    tokenKey: token.key,
    tokenType: token.type,
    ...(rights && { identityValue: (template: string) => placeholderValue(template, rights.template) }),
  };
}

function authorizationOf({ wire }: Exchange): string | undefined {
  const { authorization } = wire.headers;
  return typeof authorization === 'string' ? authorization : undefined;
}

const NONE = Object.freeze({});

function passedHeaders(exchange: Exchange, mount: OpenMount): Readonly<Record<string, string>> {
  const names = mount.entry.config.passthrough_request_headers;
  if (!names || names.length === 0) return NONE;
  const passed: Record<string, string> = {};
  for (const name of names.map((wanted) => wanted.toLowerCase())) {
    const value = exchange.wire.headers[name];
    if (value !== undefined && name !== 'x-vault-token' && name !== 'authorization')
      passed[name] = String(value);
  }
  return passed;
}

/** May the caller do this at another path of the same mount? Other folders could be listed as this one is: with its limit. */
function allowedAt(exchange: Exchange, operation: Operation, relative: string): boolean {
  const path = `${exchange.policyPrefix}${exchange.mount?.info.path ?? ''}${relative}`;
  const data = isListing(operation) ? exchange.data : undefined;
  return exchange.acl?.check({ path, operation, data }).allowed ?? false;
}
