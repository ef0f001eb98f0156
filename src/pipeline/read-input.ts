import { parseOperation, requestData } from '../engine/dispatch.ts';
import type { Exchange } from './exchange.ts';

/** Parses what the request carries: after the rate limits, which are there to save this work too. */
export function readInput(exchange: Exchange): void {
  const { wire, route } = exchange;
  exchange.data = requestData(exchange.operation, wire);
  exchange.bytes = wire.bytes;
  if (route) exchange.found = parseOperation(route, exchange.data);
}
