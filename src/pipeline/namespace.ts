import { ApiLocked, InvalidRequest } from '../base/errors.ts';
import { ROOT_NAMESPACE } from '../namespaces/namespace.ts';
import { servedEverywhere, servedLocked } from '../namespaces/restricted.ts';
import type { Exchange } from './exchange.ts';
import type { WireRequest } from './wire.ts';

/**
 * Which namespace a request is for, by header, by the beginning of its path or by both, and which of its mounts answers.
 * From here on the path is relative to the namespace, whichever way it was named.
 */
export function resolveNamespace(exchange: Exchange): void {
  const { wire, domains } = exchange;
  if (wire.headers['x-vault-namespace'] !== undefined && !followHeader(exchange)) return;
  if (!matchIn(exchange) && domains.namespaces.any) descend(exchange);
}

/** Without slashes around it; '' for the root. */
export function namespaceHeader(headers: WireRequest['headers']): string {
  const wanted = String(headers['x-vault-namespace'] ?? '').replace(/^\/+|\/+$/g, '');
  return wanted === 'root' ? '' : wanted;
}

/** False when there is no such namespace: then nothing answers, and what is said is as for a path that begins so. */
function followHeader(exchange: Exchange): boolean {
  const wanted = namespaceHeader(exchange.wire.headers);
  if (wanted === '') return true;
  const { namespaces } = exchange.domains;
  const namespace = namespaces.below(ROOT_NAMESPACE, wanted);
  if (namespace && namespaces.isOpen(namespace)) {
    exchange.namespace = namespace;
    return true;
  }
  exchange.path = `${wanted}/${exchange.path}`;
  return false;
}

/** A path that no mount answers may begin with a child's name. Mounts and children never share one. */
function descend(exchange: Exchange): void {
  const { namespaces } = exchange.domains;
  for (;;) {
    const slash = exchange.path.indexOf('/');
    const child = slash > 0 && namespaces.child(exchange.namespace, exchange.path.slice(0, slash));
    if (!child || child.leaving) return;
    exchange.namespace = child;
    exchange.path = exchange.path.slice(slash + 1);
    if (matchIn(exchange)) return;
  }
}

function matchIn(exchange: Exchange): boolean {
  const { domains, session, namespace } = exchange;
  const match = domains.mounts.table(session, namespace.id).match(exchange.path);
  if (!match) return false;
  exchange.mount = match.mount;
  exchange.relative = match.relative;
  return true;
}

/** In other namespaces than the root some of `sys/` is not there; in a locked one nearly nothing. */
export function checkServed({ domains, namespace, mount, relative, wire }: Exchange): void {
  if (namespace === ROOT_NAMESPACE) return;
  const ofSystem = mount?.entry.type === 'system';
  if (ofSystem && !servedEverywhere(relative))
    throw new InvalidRequest(`unavailable operation (${wire.method} /v1/${wire.path})`);
  const lock = domains.namespaces.lockOver(namespace);
  if (lock && !(ofSystem && servedLocked(relative)))
    throw new ApiLocked(
      `API access to this namespace has been locked by an administrator - "${lock.path}" must be unlocked to gain access.`,
    );
}
