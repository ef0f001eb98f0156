import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { sealConformance, testSealDeps } from '../conformance.ts';
import type { SealOptions } from '../options.ts';
import { openSeal } from '../registry.ts';
import { SealUnavailable, UnwrapFailed } from '../seal.ts';

const TOKEN = 'hvs.transit-token';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Record<string, unknown>;
}

/** Another server's transit engine, as far as the seal uses it: `vault:vN:` and base64, errors in `errors`. */
class Transit {
  readonly requests: Seen[] = [];
  readonly #keys = [randomBytes(32)];
  #port = 0;
  ttl = 0;
  renewable = false;
  readonly #server = createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    const { method = '', url = '', headers } = request;
    const body = text ? JSON.parse(text) : {};
    this.requests.push({ method, url, headers, body });
    const [status, reply] = this.#answer(method, url, headers, body);
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(reply));
  });

  get address(): string {
    return `http://127.0.0.1:${this.#port}`;
  }
  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
  rotate(): void {
    this.#keys.push(randomBytes(32));
  }
  #answer(method: string, url: string, headers: Seen['headers'], body: Seen['body']): [number, unknown] {
    if (headers['x-vault-token'] !== TOKEN) return [403, { errors: ['permission denied'] }];
    const token = { renewable: this.renewable };
    if (url === '/v1/auth/token/lookup-self') return [200, { data: { ...token, ttl: this.ttl } }];
    if (url === '/v1/auth/token/renew-self') return [200, { auth: { ...token, lease_duration: this.ttl } }];
    if (method !== 'POST') return [405, { errors: [] }];
    if (url === '/v1/kms/transit/encrypt/root%20key') return [200, { data: this.#encrypt(body) }];
    if (url !== '/v1/kms/transit/decrypt/root%20key') return [404, { errors: ['no handler for route'] }];
    try {
      return [200, { data: this.#decrypt(body) }];
    } catch {
      return [400, { errors: ['cipher: message authentication failed'] }];
    }
  }
  #encrypt({ plaintext }: Seen['body']): unknown {
    const [version, nonce] = [this.#keys.length, randomBytes(12)];
    const cipher = createCipheriv('aes-256-gcm', this.#keys[version - 1]!, nonce);
    const bytes = Buffer.from(String(plaintext), 'base64');
    const sealed = Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
    return { ciphertext: `vault:v${version}:${sealed.toString('base64')}`, key_version: version };
  }
  #decrypt({ ciphertext }: Seen['body']): unknown {
    const [, version, text] = /^vault:v(\d+):(.*)$/.exec(String(ciphertext))!;
    const sealed = Buffer.from(text!, 'base64');
    const key = this.#keys[Number(version) - 1]!;
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12));
    decipher.setAuthTag(sealed.subarray(-16));
    const plaintext = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
    return { plaintext: plaintext.toString('base64') };
  }
}

const optionsFor = (transit: Transit): SealOptions => ({
  address: `${transit.address}/`,
  token: TOKEN,
  key_name: 'root key',
  mount_path: '/kms/transit/',
});
const open = (options: SealOptions, deps = testSealDeps) =>
  openSeal({ type: 'transit', name: 'other', options }, deps);

sealConformance('transit (a mock of the public wire format)', async () => {
  const transit = await new Transit().start();
  return {
    open: () => open(optionsFor(transit)),
    rotate: async () => transit.rotate(),
    async away() {
      await transit.stop();
      return async () => void (await transit.start());
    },
    secrets: [TOKEN],
    seen: () => JSON.stringify(transit.requests.map(({ url, body }) => [url, body])),
    close: () => transit.stop(),
  };
});

async function withTransit(work: (transit: Transit) => Promise<void>): Promise<void> {
  const transit = await new Transit().start();
  await work(transit).finally(() => transit.stop());
}

test('the namespace, the token and the key’s version are told where they belong', () =>
  withTransit(async (transit) => {
    const seal = await open({ ...optionsFor(transit), namespace: 'ns1/', key_id_prefix: 'east-' });
    assert.equal((await seal.wrap(Buffer.alloc(32))).key_id, 'east-1');
    const { headers } = transit.requests[0]!;
    assert.deepEqual(
      [headers['x-vault-namespace'], headers['x-vault-token'], headers['x-vault-request']],
      ['ns1/', TOKEN, 'true'],
    );
    seal.close();
  }));

test('a token that is refused is a failure that may pass, a foreign ciphertext one that will not', () =>
  withTransit(async (transit) => {
    const refused = await open({ ...optionsFor(transit), token: 'wrong' });
    await assert.rejects(refused.wrap(Buffer.alloc(32)), (error: Error) => {
      assert.ok(error instanceof SealUnavailable && !(error instanceof UnwrapFailed));
      assert.equal(error.message, 'answered 403: permission denied');
      return true;
    });
    refused.close();
    const seal = await open(optionsFor(transit));
    const wrapped = await seal.wrap(Buffer.alloc(32));
    const other = await new Transit().start();
    const stranger = await open(optionsFor(other));
    await assert.rejects(stranger.unwrap(wrapped), UnwrapFailed);
    stranger.close();
    seal.close();
    await other.stop();
  }));

test('the token is renewed before it ends, and is not where that is disabled', () =>
  withTransit(async (transit) => {
    transit.ttl = 100;
    transit.renewable = true;
    const clock = new ManualClock();
    const asked = () =>
      transit.requests.filter(({ url }) => url.startsWith('/v1/auth/')).map(({ url }) => url);
    // In steps too small for a call to run out of time.
    const pass = async (seconds: number) => {
      for (let step = 0; step < seconds; step += 10) {
        await new Promise((resolve) => setTimeout(resolve, 40));
        clock.advance(10_000);
      }
      await new Promise((resolve) => setTimeout(resolve, 40));
    };
    const deps = { ...testSealDeps, clock };
    const unrenewed = await open({ ...optionsFor(transit), disable_renewal: 'true' }, deps);
    await unrenewed.wrap(Buffer.alloc(32));
    const seal = await open(optionsFor(transit), deps);
    await seal.wrap(Buffer.alloc(32));
    await pass(40);
    assert.deepEqual(asked(), ['/v1/auth/token/lookup-self']);
    await pass(150);
    assert.ok(asked().length >= 3, asked().join());
    assert.deepEqual([...new Set(asked())], ['/v1/auth/token/lookup-self', '/v1/auth/token/renew-self']);
    seal.close();
    const count = asked().length;
    await pass(150);
    assert.equal(asked().length, count);
    unrenewed.close();
  }));

test('mistakes are told by the name of the option', async () => {
  const good = { address: 'http://127.0.0.1:1', token: TOKEN, key_name: 'k', mount_path: 'm' };
  for (const [options, message] of [
    [{ ...good, address: 'nowhere' }, /seal "other": address must be a full URL/],
    [{ ...good, token: '' }, /token must be set/],
    [{ ...good, token: 'env://NONE' }, /the environment variable NONE is not set/],
    [{ ...good, token: 'file:///none' }, /token: cannot read \/none \(ENOENT\)/],
    [{ ...good, tls_skip_verify: 'maybe' }, /tls_skip_verify must be true or false/],
    [{ ...good, tls_client_cert: import.meta.filename }, /tls_client_cert and tls_client_key go together/],
  ] as const)
    await assert.rejects(open(options), message);
});
