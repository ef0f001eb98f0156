/**
 * The typed client of the API, for the command line and every companion: addresses, headers, retries, redirects and
 * errors. It knows no endpoint; paths and bodies are the caller's. Settings from the environment are `environment.ts`,
 * the stored token is `token-store.ts`.
 */
import type { Clock } from '../base/clock.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { Random } from '../base/random.ts';
import { ApiError, ConnectionError, SettingError } from './errors.ts';
import { parseBody, type Reply, replyFrom, stringsOf } from './reply.ts';
import {
  type Answer,
  type OutgoingRequest,
  openTransport,
  type TlsSettings,
  type Transport,
} from './transport.ts';

export type Method = 'GET' | 'LIST' | 'SCAN' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
/** Members that are undefined are left out. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;
export type Header = readonly [name: string, value: string];

export interface ClientOptions {
  /** `https://host:8200`, `http://…`, or `unix:///path/to/socket`. */
  readonly address: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly token?: string;
  readonly namespace?: string;
  /** A duration (`5m`): replies come wrapped. A function decides by request. */
  readonly wrapTtl?: string | ((method: Method, path: string) => string | undefined);
  readonly headers?: readonly Header[];
  readonly tls?: TlsSettings;
  readonly proxyEnvironment?: Readonly<Record<string, string | undefined>>;
  /** For one attempt; 60,000 unless told. */
  readonly timeoutMs?: number;
  /** Further attempts after 412 and 5xx (not 501) and where no connection came about; 2 unless told. */
  readonly retriesMax?: number;
  /** One redirect is followed unless told otherwise. */
  readonly followRedirects?: boolean;
  readonly rateLimit?: { readonly perSecond: number; readonly burst: number };
  /** Sees each request before it goes out; what it throws is what the caller gets, and nothing is sent. */
  readonly intercept?: (request: OutgoingRequest) => void;
}

export interface Client {
  readonly address: string;
  readonly token: string;
  readonly namespace: string;
  /** `path` is what follows `/v1/`, unescaped. Throws `ApiError` for 400 and above, `ConnectionError` without an answer. */
  request(method: Method, path: string, body?: unknown, query?: Query): Promise<Reply>;
  /** As `request`, but a 404 that says nothing gives nothing, and one with data or warnings gives its reply. */
  find(method: Method, path: string, body?: unknown, query?: Query): Promise<Reply | undefined>;
  /** For endpoints that never end (`sys/monitor`). */
  stream(path: string, query: Query, onText: (text: string) => void, signal?: AbortSignal): Promise<void>;
  /** For endpoints that send a file; `onBytes` is waited for. Rejects when it ends before its end. */
  download(path: string, onBytes: (bytes: Buffer) => Promise<void>, query?: Query): Promise<void>;
  /** For endpoints that take a file as their body; not tried again by itself. `open` is called for each attempt to send it. */
  upload(path: string, open: () => AsyncIterable<Uint8Array>): Promise<Reply>;
  /** The same client with other settings; connections are shared. */
  with(changes: Pick<ClientOptions, 'token' | 'namespace' | 'wrapTtl' | 'headers' | 'intercept'>): Client;
}

const RETRY_DELAY_MS_MIN = 1000;
const RETRY_DELAY_MS_MAX = 1500;
const REDIRECTS = new Set([301, 302, 307, 308]);
/** Failures that come before anything was sent, so that even a write may be tried again. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN', 'ETIMEDOUT']);

export function createClient(options: ClientOptions): Client {
  const base = baseUrl(options.address);
  const transport = openTransport({
    address: options.address,
    tls: options.tls ?? {},
    proxyEnvironment: options.proxyEnvironment ?? {},
    timeoutMs: options.timeoutMs ?? 60_000,
    clock: options.clock,
  });
  return clientOver({ base, transport, wait: rateLimiter(options) }, options);
}

/** Escapes a path of the API segment by segment, as the server unescapes it. */
export function escapePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/').replaceAll('%40', '@').replaceAll('%3A', ':');
}

