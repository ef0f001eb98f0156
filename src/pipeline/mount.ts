import { InternalFailure, UnsupportedPath } from '../base/errors.ts';
import { findOperation } from '../engine/dispatch.ts';
import type { Exchange } from './exchange.ts';

/** Which of the mount's paths answers. Says nothing of it yet: policy has its say first. */
export function matchPath(exchange: Exchange): void {
  const { mount } = exchange;
  if (mount) exchange.route = findOperation(mount.table, exchange.relative, exchange.operation);
}

/** The request's path in the one spelling of all that lead to the same. */
export function plainPath({ mount, route, path }: Exchange): string {
  return mount && route ? mount.info.path + route.canonicalPath : path;
}

/** For those who may know: why nothing answers here. */
export function missingRoute(exchange: Exchange): Error {
  const { mount, namespace } = exchange;
  if (mount?.failure)
    return new InternalFailure(`the mount at ${mount.info.path} could not be opened; see the server log`);
  const path = JSON.stringify(exchange.path);
  const where = namespace.path === '' ? '' : ` on namespace ${JSON.stringify(namespace.path)}`;
  return new UnsupportedPath(`no handler for route ${path}${where}. route entry not found.`);
}
