import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { SecureContextOptions } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import { ConnectionError, SettingError } from './errors.ts';

/** One HTTP exchange over TCP, TLS or a Unix socket, without retries and redirects: those are `client.ts`. */
export interface OutgoingRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | undefined;
  /** Instead of `body`: what is sent once the server has said that it will take it. */
  readonly upload?: (() => AsyncIterable<Uint8Array>) | undefined;
}
export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly raw: string;
}

export interface TlsSettings {
  /** PEM file, directory of PEM files, or the PEM text itself; given, they replace the usual roots. */
  readonly caFile?: string;
  readonly caDirectory?: string;
  readonly caText?: string;
  readonly clientCertificateFile?: string;
  readonly clientKeyFile?: string;
  readonly serverName?: string;
  readonly skipVerify?: boolean;
}

export interface TransportOptions {
  /** `http://…`, `https://…` or `unix:///path/to/socket`. */
  readonly address: string;
  readonly tls: TlsSettings;
  /** Proxy variables as `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`. */
  readonly proxyEnvironment: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

export interface Transport {
  send(request: OutgoingRequest): Promise<Answer>;
  /** Hands over the body piece by piece until the server ends it; no time limit once it began. */
  stream(request: OutgoingRequest, onText: (text: string) => void, signal?: AbortSignal): Promise<Answer>;
  /** As `stream`, in bytes, and no faster than they are taken. Rejects when the body ends before its end. */
  download(request: OutgoingRequest, onBytes: (bytes: Buffer) => Promise<void>): Promise<Answer>;
}

const CERTIFICATE_UNKNOWN = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
]);

export function openTransport(options: TransportOptions): Transport {
  const socketPath = options.address.startsWith('unix:')
    ? options.address.replace(/^unix:(\/\/)?/, '')
    : undefined;
  let connection: Promise<Connection> | undefined;
  const connect = () => {
    connection ??= openConnection(options, socketPath === undefined && options.address.startsWith('https:'));
    return connection;
  };
  const exchange = async (
    request: OutgoingRequest,
    read: BodyReader,
    signal?: AbortSignal,
  ): Promise<Answer> => {
    const { start, trustSystemRoots } = await connect();
    const attempt = () => sendOnce(options, start, socketPath, request, read, signal);
    try {
      return await attempt();
    } catch (error) {
      // The system's own roots cost a tenth of a second to load, so they are asked only when Node's did not do.
      const distrusted = error instanceof ConnectionError && CERTIFICATE_UNKNOWN.has(error.reason);
      if (!distrusted || !(await trustSystemRoots())) throw error;
      return attempt();
    }
  };
  return {
    send: (request) => exchange(request, readWhole),
    stream: (request, onText, signal) => exchange(request, streamTo(onText), signal),
    download: (request, onBytes) => exchange(request, downloadTo(onBytes)),
  };
}

/** The PEM texts that `tls` names, or nothing for the usual roots. Throws `SettingError`. */
export function certificateAuthorities(tls: TlsSettings): string[] | undefined {
  if (tls.caFile) return [readSetting('CA certificate', tls.caFile)];
  if (tls.caText) return [tls.caText];
  const directory = tls.caDirectory;
  if (!directory) return undefined;
  const files = listSetting('CA directory', directory).map((name) => join(directory, name));
  const texts = files
    .filter((file) => statSync(file).isFile())
    .map((file) => readSetting('CA certificate', file));
  const certificates = texts.filter((text) => text.includes('-----BEGIN CERTIFICATE-----'));
  if (certificates.length === 0) throw new SettingError(`no certificates found in CA directory ${directory}`);
  return certificates;
}

type Start = (options: RequestOptions, onResponse: (response: IncomingMessage) => void) => ClientRequest;
interface Connection {
  readonly start: Start;
  /** Adds the operating system's roots; false where that changes nothing. */
  readonly trustSystemRoots: () => Promise<boolean>;
}
type BodyReader = (response: IncomingMessage, started: () => void) => Promise<string>;

async function openConnection(options: TransportOptions, secure: boolean): Promise<Connection> {
  const common = { keepAlive: true, proxyEnv: { ...options.proxyEnvironment } };
  if (!secure) {
    const http = await import('node:http');
    const agent = new http.Agent(common);
    return {
      start: (request, onResponse) => http.request({ ...request, agent }, onResponse),
      trustSystemRoots: async () => false,
    };
  }
  const https = await import('node:https');
  const tls = tlsOptions(options.tls);
  let agent: Agent = new https.Agent({ ...common, ...tls });
  return {
    start: (request, onResponse) => https.request({ ...request, agent }, onResponse),
    async trustSystemRoots() {
      if (tls.ca) return false;
      const { getCACertificates } = await import('node:tls');
      tls.ca = [...getCACertificates('default'), ...getCACertificates('system')];
      agent = new https.Agent({ ...common, ...tls });
      return true;
    },
  };
}

function tlsOptions(
  tls: TlsSettings,
): SecureContextOptions & { rejectUnauthorized?: boolean; servername?: string } {
  if (Boolean(tls.clientCertificateFile) !== Boolean(tls.clientKeyFile)) {
    throw new SettingError('both client cert and client key must be provided');
  }
  const ca = certificateAuthorities(tls);
  return {
    ...(ca && { ca }),
    ...(tls.clientCertificateFile && { cert: readSetting('client certificate', tls.clientCertificateFile) }),
    ...(tls.clientKeyFile && { key: readSetting('client key', tls.clientKeyFile) }),
    ...(tls.serverName && { servername: tls.serverName }),
    ...(tls.skipVerify && { rejectUnauthorized: false }),
  };
}

