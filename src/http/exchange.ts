import { type Clock, rfc3339 } from '../base/clock.ts';
import { InvalidRequest, NotFound, UnsupportedOperation } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { Logger, LogLevel } from '../base/logger.ts';
import type { Handle, WireReply, WireRequest } from '../pipeline/wire.ts';
import { type ParsedBody, parseBody } from './body.ts';
import type { Connection, Exchange } from './connection.ts';
import { applyCors, type CorsSettings } from './cors.ts';
import { errorReply, isUnexpected, ProtocolError } from './errors.ts';
import type { JsonLimits } from './json-limits.ts';
import type { ListenerSettings } from './listener-config.ts';
import { normalisePath } from './path.ts';
import { parseQuery, takeSwitch } from './query.ts';
import { forwardedRemote } from './remote.ts';
import type { RequestHead } from './request-head.ts';
import type { ResponseHeads } from './response-head.ts';
import { sendStream } from './stream-reply.ts';
import type { Upload } from './upload.ts';

export interface ExchangeContext {
  readonly handle: Handle;
  readonly settings: ListenerSettings;
  readonly heads: ResponseHeads;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of every reply's status. */
  readonly replied: ((status: number) => void) | undefined;
  /** At which level requests are logged when they are answered, if at all. */
  readonly requestLevel: () => LogLevel | undefined;
  /** `sys/config/cors` as it stands now. */
  readonly cors: () => CorsSettings | undefined;
}

const METHODS: ReadonlyMap<string, WireRequest['method']> = new Map([
  ['GET', 'GET'],
  ['HEAD', 'GET'],
  ['POST', 'POST'],
  ['PUT', 'PUT'],
  ['PATCH', 'PATCH'],
  ['DELETE', 'DELETE'],
  ['LIST', 'LIST'],
  ['SCAN', 'SCAN'],
]);
export const API_PREFIX = '/v1/';
const EMPTY: Buffer = Buffer.alloc(0);

/** One request and its reply: from the parsed head and the bytes of the body to what is written back. */
export class ApiExchange implements Exchange {
  readonly #context: ExchangeContext;
  readonly #connection: Connection;
  readonly #head: RequestHead;
  readonly #headers: Readonly<Record<string, string>>[] = [];
  #controller: AbortController | undefined;
  readonly #startedMs: number;
  #wire: ApiRequest | undefined;
  #aborted = false;
  #answered = false;

  constructor(context: ExchangeContext, connection: Connection, head: RequestHead) {
    this.#context = context;
    this.#connection = connection;
    this.#head = head;
    this.#startedMs = context.requestLevel() ? context.clock.now() : 0;
  }

