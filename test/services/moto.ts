/** AWS as PyPI's moto server speaks it, on a free loopback port, with nothing in it and everything in memory. */
import { existsSync } from 'node:fs';
import { type Answer, call } from './http.ts';
import { pythonPackages } from './install.ts';
import { freePort } from './ports.ts';
import { startProcess, waitForPort } from './process.ts';

export interface Moto {
  /** The endpoint of every AWS service. */
  readonly address: string;
  readonly region: string;
  /** Any credentials will do; these are some. */
  readonly accessKey: string;
  readonly secretKey: string;
  /** A call of a JSON service: `json('kms', 'TrentService.CreateKey', {})`. Rejects when it is refused. */
  json(service: string, target: string, body: unknown): Promise<Record<string, unknown>>;
  /** Any call: of S3, say, `request('s3', 'PUT', '/bucket')`. */
  request(service: string, method: string, path: string, body?: string | Uint8Array): Promise<Answer>;
  /** Every request it has had, a line each. */
  logs(): string;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
const REGION = 'us-east-1';
const ACCESS_KEY = 'moto-access-key';

/** Why there is no AWS to test with, or undefined when there is. */
export function available(): string | undefined {
  return existsSync(pythonPackages)
    ? undefined
    : 'Python with moto is not installed (npm test does, if python3 has pip)';
}

export async function start(): Promise<Moto> {
  const reason = available();
  if (reason !== undefined) throw new Error(reason);
  const port = await freePort();
  const server = startProcess({
    command: 'python3',
    args: ['-m', 'moto.server', '-H', HOST, '-p', String(port)],
    env: { PYTHONPATH: pythonPackages, PYTHONDONTWRITEBYTECODE: '1' },
  });
  try {
    await waitForPort(port, server);
  } catch (error) {
    await server.stop();
    throw error;
  }
  const address = `http://${HOST}:${port}`;
  const request = (
    service: string,
    method: string,
    path: string,
    body?: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ) => call(address, { method, path, body, headers: { ...authorization(service), ...headers } });
  return {
    address,
    region: REGION,
    accessKey: ACCESS_KEY,
    secretKey: 'moto-secret-key',
    request,
    async json(service, target, body) {
      const headers = { 'X-Amz-Target': target, 'Content-Type': 'application/x-amz-json-1.1' };
      const answer = await request(service, 'POST', '/', JSON.stringify(body), headers);
      if (answer.status !== 200) throw new Error(`moto: ${target}: ${answer.status} ${answer.text}`);
      return answer.json();
    },
    logs: () => server.output(),
    async stop() {
      await server.stop();
    },
  };
}

/** moto checks no signature, but reads from its scope which service is meant. */
function authorization(service: string): Record<string, string> {
  const scope = `20260101/${REGION}/${service}/aws4_request`;
  return {
    Authorization: `AWS4-HMAC-SHA256 Credential=${ACCESS_KEY}/${scope}, SignedHeaders=host, Signature=0`,
  };
}
