import type { Exchange } from './exchange.ts';
import type { WireReply } from './wire.ts';
import { wrappedBody } from './wrap.ts';

/** The finished exchange as a reply for the wire. */
export function answer(exchange: Exchange): WireReply {
  const { reply, body } = exchange;
  const own = allowedHeaders(exchange);
  const headers = own ? { headers: own } : {};
  if (reply?.raw) return { status: reply.status ?? 200, ...headers, raw: reply.raw };
  if (reply?.stream) return { status: 200, ...headers, stream: reply.stream };
  const told = reply?.delivered ? { delivered: reply.delivered } : {};
  if (exchange.wrapInfo) return { status: 200, ...headers, ...told, body: wrappedBody(exchange) };
  if (!body) return { status: reply?.status ?? 204, ...headers, ...told };
  return { status: reply?.status ?? 200, ...headers, ...told, body };
}

/** Engines of the host may set any header; others only what the mount is tuned to let through. */
function allowedHeaders({ reply, mount }: Exchange): Readonly<Record<string, string>> | undefined {
  if (!reply?.headers) return undefined;
  if (mount?.host) return reply.headers;
  const allowed = new Set(mount?.entry.config.allowed_response_headers?.map((name) => name.toLowerCase()));
  return Object.fromEntries(
    Object.entries(reply.headers).filter(([name]) => allowed.has(name.toLowerCase())),
  );
}