interface Shared {
  readonly base: URL;
  readonly transport: Transport;
  /** Waits until the rate limit allows one more request. */
  readonly wait: () => Promise<void>;
}

function clientOver(shared: Shared, options: ClientOptions): Client {
  const prepare = (method: Method, path: string, body?: unknown, query?: Query) => {
    const request = outgoing(shared.base, options, { method, path, body, query });
    options.intercept?.(request);
    return request;
  };
  const request: Client['request'] = async (method, path, body, query) => {
    const answer = await sendPatiently(shared, options, prepare(method, path, body, query));
    return replyFrom(answer);
  };
  return {
    address: options.address,
    token: options.token ?? '',
    namespace: options.namespace ?? '',
    request,
    async find(method, path, body, query) {
      try {
        return await request(method, path, body, query);
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return replyOfNotFound(error);
        throw error;
      }
    },
    async stream(path, query, onText, signal) {
      const prepared = prepare('GET', path, undefined, query);
      refuse(options, prepared, await shared.transport.stream(prepared, onText, signal));
    },
    async download(path, onBytes, query) {
      const prepared = prepare('GET', path, undefined, query);
      refuse(options, prepared, await shared.transport.download(prepared, onBytes));
    },
    async upload(path, open) {
      const prepared = { ...prepare('POST', path), upload: open };
      return replyFrom(refuse(options, prepared, await sendFollowing(shared, options, prepared)));
    },
    with: (changes) => clientOver(shared, { ...options, ...changes }),
  };
}

function replyOfNotFound(error: ApiError): Reply | undefined {
  if (error.errors.length > 0) throw error;
  const reply = replyFrom({ status: 404, headers: new Map(), raw: error.failure.raw });
  return reply.data || reply.warnings.length > 0 ? reply : undefined;
}

interface Call {
  readonly method: Method;
  readonly path: string;
  readonly body: unknown;
  readonly query: Query | undefined;
}

function outgoing(base: URL, options: ClientOptions, call: Call): OutgoingRequest {
  const url = new URL(base);
  url.pathname = `${base.pathname.replace(/\/$/, '')}/v1/${escapePath(call.path.replace(/^\/+/, ''))}`;
  for (const [name, value] of Object.entries(call.query ?? {})) {
    for (const one of typeof value === 'string' ? [value] : (value ?? [])) url.searchParams.append(name, one);
  }
  // Proxies drop methods that they do not know, so LIST and SCAN travel as Vault's own client sends them.
  if (call.method === 'LIST') url.searchParams.set('list', 'true');
  if (call.method === 'SCAN') url.searchParams.set('scan', 'true');
  const method = call.method === 'LIST' || call.method === 'SCAN' ? 'GET' : call.method;
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  return { method, url, headers: headersFor(options, call, body !== undefined), body };
}

function headersFor(options: ClientOptions, call: Call, hasBody: boolean): Header[] {
  const { wrapTtl } = options;
  const wrapping = typeof wrapTtl === 'function' ? wrapTtl(call.method, call.path) : wrapTtl;
  const contentType = call.method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  const headers: (Header | undefined)[] = [
    // Asks an agent or proxy that insists on it to let this pass: a browser cannot be made to send it.
    ['X-Vault-Request', 'true'],
    options.token ? ['X-Vault-Token', options.token] : undefined,
    options.namespace ? ['X-Vault-Namespace', options.namespace] : undefined,
    wrapping ? ['X-Vault-Wrap-TTL', wrapping] : undefined,
    hasBody ? ['Content-Type', contentType] : undefined,
    ...(options.headers ?? []),
  ];
  return headers.filter((header) => header !== undefined);
}

