import type { Exchange } from './exchange.ts';

/** Makes the writes visible to others and waits until all that this reply depends on is durable. */
export function awaitCommit(exchange: Exchange): void | Promise<void> {
  exchange.session.apply();
  const audited = exchange.audited;
  const settled = exchange.session.settled();
  if (audited && settled) return Promise.all([audited, settled]).then(() => {});
  return audited ?? settled;
}

/** What ends the server's own work (sealing) can begin only when this request's is on disk. */
export function doLast({ reply }: Exchange): void | Promise<void> {
  return reply?.last?.();
}
