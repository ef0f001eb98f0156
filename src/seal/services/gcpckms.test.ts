import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import { test } from 'node:test';
import type { UnknownRecord } from '../../base/json.ts';
import { sealConformance, testSealDeps } from '../conformance.ts';
import type { ServiceHttp, ServiceRequest } from '../http.ts';
import { SealUnavailable } from '../seal.ts';
import { Refused, serviceSeal } from '../service.ts';
import { openGcpKms } from './gcpckms.ts';

const KEY = 'projects/p/locations/global/keyRings/ring/cryptoKeys/key';
const EMAIL = 'coffer@p.iam.gserviceaccount.com';
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const credentials = JSON.stringify({
  type: 'service_account',
  project_id: 'p',
  private_key_id: 'kid-1',
  private_key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  client_email: EMAIL,
  token_uri: 'https://oauth2.googleapis.com/token',
});

/** Google's token endpoint, metadata server and Cloud KMS, as far as the seal uses them. */
class Google {
  readonly requests: ServiceRequest[] = [];
  readonly #keys = [randomBytes(32)];
  down = false;
  issued = 0;

  readonly send: ServiceHttp = async (request) => {
    if (this.down) throw new SealUnavailable('cannot be reached (ECONNREFUSED)');
    this.requests.push(request);
    const { host, pathname } = request.url;
    if (host === 'oauth2.googleapis.com' && pathname === '/token') return this.#exchange(request);
    if (host === 'metadata.google.internal') return this.#machine(request);
    assert.equal(request.url.href.startsWith(`https://cloudkms.googleapis.com/v1/${KEY}:`), true);
    assert.equal(request.headers?.Authorization, `Bearer ya29.${this.issued}`);
    assert.equal(request.headers?.['Content-Type'], 'application/json');
    const body: UnknownRecord = JSON.parse(request.body!);
    return pathname.endsWith(':encrypt') ? this.#encrypt(body) : this.#decrypt(body);
  };

  rotate(): void {
    this.#keys.push(randomBytes(32));
  }

  #token(): UnknownRecord {
    return { access_token: `ya29.${++this.issued}`, expires_in: 3599, token_type: 'Bearer' };
  }
  #exchange({ method, headers, body }: ServiceRequest): UnknownRecord {
    assert.equal(method, 'POST');
    assert.equal(headers?.['Content-Type'], 'application/x-www-form-urlencoded');
    const form = new URLSearchParams(body);
    assert.deepEqual([...form.keys()], ['grant_type', 'assertion']);
    assert.equal(form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer');
    const [header, claims, signature] = form.get('assertion')!.split('.') as [string, string, string];
    const part = (text: string): UnknownRecord => JSON.parse(Buffer.from(text, 'base64url').toString());
    assert.deepEqual(part(header), { alg: 'RS256', typ: 'JWT', kid: 'kid-1' });
    const { iat, exp, ...rest } = part(claims);
    assert.deepEqual(rest, {
      iss: EMAIL,
      scope: 'https://www.googleapis.com/auth/cloudkms',
      aud: 'https://oauth2.googleapis.com/token',
    });
    assert.equal(Number(exp) - Number(iat), 3600);
    const signed = Buffer.from(`${header}.${claims}`);
    assert.ok(verify('sha256', signed, pair.publicKey, Buffer.from(signature, 'base64url')));
    return this.#token();
  }
  #machine({ method, url, headers }: ServiceRequest): UnknownRecord {
    assert.equal(method, 'GET');
    assert.equal(
      url.href,
      'http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token',
    );
    assert.deepEqual(headers, { 'Metadata-Flavor': 'Google' });
    return this.#token();
  }
  #encrypt({ plaintext, ...rest }: UnknownRecord): UnknownRecord {
    assert.deepEqual(rest, {});
    const [version, nonce] = [this.#keys.length, randomBytes(12)];
    const cipher = createCipheriv('aes-256-gcm', this.#keys[version - 1]!, nonce);
    const bytes = Buffer.from(String(plaintext), 'base64');
    const sealed = [Buffer.from([version]), nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()];
    return {
      name: `${KEY}/cryptoKeyVersions/${version}`,
      ciphertext: Buffer.concat(sealed).toString('base64'),
      ciphertextCrc32c: '1',
      protectionLevel: 'SOFTWARE',
    };
  }
  #decrypt({ ciphertext }: UnknownRecord): UnknownRecord {
    const sealed = Buffer.from(String(ciphertext), 'base64');
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#keys[sealed[0]! - 1]!, sealed.subarray(1, 13));
      decipher.setAuthTag(sealed.subarray(-16));
      const plaintext = Buffer.concat([decipher.update(sealed.subarray(13, -16)), decipher.final()]);
      return { plaintext: plaintext.toString('base64'), plaintextCrc32c: '1', usedPrimary: true };
    } catch {
      throw new Refused('answered 400: Decryption failed', { status: 400, final: true });
    }
  }
}

const OPTIONS = { project: 'p', region: 'global', key_ring: 'ring', crypto_key: 'key', credentials };
const open = (google: Google, options: Record<string, string> = OPTIONS) =>
  serviceSeal({
    type: 'gcpckms',
    name: 'google',
    service: openGcpKms(options, testSealDeps, google.send),
    ...testSealDeps,
  });

sealConformance('gcpckms (a mock of the public wire format)', async () => {
  const google = new Google();
  return {
    open: async () => open(google),
    rotate: async () => google.rotate(),
    async away() {
      google.down = true;
      return async () => {
        google.down = false;
      };
    },
    secrets: ['PRIVATE KEY'],
    seen: () => JSON.stringify(google.requests),
    close: async () => {},
  };
});

test('the key’s version is the one the service names', async () => {
  const wrapped = await open(new Google()).wrap(Buffer.alloc(32));
  assert.equal(wrapped.key_id, `${KEY}/cryptoKeyVersions/1`);
});

test('an access token serves until it ends or is refused (a mock of the public wire format)', async () => {
  const google = new Google();
  const seal = open(google);
  for (let count = 0; count < 3; count++) await seal.wrap(Buffer.alloc(32));
  assert.equal(google.issued, 1);
  const refusing: ServiceHttp = (request) =>
    request.url.host === 'cloudkms.googleapis.com'
      ? Promise.reject(new Refused('answered 401: no', { status: 401, final: false }))
      : google.send(request);
  const refused = serviceSeal({
    type: 'gcpckms',
    name: 'g',
    service: openGcpKms(OPTIONS, testSealDeps, refusing),
    ...testSealDeps,
  });
  for (let count = 0; count < 2; count++)
    await assert.rejects(refused.wrap(Buffer.alloc(32)), SealUnavailable);
  assert.equal(google.issued, 3);
});

test('without credentials the machine’s account is used (a mock of the metadata server)', async () => {
  const google = new Google();
  const { credentials: _, ...options } = OPTIONS;
  await open(google, options).wrap(Buffer.alloc(32));
  assert.equal(google.issued, 1);
});

test('mistakes are told by the name of the option, and never with the key', () => {
  for (const [given, message] of [
    [{ ...OPTIONS, project: '' }, /project must be set/],
    [{ ...OPTIONS, credentials: '/none.json' }, /credentials: \/none.json does not exist/],
    [{ ...OPTIONS, credentials: '{"type":"authorized_user"}' }, /must be the JSON file of a service account/],
    [
      { ...OPTIONS, credentials: '{"type":"service_account","client_email":"e","private_key":"hunter2"}' },
      /^credentials: private_key is no key in PEM$/,
    ],
  ] as const)
    assert.throws(() => openGcpKms(given, testSealDeps), { code: 'seal_invalid', message });
});
