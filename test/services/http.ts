/** HTTP as a test needs it: any method, any body, the raw answer, no opinion about what is an error. */
import { request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';

export interface Call {
  readonly method: string;
  /** Sent as it stands, so that a test can send what a URL parser would mend. */
  readonly path: string;
  /** Sent as JSON, unless it is text or bytes already. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  json(): JsonReply;
}

/** A reply of the API, as far as tests look at all of them. */
// biome-ignore lint/suspicious/noExplicitAny: a test names the fields it expects, and fails when they are not there
export type JsonReply = Record<string, any>;

const CALL_TIMEOUT_MS = 30_000;

/** Sends one request to `http://host:port` or `https://host:port`, trusting only `ca` (PEM) if it is given. */
export function call(address: string, { method, path, body, headers }: Call, ca?: string): Promise<Answer> {
  const { protocol, hostname, port } = new URL(address);
  const payload = body === undefined || isRaw(body) ? body : JSON.stringify(body);
  const options = {
    hostname,
    port,
    method,
    path,
    headers,
    ca,
    agent: false,
    timeout: CALL_TIMEOUT_MS,
  } as const;
  return new Promise((resolve, reject) => {
    const sent = (protocol === 'https:' ? requestTls : requestPlain)(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: () => JSON.parse(text),
        });
      });
    });
    sent.on('timeout', () =>
      sent.destroy(new Error(`no answer to ${method} ${path} in ${CALL_TIMEOUT_MS} ms`)),
    );
    sent.on('error', reject);
    sent.end(payload);
  });
}

function isRaw(body: unknown): body is string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array;
}
