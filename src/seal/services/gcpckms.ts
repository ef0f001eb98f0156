/** `seal "gcpckms"`: a key of Google's Cloud Key Management Service, by its public HTTP API (version 1). */
import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import { isRecord, type UnknownRecord } from '../../base/json.ts';
import { openServiceHttp, type ServiceHttp } from '../http.ts';
import { readSealFile, required, type SealDeps, SealInvalid, type SealOptions } from '../options.ts';
import { SealUnavailable } from '../seal.ts';
import type { KeyService } from '../service.ts';
import { AccessToken } from './access-token.ts';

const API = 'https://cloudkms.googleapis.com/v1/';
const SCOPE = 'https://www.googleapis.com/auth/cloudkms';
const TOKEN_URI = 'https://oauth2.googleapis.com/token';
const METADATA_HOST = 'metadata.google.internal';
const METADATA_TOKEN = '/computeMetadata/v1/instance/service-accounts/default/token';
const ASSERTION_SECONDS = 3600;

/** Throws `SealInvalid`. `send`: another way to the service than the network. */
export function openGcpKms(options: SealOptions, deps: SealDeps, send?: ServiceHttp): KeyService {
  const http = openServiceHttp({ environment: deps.environment });
  const call = send ?? http.send;
  const token = new AccessToken(deps.clock, tokenSource(options, deps, call));
  const key = keyPath(options);
  const userAgent = options.user_agent;
  const post = (resource: string, body: UnknownRecord, signal: AbortSignal) =>
    token.use(signal, (authorized) =>
      call({
        method: 'POST',
        url: new URL(`${API}${resource}`),
        headers: { ...authorized, ...(userAgent && { 'User-Agent': userAgent }) },
        body: JSON.stringify(body),
        signal,
      }),
    );
  return {
    async encrypt(plaintext, signal) {
      const { name, ciphertext } = await post(
        `${key}:encrypt`,
        { plaintext: plaintext.toString('base64') },
        signal,
      );
      // The name is that of the version: `…/cryptoKeyVersions/3`.
      if (typeof name !== 'string' || typeof ciphertext !== 'string')
        throw new SealUnavailable('answered without a ciphertext');
      return { keyId: name, ciphertext: Buffer.from(ciphertext, 'base64') };
    },
    async decrypt({ ciphertext }, signal) {
      const body = { ciphertext: ciphertext.toString('base64') };
      const { plaintext } = await post(`${key}:decrypt`, body, signal);
      return Buffer.from(String(plaintext), 'base64');
    },
    close: () => http.close(),
  };
}

function keyPath(options: SealOptions): string {
  const part = (name: string) => encodeURIComponent(required(options, name));
  return `projects/${part('project')}/locations/${part('region')}/keyRings/${part('key_ring')}/cryptoKeys/${part('crypto_key')}`;
}

/** A service account's key where one is given, else the account of the machine. */
function tokenSource(options: SealOptions, deps: SealDeps, send: ServiceHttp) {
  const { credentials } = options;
  return credentials ? accountToken(readAccount(credentials), deps.clock, send) : machineToken(deps, send);
}

interface Account {
  readonly email: string;
  readonly keyId: string;
  readonly key: KeyObject;
  readonly tokenUri: string;
}

/** The path of the file that Google made, or its text. */
function readAccount(credentials: string): Account {
  const text = credentials.trimStart().startsWith('{')
    ? credentials
    : readSealFile('credentials', existingPath(credentials));
  const file = parseJson(text);
  if (file?.type !== 'service_account')
    throw new SealInvalid('credentials must be the JSON file of a service account');
  const { client_email: email, private_key: key, private_key_id: keyId, token_uri: tokenUri } = file;
  if (typeof email !== 'string' || typeof key !== 'string')
    throw new SealInvalid('credentials: client_email or private_key is missing');
  try {
    return {
      email,
      key: createPrivateKey(key),
      keyId: typeof keyId === 'string' ? keyId : '',
      tokenUri: typeof tokenUri === 'string' ? tokenUri : TOKEN_URI,
    };
  } catch {
    throw new SealInvalid('credentials: private_key is no key in PEM');
  }
}

function existingPath(path: string): string {
  if (!existsSync(path)) throw new SealInvalid(`credentials: ${path} does not exist`);
  return path;
}

function parseJson(text: string): UnknownRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** RFC 7523: a token for a statement that the account's key signed. */
function accountToken(account: Account, clock: Clock, send: ServiceHttp) {
  return (signal: AbortSignal) => {
    const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer' };
    const body = new URLSearchParams({ ...grant, assertion: assertion(account, clock.now()) });
    return send({
      method: 'POST',
      url: new URL(account.tokenUri),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: body.toString(),
      signal,
    });
  };
}

function assertion({ email, key, keyId, tokenUri }: Account, nowMs: number): string {
  const part = (value: UnknownRecord) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const issuedAt = Math.floor(nowMs / 1000);
  const header = part({ alg: 'RS256', typ: 'JWT', ...(keyId && { kid: keyId }) });
  const claims = {
    iss: email,
    scope: SCOPE,
    aud: tokenUri,
    iat: issuedAt,
    exp: issuedAt + ASSERTION_SECONDS,
  };
  const signed = `${header}.${part(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
}

function machineToken({ environment }: SealDeps, send: ServiceHttp) {
  const url = new URL(METADATA_TOKEN, `http://${environment.GCE_METADATA_HOST || METADATA_HOST}`);
  return (signal: AbortSignal) =>
    send({ method: 'GET', url, headers: { 'Metadata-Flavor': 'Google' }, signal });
}