  run(body: Buffer, upload?: Upload): void {
    try {
      const reply = this.#answer(body, upload);
      if (!(reply instanceof Promise)) this.#reply(reply);
      else reply.then(this.#reply.bind(this)).catch(this.#fail.bind(this));
    } catch (error) {
      this.#fail(error);
    }
  }

  abort(): void {
    this.#aborted = true;
    this.#controller?.abort(new Error('the client has gone away'));
  }

  expire(): void {
    this.#aborted = true;
    this.#controller?.abort(new Error('the longest time of a request is over'));
    // Half a stream has been sent: the only honest end is a broken one.
    if (this.#answered) this.#connection.socket.destroy();
    else this.#reply(errorReply(new ProtocolError(503, 'the request took too long and was cancelled')));
  }

  /** Made when first asked for: most requests never need one, and it costs as much as parsing the head. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#aborted) this.abort();
    }
    return this.#controller.signal;
  }

  addReplyHeaders(headers: Readonly<Record<string, string>>): void {
    this.#headers.push(headers);
  }

  #answer(body: Buffer, upload: Upload | undefined): WireReply | Promise<WireReply> {
    const { method, headers, target } = this.#head;
    const cors = applyCors(this.#context.cors(), method, headers);
    if (cors.headers) this.#headers.push(cors.headers);
    if (cors.reply) return cors.reply;
    const question = target.indexOf('?');
    const path = normalisePath(question < 0 ? target : target.slice(0, question));
    if (!path.startsWith(API_PREFIX)) return outsideApi(path);
    const query = parseQuery(question < 0 ? '' : target.slice(question + 1));
    return this.#context.handle(this.#request(path.slice(API_PREFIX.length), query, body, upload));
  }

  #request(path: string, query: UnknownRecord, bytes: Buffer, upload: Upload | undefined): WireRequest {
    const { settings } = this.#context;
    const { headers, method } = this.#head;
    this.#wire = new ApiRequest(this, this.#connection, settings, {
      method: methodOf(method, query),
      path,
      query,
      headers,
      bytes,
      upload,
      remote: forwardedRemote(this.#connection.remote, headers['x-forwarded-for'], settings.forwardedFor),
    });
    return this.#wire;
  }

  #fail(error: unknown): void {
    if (isUnexpected(error) && !this.#aborted) {
      this.#context.logger.error('request failed', {
        error: error instanceof Error ? error.stack : String(error),
      });
    }
    this.#reply(errorReply(error));
  }

  /** Only the first reply counts: one that comes after the time was over is dropped. */
  #reply(reply: WireReply): void {
    if (this.#answered) {
      reply.delivered?.(false);
      return;
    }
    this.#context.replied?.(reply.status);
    if (this.#startedMs > 0) this.#log(reply.status);
    if (reply.stream) {
      this.#answered = true;
      this.#stream(reply, reply.stream);
      return;
    }
    const body = reply.raw ? reply.raw.body : reply.body ? `${JSON.stringify(reply.body)}\n` : '';
    const contentType = reply.raw?.contentType ?? (reply.body ? 'application/json' : undefined);
    const bodiless = reply.status === 204 || reply.status === 304;
    const keepAlive = this.#keepsAlive();
    const head = this.#renderHead(
      reply,
      keepAlive,
      contentType,
      bodiless ? undefined : Buffer.byteLength(body),
    );
    this.#answered = true;
    const { socket } = this.#connection;
    const { delivered } = reply;
    if (delivered) socket.write(head + body, (error) => delivered(!error));
    else if (bodiless || this.#head.method === 'HEAD') socket.write(head, 'latin1');
    else if (typeof body === 'string') socket.write(head + body);
    else {
      socket.cork();
      socket.write(head);
      socket.write(body);
      socket.uncork();
    }
    this.#connection.finish(keepAlive);
  }

  #stream(reply: WireReply, stream: NonNullable<WireReply['stream']>): void {
    const chunked = this.#head.minorVersion === 1;
    const keepAlive = chunked && this.#keepsAlive();
    const head = this.#renderHead(reply, keepAlive, stream.contentType, chunked ? 'chunked' : undefined);
    this.#connection.withoutDeadline();
    this.#connection.socket.write(head);
    const body = this.#head.method === 'HEAD' ? undefined : stream.body;
    sendStream({ socket: this.#connection.socket, body, chunked, signal: this.signal }).then(
      () => this.#connection.finish(keepAlive),
      (error: unknown) => {
        this.#context.logger.error('streaming a reply failed', { error });
        this.#connection.socket.destroy();
      },
    );
  }

  /** `log_requests_level`: by Vault's names. */
  #log(status: number): void {
    const { requestLevel, logger, clock } = this.#context;
    const level = requestLevel();
    if (!level) return;
    const { address, port } = this.#connection.remote;
    const { method, target } = this.#head;
    const question = target.indexOf('?');
    logger[level]('completed_request', {
      start_time: rfc3339(this.#startedMs),
      duration: `${clock.now() - this.#startedMs}ms`,
      client_id: this.#wire?.clientId ?? '',
      client_address: `${address}:${port}`,
      status_code: status,
      request_path: question < 0 ? target : target.slice(0, question),
      request_method: method,
    });
  }

  #keepsAlive(): boolean {
    return this.#head.keepAlive && !this.#connection.isLast;
  }

  #renderHead(
    reply: WireReply,
    keepAlive: boolean,
    contentType: string | undefined,
    length: number | 'chunked' | undefined,
  ): string {
    const { heads } = this.#context;
    const { status } = reply;
    const headers = reply.headers ? [...this.#headers, reply.headers] : this.#headers;
    return heads.render({
      status,
      minorVersion: this.#head.minorVersion,
      keepAlive,
      contentType,
      length,
      headers,
    });
  }
}

interface ApiRequestParts {
  readonly method: WireRequest['method'];
  readonly path: string;
  readonly query: UnknownRecord;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  readonly upload: Upload | undefined;
  readonly remote: WireRequest['remote'];
}

const NO_BODY: ParsedBody = { body: undefined, bytes: undefined };

/**
 * What the pipeline sees. A class, because what costs something is worked out when it is first asked for: a request
 * that a rate limit or a seal refuses has its body never parsed.
 */
class ApiRequest implements WireRequest {
  readonly method: WireRequest['method'];
  readonly path: string;
  readonly query: UnknownRecord;
  readonly headers: Readonly<Record<string, string>>;
  readonly remote: WireRequest['remote'];
  readonly listener: WireRequest['listener'];
  readonly upload: WireRequest['upload'];
  clientId = '';
  readonly #exchange: ApiExchange;
  readonly #connection: Connection;
  readonly #json: JsonLimits;
  #unparsed: Buffer;
  #parsed: ParsedBody | undefined;

