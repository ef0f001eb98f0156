import { InternalFailure, UnsupportedPath } from '../base/errors.ts';
import { findOperation } from '../engine/dispatch.ts';
import type { Exchange } from './exchange.ts';

/** Which mount answers, and which of its paths. Says nothing of it yet: policy has its say first. */
export function matchMount(exchange: Exchange): void {
  const { mounts } = exchange.domains;
  const match = mounts.match(exchange.path);
  if (!match) return;
  exchange.mount = match.mount;
  exchange.route = findOperation(match.mount.table, match.relative, exchange.operation);
}

/** For those who may know: why nothing answers here. */
export function missingRoute(exchange: Exchange): Error {
  const { mount } = exchange;
  if (mount?.failure)
    return new InternalFailure(`the mount at ${mount.info.path} could not be opened; see the server log`);
  const path = JSON.stringify(exchange.path);
  return new UnsupportedPath(`no handler for route ${path}. route entry not found.`);
}
