import { InvalidCredentials } from '../base/errors.ts';
import { isPromise } from '../base/promise.ts';
import { runOperation } from '../engine/dispatch.ts';
import type { Operation } from '../engine/engine.ts';
import { pathHelp } from '../engine/help.ts';
import type { Reply } from '../engine/reply.ts';
import { rememberPlace } from '../mounts/token-places.ts';
import { ROOT_NAMESPACE } from '../namespaces/namespace.ts';
import type { Exchange } from './exchange.ts';
import { missingRoute } from './mount.ts';

const WRITES: ReadonlySet<Operation> = new Set(['create', 'update', 'patch']);

/**
 * The one thing that is the engine's. A login's name is checked against lockout before and counted after; and checked
 * again then, because other guesses may have locked it meanwhile: this one must not be told either way.
 */
export function runEngine(exchange: Exchange): void | Promise<void> {
  const { found, context, mount } = exchange;
  if (!found || !context || !mount) throw new Error('an exchange reached its engine without a mount');
  if (exchange.operation === 'help') {
    exchange.reply = pathHelp(mount, found.requestPath);
    return;
  }
  checkStillThere(exchange);
  if (exchange.token && WRITES.has(exchange.operation))
    rememberPlace(exchange.session, exchange.token.key, mount);
  const name = found.input && found.path?.loginName?.(context, found.input);
  if (name !== undefined) exchange.domains.lockouts.check(mount, name);
  try {
    const reply = runOperation(found, context);
    if (!isPromise(reply)) return took(exchange, reply, name);
    return reply.then(
      (late) => took(exchange, late, name),
      (error) => failed(exchange, error, name),
    );
  } catch (error) {
    failed(exchange, error, name);
  }
}

/** While the audit device took its time the namespace may have begun to be deleted: nothing new comes into it. */
export function checkStillThere(exchange: Exchange): void {
  const { namespace, domains } = exchange;
  if (namespace === ROOT_NAMESPACE || domains.namespaces.isOpen(namespace)) return;
  throw missingRoute(exchange);
}

/** A use-limited token whose last use this was ends with the request, whatever came of it. */
export function endSpentToken({ token, domains, session }: Exchange): void {
  if (token?.numUses === 1 && domains.tokens.byKey(session, token.key))
    void domains.tokens.revoke(session, token.key);
}

function took(exchange: Exchange, reply: Reply | undefined, name: string | undefined): void {
  const { lockouts } = exchange.domains;
  if (name !== undefined && reply?.login) {
    lockouts.check(exchange.mount!, name);
    lockouts.succeeded(exchange.mount!, name);
  }
  exchange.reply = reply;
}

function failed(exchange: Exchange, error: unknown, name: string | undefined): never {
  const { lockouts } = exchange.domains;
  if (name !== undefined && error instanceof InvalidCredentials) {
    lockouts.check(exchange.mount!, name);
    lockouts.failed(exchange.mount!, name);
  }
  throw error;
}