  constructor(
    exchange: ApiExchange,
    connection: Connection,
    settings: ListenerSettings,
    parts: ApiRequestParts,
  ) {
    this.#exchange = exchange;
    this.#connection = connection;
    this.#json = settings.json;
    this.#unparsed = parts.bytes;
    this.method = parts.method;
    this.path = parts.path;
    this.query = parts.query;
    this.headers = parts.headers;
    this.remote = parts.remote;
    this.listener = settings;
    this.upload = parts.upload;
  }
  get body(): UnknownRecord | undefined {
    return this.#parse().body;
  }
  get bytes(): Buffer | undefined {
    return this.#parse().bytes;
  }
  get signal(): AbortSignal {
    return this.#exchange.signal;
  }
  addReplyHeaders(headers: Readonly<Record<string, string>>): void {
    this.#exchange.addReplyHeaders(headers);
  }
  get clientCertificates(): readonly Buffer[] {
    return this.#connection.clientCertificates;
  }

  #parse(): ParsedBody {
    if (this.#parsed) return this.#parsed;
    const writes = this.method === 'POST' || this.method === 'PUT' || this.method === 'PATCH';
    this.#parsed = writes
      ? parseBody(this.#unparsed, this.method, this.headers['content-type'], this.#json)
      : NO_BODY;
    this.#unparsed = EMPTY;
    return this.#parsed;
  }
}

/** `GET ?list=true` is LIST, `GET ?scan=true` is SCAN, HEAD is GET. Throws `UnsupportedOperation` for others. */
function methodOf(name: string, query: UnknownRecord): WireRequest['method'] {
  const method = METHODS.get(name);
  if (!method) throw new UnsupportedOperation();
  if (hasNone(query) || (method !== 'GET' && method !== 'LIST' && method !== 'SCAN')) return method;
  const list = takeSwitch(query, 'list');
  const scan = takeSwitch(query, 'scan');
  if (list && scan) throw new InvalidRequest('list and scan exclude one another');
  if (method !== 'GET') return method;
  return list ? 'LIST' : scan ? 'SCAN' : 'GET';
}

function hasNone(query: UnknownRecord): boolean {
  for (const _ in query) return false;
  return true;
}

function outsideApi(path: string): WireReply {
  if (path === '/') return { status: 307, headers: { Location: '/ui/' } };
  throw new NotFound();
}
