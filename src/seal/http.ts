import type { IncomingMessage, RequestOptions } from 'node:http';
import { isRecord, type UnknownRecord } from '../base/json.ts';
import { SealUnavailable } from './seal.ts';
import { Refused } from './service.ts';

/** One call to a key service; nothing is followed, and an answer has a size. */
export interface ServiceRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

export interface ServiceTls {
  /** PEM texts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  readonly skipVerify?: boolean;
}

/** Sends and gives the JSON object of the answer; see `openServiceHttp`. */
export type ServiceHttp = (request: ServiceRequest) => Promise<UnknownRecord>;

const ANSWER_BYTES_MAX = 1024 * 1024;
const REASON_LENGTH_MAX = 300;
/** The request makes no sense to the service: the ciphertext is not its own, or the key is gone. */
const FINAL_STATUSES = new Set([400, 404, 410, 422]);

/**
 * A way to a service that keeps its connections. The calls reject with `Refused` for any status but a good one, with the
 * service's own reason, and with `SealUnavailable` when there is no answer.
 */
export function openServiceHttp(options: {
  tls?: ServiceTls;
  /** `HTTPS_PROXY`, `NO_PROXY`. */
  environment: Readonly<Record<string, string | undefined>>;
}): { send: ServiceHttp; close(): void } {
  let opened: Promise<Opened> | undefined;
  return {
    async send(request) {
      opened ??= open(options);
      const { start } = await opened;
      const { status, text } = await exchange(start, request);
      const body = parse(text);
      if (status < 200 || status > 299) {
        const reason = body ? `: ${reasonOf(body)}` : '';
        throw new Refused(`answered ${status}${reason}`, { status, final: FINAL_STATUSES.has(status) });
      }
      if (!body) throw new SealUnavailable('answered something that is no JSON');
      return body;
    },
    close() {
      void opened?.then(({ close }) => close());
    },
  };
}

type Start = (
  url: URL,
  options: RequestOptions,
  answered: (response: IncomingMessage) => void,
) => import('node:http').ClientRequest;

interface Opened {
  readonly start: Start;
  close(): void;
}

async function open({ tls = {}, environment }: Parameters<typeof openServiceHttp>[0]): Promise<Opened> {
  const [http, https] = await Promise.all([import('node:http'), import('node:https')]);
  const common = { keepAlive: true, maxSockets: 4, proxyEnv: { ...environment } };
  const plain = new http.Agent(common);
  const secure = new https.Agent({
    ...common,
    ...(tls.ca !== undefined && { ca: tls.ca }),
    ...(tls.cert !== undefined && { cert: tls.cert, key: tls.key }),
    ...(tls.serverName && { servername: tls.serverName }),
    ...(tls.skipVerify && { rejectUnauthorized: false }),
  });
  return {
    start: (url, options, answered) =>
      url.protocol === 'https:'
        ? https.request(url, { ...options, agent: secure }, answered)
        : http.request(url, { ...options, agent: plain }, answered),
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

function exchange(start: Start, request: ServiceRequest): Promise<{ status: number; text: string }> {
  const { method, url, headers = {}, body, signal } = request;
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(new SealUnavailable(unreachable(error)));
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    const outgoing = start(url, { method, headers: { ...headers, ...length }, signal }, (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on('data', (part: Buffer) => {
        size += part.length;
        if (size > ANSWER_BYTES_MAX) outgoing.destroy(new Error('the answer is too long'));
        else parts.push(part);
      });
      response.on('error', fail);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }),
      );
    });
    outgoing.on('error', fail);
    outgoing.end(body);
  });
}

/** What kind of failure it was; Node's own message would name the address, which not everybody need know. */
function unreachable(error: Error): string {
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const code = inner instanceof Error && 'code' in inner ? String(inner.code) : '';
  return code ? `cannot be reached (${code})` : `cannot be reached: ${error.message}`;
}

function parse(text: string): UnknownRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Vault's `errors`, Google's and Azure's `error.message`, OAuth's `error_description`. */
function reasonOf(body: UnknownRecord): string {
  const { errors, error, error_description: description } = body;
  const said = Array.isArray(errors)
    ? errors.join('; ')
    : (description ?? (isRecord(error) ? (error.message ?? error.code) : error));
  return String(said ?? 'no reason').slice(0, REASON_LENGTH_MAX);
}