async function sendPatiently(
  shared: Shared,
  options: ClientOptions,
  request: OutgoingRequest,
): Promise<Answer> {
  const retriesMax = options.retriesMax ?? 2;
  for (let retry = 0; ; retry++) {
    await shared.wait();
    try {
      return refuse(options, request, await sendFollowing(shared, options, request));
    } catch (error) {
      if (retry >= retriesMax || !worthRetrying(error, request)) throw error;
    }
    const delay = RETRY_DELAY_MS_MIN + options.random.below(RETRY_DELAY_MS_MAX - RETRY_DELAY_MS_MIN);
    await pause(options.clock, delay * (retry + 1));
  }
}

function worthRetrying(error: unknown, request: OutgoingRequest): boolean {
  if (error instanceof ApiError) {
    return error.status === 412 || (error.status >= 500 && error.status !== 501);
  }
  if (!(error instanceof ConnectionError)) return false;
  if (NEVER_SENT.has(error.reason)) return true;
  return request.method === 'GET' && (error.reason === 'ECONNRESET' || error.reason === 'TIMEOUT');
}

/** One exchange, with one redirect, and once more when an idle connection turned out to be closed. */
async function sendFollowing(
  shared: Shared,
  options: ClientOptions,
  request: OutgoingRequest,
): Promise<Answer> {
  const answer = await sendAgainIfStale(shared.transport, request);
  const location = answer.headers.get('location');
  if (!REDIRECTS.has(answer.status) || location === undefined || options.followRedirects === false)
    return answer;
  const url = new URL(location, request.url);
  if (request.url.protocol === 'https:' && url.protocol !== 'https:') {
    throw new SettingError(`redirect would cause protocol downgrade: ${url.origin}`);
  }
  const elsewhere = url.origin === request.url.origin ? shared.transport : transportFor(options, url);
  return sendAgainIfStale(elsewhere, { ...request, url });
}

async function sendAgainIfStale(transport: Transport, request: OutgoingRequest): Promise<Answer> {
  try {
    return await transport.send(request);
  } catch (error) {
    if (error instanceof ConnectionError && error.reason === 'REUSED_SOCKET') return transport.send(request);
    throw error;
  }
}

function transportFor(options: ClientOptions, url: URL): Transport {
  return openTransport({
    address: url.origin,
    tls: options.tls ?? {},
    proxyEnvironment: options.proxyEnvironment ?? {},
    timeoutMs: options.timeoutMs ?? 60_000,
    clock: options.clock,
  });
}

/** The answer, unless its status says no. Health replies use 429, 472, 473 and 5xx for states: callers catch those. */
function refuse(options: ClientOptions, request: OutgoingRequest, answer: Answer): Answer {
  if (answer.status < 400) return answer;
  const body: UnknownRecord = parseBody(answer.raw);
  throw new ApiError({
    status: answer.status,
    errors: stringsOf(body.errors),
    method: request.method,
    url: request.url.href,
    namespace: options.namespace ?? '',
    body,
    raw: answer.raw,
  });
}

function baseUrl(address: string): URL {
  if (address.startsWith('unix:')) return new URL('http://localhost');
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new SettingError(`"${address}" is no address: it should look like https://127.0.0.1:8200`);
  }
  if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  throw new SettingError(
    `the address "${address}" starts with ${url.protocol}; it must be http:, https: or unix:`,
  );
}

function rateLimiter({ clock, rateLimit }: ClientOptions): () => Promise<void> {
  if (!rateLimit) return async () => {};
  let tokens = rateLimit.burst;
  let lastMs = clock.monotonic();
  return async () => {
    const nowMs = clock.monotonic();
    tokens = Math.min(rateLimit.burst, tokens + ((nowMs - lastMs) / 1000) * rateLimit.perSecond) - 1;
    lastMs = nowMs;
    if (tokens < 0) await pause(clock, (-tokens / rateLimit.perSecond) * 1000);
  };
}

/** Waits. In a process that has nothing else to do the clock must be the `foregroundClock`. */
export function pause(clock: Clock, delayMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  clock.after(delayMs, resolve);
  return promise;
}
