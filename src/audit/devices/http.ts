import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { InvalidRequest } from '../../base/errors.ts';
import { isRecord } from '../../base/json.ts';
import { type AuditDevice, type AuditDeviceDeps, type AuditDeviceType, requiredOption } from '../device.ts';
import { limited } from './connection.ts';
import { reference, writeTimeoutMs } from './destination.ts';

/**
 * Entries by POST to a server, JSON lines, those of one turn in one request; any 2xx says they are kept. Nothing is
 * tried again and no redirect is followed. The address and header values may refer to `env://NAME` or `file://path`.
 */
export const httpDevice: AuditDeviceType = {
  type: 'http',
  options: ['uri', 'headers', 'write_timeout'],
  secretOptions: ['headers'],
  configure(options, deps) {
    const uri = requiredOption(options, 'uri');
    const headers = parseHeaders(options.headers ?? '');
    const timeoutMs = writeTimeoutMs(options);
    if (reference(uri).kind === 'text') parseUri(uri);
    return async () => {
      const url = parseUri(await resolved(uri, deps));
      const sent = new Map<string, string[]>([['content-type', ['application/x-ndjson']]]);
      for (const [name, values] of headers) {
        sent.set(name, await Promise.all(values.map((value) => resolved(value, deps))));
      }
      if (url.protocol === 'http:')
        deps.log.warn('audit entries go to an unencrypted address', { host: url.host });
      return openHttp({ url, headers: Object.fromEntries(sent), timeoutMs, deps });
    };
  },
};

/** Characters of a reply that are read, and thrown away, to keep the connection. */
const REPLY_BYTES_MAX = 64 * 1024;

interface HttpOptions {
  readonly url: URL;
  readonly headers: Record<string, string[]>;
  readonly timeoutMs: number | undefined;
  readonly deps: AuditDeviceDeps;
}

function openHttp({ url, headers, timeoutMs, deps }: HttpOptions): AuditDevice {
  const secure = url.protocol === 'https:';
  const newAgent = (): HttpAgent => new (secure ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: 1 });
  let agent = newAgent();
  const post = (body: Buffer, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const send = secure ? httpsRequest : httpRequest;
      const outgoing = send(url, { method: 'POST', agent, headers, signal });
      outgoing.on('error', reject);
      outgoing.on('response', (reply) => drained(reply).then(resolve, reject));
      outgoing.end(body);
    });
  return {
    write(lines) {
      const abort = new AbortController();
      return limited(deps.clock, timeoutMs, post(Buffer.concat(lines), abort.signal), () => abort.abort());
    },
    async reload() {
      agent.destroy();
      agent = newAgent();
    },
    async close() {
      agent.destroy();
    },
  };
}

function drained(reply: IncomingMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    const status = reply.statusCode ?? 0;
    let bytes = 0;
    reply.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > REPLY_BYTES_MAX) reply.destroy();
    });
    reply.on('error', reject);
    reply.on('close', () => {
      if (status >= 200 && status < 300) resolve();
      else reject(new Error(`the server answered with status ${status}`));
    });
  });
}

function parseUri(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new InvalidRequest('uri must be an http or https address');
  return url;
}

/** A JSON object of lists of texts; names without values are left out. */
function parseHeaders(text: string): Map<string, string[]> {
  if (text.trim() === '') return new Map();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  if (!isRecord(parsed)) throw new InvalidRequest('headers must be a JSON object of lists of texts');
  const headers = new Map<string, string[]>();
  for (const [name, values] of Object.entries(parsed)) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name))
      throw new InvalidRequest(`invalid header name ${JSON.stringify(name)}`);
    if (!Array.isArray(values) || !values.every((value) => typeof value === 'string')) {
      throw new InvalidRequest('headers must be a JSON object of lists of texts');
    }
    if (values.length > 0) headers.set(name.toLowerCase(), values);
  }
  return headers;
}

async function resolved(text: string, { environment }: AuditDeviceDeps): Promise<string> {
  const { kind, value } = reference(text);
  if (kind === 'text') return value;
  if (kind === 'file') return (await readFile(value, 'utf8')).trim();
  const found = environment[value];
  if (found === undefined) throw new Error(`the environment variable ${value} is not set`);
  return found;
}