function sendOnce(
  options: TransportOptions,
  start: Start,
  socketPath: string | undefined,
  request: OutgoingRequest,
  read: BodyReader,
  signal?: AbortSignal,
): Promise<Answer> {
  const { url } = request;
  const failure = (reason: string, detail: string, cause?: unknown) =>
    new ConnectionError({
      method: request.method,
      url: url.href,
      address: options.address,
      reason,
      detail,
      cause,
    });
  return new Promise((resolve, reject) => {
    const outgoing = start(
      {
        ...(socketPath === undefined
          ? { hostname: url.hostname.replace(/^\[|\]$/g, ''), port: url.port }
          : { socketPath }),
        path: `${url.pathname}${url.search}`,
        method: request.method,
        headers: groupHeaders(request),
        ...(signal && { signal }),
      },
      (response) => {
        read(response, stopTimer)
          .then((raw) => resolve({ status: response.statusCode ?? 0, headers: headersOf(response), raw }))
          .catch((error: unknown) => reject(failure(codeOf(error), detailOf(error), error)))
          .finally(stopTimer);
      },
    );
    const stopTimer = options.clock.after(options.timeoutMs, () => {
      reject(failure('TIMEOUT', `no answer within ${options.timeoutMs / 1000}s`));
      outgoing.destroy();
    });
    outgoing.on('error', (error) => {
      stopTimer();
      reject(failure(outgoing.reusedSocket ? 'REUSED_SOCKET' : codeOf(error), detailOf(error), error));
    });
    if (request.upload) sendUpload(outgoing, request.upload, options.clock, stopTimer);
    else outgoing.end(request.body);
  });
}

/** Servers and proxies that know nothing of `100 Continue` are sent the body after this. */
const CONTINUE_MS_MAX = 2000;

/** Sends it once the server has said that it will take it; a refusal comes before that. */
function sendUpload(
  outgoing: ClientRequest,
  open: () => AsyncIterable<Uint8Array>,
  clock: Clock,
  started: () => void,
): void {
  let begun = false;
  const begin = () => {
    if (begun) return;
    begun = true;
    started();
    // What fails here has destroyed `outgoing` with it, which tells of it.
    pipeline(Readable.from(open()), outgoing).catch(() => {});
  };
  const stopWaiting = clock.after(CONTINUE_MS_MAX, begin);
  outgoing.on('continue', begin);
  outgoing.on('response', () => {
    begun = true;
    stopWaiting();
  });
  outgoing.on('close', stopWaiting);
  outgoing.flushHeaders();
}

/** The body's length is always told: a PUT without one would go out chunked. */
function groupHeaders(request: OutgoingRequest): Record<string, string | string[]> {
  const grouped = new Map<string, string[]>();
  for (const [name, value] of request.headers) grouped.set(name, [...(grouped.get(name) ?? []), value]);
  if (request.upload) grouped.set('Expect', ['100-continue']);
  if (request.body !== undefined) grouped.set('Content-Length', [String(Buffer.byteLength(request.body))]);
  return Object.fromEntries(
    [...grouped].map(([name, values]) => [name, values.length === 1 ? values[0]! : values]),
  );
}

async function readWhole(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

function streamTo(onText: (text: string) => void): BodyReader {
  return async (response, started) => {
    if ((response.statusCode ?? 0) >= 300) return readWhole(response);
    started();
    response.setEncoding('utf8');
    for await (const text of response) onText(text as string);
    return '';
  };
}

function downloadTo(onBytes: (bytes: Buffer) => Promise<void>): BodyReader {
  return async (response, started) => {
    if ((response.statusCode ?? 0) >= 300) return readWhole(response);
    started();
    for await (const part of response) await onBytes(part as Buffer);
    return '';
  };
}

function headersOf(response: IncomingMessage): ReadonlyMap<string, string> {
  const entries = Object.entries(response.headers);
  return new Map(
    entries.map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
}

function codeOf(error: unknown): string {
  const inner = error instanceof AggregateError ? error.errors[0] : error;
  if (isPlainAnswer(inner)) return 'PLAIN_ANSWER';
  return inner instanceof Error && 'code' in inner && typeof inner.code === 'string' ? inner.code : 'UNKNOWN';
}

/** The first bytes that came back were no TLS; OpenSSL takes them for a version that it does not know. */
function isPlainAnswer(error: unknown): boolean {
  return error instanceof Error && /wrong version number|packet length too long/i.test(error.message);
}

function detailOf(error: unknown): string {
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error;
  if (isPlainAnswer(inner)) return 'server gave HTTP response to HTTPS client';
  // Node's hint to start it with another flag helps nobody who started something else.
  return inner instanceof Error
    ? inner.message.replace(/; if the root CA is installed locally.*$/s, '')
    : String(inner);
}

function readSetting(what: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new SettingError(`cannot read the ${what} ${file}: ${detailOf(error)}`);
  }
}

function listSetting(what: string, directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    throw new SettingError(`cannot read the ${what} ${directory}: ${detailOf(error)}`);
  }
}
