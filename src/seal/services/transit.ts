/** `seal "transit"`: a key of the transit engine of another server that speaks the Vault API. */
import type { Clock } from '../../base/clock.ts';
import { isRecord, type UnknownRecord } from '../../base/json.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { openServiceHttp, type ServiceHttp, type ServiceTls } from '../http.ts';
import {
  flag,
  readSealFile,
  required,
  type SealDeps,
  SealInvalid,
  type SealOptions,
  secretOption,
} from '../options.ts';
import { SealUnavailable } from '../seal.ts';
import { type KeyService, withinTime } from '../service.ts';

const RENEWAL_TIMEOUT_MS = 15_000;
const RENEWAL_RETRY_MS = 30_000;
const RENEWAL_MS_MAX = 24 * 60 * 60 * 1000;

/** Throws `SealInvalid`. */
export function openTransit(options: SealOptions, deps: SealDeps): KeyService {
  const http = openServiceHttp({ tls: tlsOf(options), environment: deps.environment });
  const api = new TransitApi(options, deps, http.send);
  const renewal = flag(options, 'disable_renewal') ? undefined : new TokenRenewal({ api, ...deps });
  const prefix = options.key_id_prefix ?? '';
  return {
    async encrypt(plaintext, signal) {
      const { ciphertext } = await api.transit(
        'encrypt',
        { plaintext: plaintext.toString('base64') },
        signal,
      );
      renewal?.start();
      const version = /^[^:]+:v(\d+):/.exec(String(ciphertext))?.[1];
      if (!version) throw new SealUnavailable('answered without a ciphertext');
      return { keyId: `${prefix}${version}`, ciphertext: Buffer.from(String(ciphertext)) };
    },
    async decrypt({ ciphertext }, signal) {
      const { plaintext } = await api.transit('decrypt', { ciphertext: ciphertext.toString() }, signal);
      renewal?.start();
      return Buffer.from(String(plaintext), 'base64');
    },
    close() {
      renewal?.stop();
      http.close();
    },
  };
}

class TransitApi {
  readonly #send: ServiceHttp;
  readonly #address: string;
  readonly #mount: string;
  readonly #key: string;
  readonly #namespace: string;
  readonly #token: () => string;

  constructor(options: SealOptions, deps: SealDeps, send: ServiceHttp) {
    this.#send = send;
    this.#address = required(options, 'address').replace(/\/+$/, '');
    if (!URL.canParse(this.#address)) throw new SealInvalid('address must be a full URL');
    this.#mount = required(options, 'mount_path').replace(/^\/+|\/+$/g, '');
    this.#key = encodeURIComponent(required(options, 'key_name'));
    this.#namespace = options.namespace ?? '';
    this.#token = secretOption(options, 'token', deps);
  }

  /** The `data` of the reply. */
  async transit(operation: 'encrypt' | 'decrypt', body: UnknownRecord, signal: AbortSignal) {
    return this.#data(await this.call('POST', `${this.#mount}/${operation}/${this.#key}`, signal, body));
  }

  async lookUpToken(signal: AbortSignal): Promise<UnknownRecord> {
    return this.#data(await this.call('GET', 'auth/token/lookup-self', signal));
  }

  /** The `auth` of the reply. */
  async renewToken(signal: AbortSignal): Promise<UnknownRecord> {
    const { auth } = await this.call('POST', 'auth/token/renew-self', signal, {});
    return isRecord(auth) ? auth : {};
  }

  call(method: 'GET' | 'POST', path: string, signal: AbortSignal, body?: UnknownRecord) {
    return this.#send({
      method,
      url: new URL(`${this.#address}/v1/${path}`),
      headers: {
        'X-Vault-Request': 'true',
        'X-Vault-Token': this.#token(),
        ...(this.#namespace && { 'X-Vault-Namespace': this.#namespace }),
        ...(body && { 'Content-Type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal,
    });
  }

  #data({ data }: UnknownRecord): UnknownRecord {
    if (!isRecord(data)) throw new SealUnavailable('answered without data');
    return data;
  }
}

/** Keeps the token alive, from the first time it was of use. */
class TokenRenewal {
  readonly #parts: { api: TransitApi; clock: Clock; random: Random; logger: Logger };
  #cancel: (() => void) | undefined;
  #state: 'new' | 'running' | 'stopped' = 'new';

  constructor(parts: { api: TransitApi; clock: Clock; random: Random; logger: Logger }) {
    this.#parts = parts;
  }

  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    void this.#step((api, signal) => api.lookUpToken(signal));
  }

  stop(): void {
    this.#state = 'stopped';
    this.#cancel?.();
  }

  async #step(ask: (api: TransitApi, signal: AbortSignal) => Promise<UnknownRecord>): Promise<void> {
    const { api, clock, random, logger } = this.#parts;
    try {
      const token = await withinTime(clock, RENEWAL_TIMEOUT_MS, (signal) => ask(api, signal));
      const ttlMs = Number(token.ttl ?? token.lease_duration ?? 0) * 1000;
      if (token.renewable !== true || !(ttlMs > 0)) {
        if (ttlMs > 0)
          logger.warn('the token of the transit seal expires and cannot be renewed', { ttl_ms: ttlMs });
        return;
      }
      // Well before the end, and not at the same time as everybody else.
      const delayMs = Math.min(ttlMs * (0.5 + random.below(1000) / 5000), RENEWAL_MS_MAX);
      this.#later(delayMs);
    } catch (error) {
      logger.warn('the token of the transit seal could not be renewed; it is tried again', { error });
      this.#later(RENEWAL_RETRY_MS);
    }
  }

  #later(delayMs: number): void {
    if (this.#state === 'stopped') return;
    this.#cancel = this.#parts.clock.after(
      delayMs,
      () => void this.#step((api, signal) => api.renewToken(signal)),
    );
  }
}

function tlsOf(options: SealOptions): ServiceTls {
  const file = (name: string) => (options[name] ? readSealFile(name, options[name]) : undefined);
  const [ca, cert, key] = [file('tls_ca_cert'), file('tls_client_cert'), file('tls_client_key')];
  if ((cert === undefined) !== (key === undefined))
    throw new SealInvalid('tls_client_cert and tls_client_key go together');
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && key !== undefined && { cert, key }),
    ...(options.tls_server_name && { serverName: options.tls_server_name }),
    skipVerify: flag(options, 'tls_skip_verify'),
  };
}
