import assert from 'node:assert/strict';
import { constants, generateKeyPairSync, privateDecrypt, publicEncrypt } from 'node:crypto';
import { test } from 'node:test';
import { sealConformance, testSealDeps } from '../conformance.ts';
import type { ServiceHttp, ServiceRequest } from '../http.ts';
import { SealUnavailable, UnwrapFailed } from '../seal.ts';
import { Refused, serviceSeal } from '../service.ts';
import { openAzureKeyVault } from './azurekeyvault.ts';

const SECRET = 'azure-client-secret';
const VAULT = 'https://safe.vault.azure.net';
const pairs = [1, 2].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }));
const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };

/** Azure's token endpoint, identity endpoint and Key Vault, as far as the seal uses them. */
class Azure {
  readonly requests: ServiceRequest[] = [];
  versions = ['78deebed173b48e48f55abf87ed4cf71'];
  down = false;

  readonly send: ServiceHttp = async (request) => {
    if (this.down) throw new SealUnavailable('cannot be reached (ECONNREFUSED)');
    this.requests.push(request);
    const { url, method, headers } = request;
    if (url.host === 'login.microsoftonline.com') return this.#client(request);
    if (url.host === '169.254.169.254') return this.#machine(request);
    assert.equal(headers?.Authorization, 'Bearer eyJ0');
    assert.equal(url.origin, VAULT);
    assert.equal(url.search, '?api-version=7.4');
    const newest = this.versions.at(-1)!;
    if (url.pathname === '/keys/root') {
      assert.equal(method, 'GET');
      return { key: { kid: `${VAULT}/keys/root/${newest}`, kty: 'RSA', key_ops: ['wrapKey', 'unwrapKey'] } };
    }
    assert.equal(method, 'POST');
    const [, version, operation] = /^\/keys\/root\/([0-9a-z]+)\/(\w+)$/.exec(url.pathname) as string[];
    const { alg, value, ...rest } = JSON.parse(request.body!);
    assert.deepEqual([alg, rest], ['RSA-OAEP-256', {}]);
    const bytes = this.#operate(operation!, this.versions.indexOf(version!), Buffer.from(value, 'base64url'));
    return { kid: `${VAULT}/keys/root/${version}`, value: bytes.toString('base64url') };
  };

  #operate(operation: string, at: number, value: Buffer): Buffer {
    try {
      if (operation === 'wrapkey') return publicEncrypt({ key: pairs[at]!.publicKey, ...OAEP }, value);
      assert.equal(operation, 'unwrapkey');
      return privateDecrypt({ key: pairs[at]!.privateKey, ...OAEP }, value);
    } catch {
      throw new Refused('answered 400: BadParameter', { status: 400, final: true });
    }
  }
  #client({ method, url, headers, body }: ServiceRequest) {
    assert.deepEqual([method, url.pathname, url.search], ['POST', '/tenant-1/oauth2/v2.0/token', '']);
    assert.equal(headers?.['Content-Type'], 'application/x-www-form-urlencoded');
    assert.deepEqual(Object.fromEntries(new URLSearchParams(body)), {
      grant_type: 'client_credentials',
      scope: 'https://vault.azure.net/.default',
      client_id: 'client-1',
      client_secret: SECRET,
    });
    return { token_type: 'Bearer', expires_in: 3599, ext_expires_in: 3599, access_token: 'eyJ0' };
  }
  #machine({ method, url, headers }: ServiceRequest) {
    assert.deepEqual([method, url.pathname], ['GET', '/metadata/identity/oauth2/token']);
    assert.equal(url.searchParams.get('api-version'), '2018-02-01');
    assert.equal(url.searchParams.get('resource'), 'https://vault.azure.net');
    assert.deepEqual(headers, { Metadata: 'true' });
    return {
      access_token: 'eyJ0',
      expires_in: '3599',
      resource: 'https://vault.azure.net',
      token_type: 'Bearer',
    };
  }
}

const OPTIONS = {
  tenant_id: 'tenant-1',
  client_id: 'client-1',
  client_secret: SECRET,
  vault_name: 'safe',
  key_name: 'root',
};
const open = (azure: Azure, options: Record<string, string> = OPTIONS) =>
  serviceSeal({
    type: 'azurekeyvault',
    name: 'azure',
    service: openAzureKeyVault(options, testSealDeps, azure.send),
    ...testSealDeps,
  });

sealConformance('azurekeyvault (a mock of the public wire format)', async () => {
  const azure = new Azure();
  return {
    open: async () => open(azure),
    rotate: async () => void azure.versions.push('0a1b2c3d4e5f60718293a4b5c6d7e8f9'),
    async away() {
      azure.down = true;
      return async () => {
        azure.down = false;
      };
    },
    secrets: [SECRET],
    seen: () => JSON.stringify(azure.requests.filter(({ url }) => url.origin === VAULT)),
    close: async () => {},
  };
});

test('without a secret the machine’s identity is used (a mock of the identity endpoint)', async () => {
  const azure = new Azure();
  const { client_secret: _, client_id: __, ...options } = OPTIONS;
  const wrapped = await open(azure, options).wrap(Buffer.alloc(32));
  assert.equal(wrapped.key_id, `${VAULT}/keys/root/${azure.versions[0]}`);
});

test('a record cannot send the token elsewhere', async () => {
  const azure = new Azure();
  const seal = open(azure);
  const wrapped = await seal.wrap(Buffer.alloc(32));
  const count = azure.requests.length;
  for (const key_id of [
    'https://evil.example/keys/root/1',
    `${VAULT}/keys/root/../../secrets/x`,
    `${VAULT}/keys/root/`,
    `${VAULT}/keys/other/1`,
  ])
    await assert.rejects(seal.unwrap({ ...wrapped, key_id }), UnwrapFailed);
  assert.equal(azure.requests.length, count);
});

test('other clouds and managed HSMs have other addresses', async () => {
  const asked: string[] = [];
  const send: ServiceHttp = async ({ url }) => {
    asked.push(url.host);
    throw new SealUnavailable('not here');
  };
  for (const more of [{ environment: 'AZURECHINACLOUD' }, { resource: 'managedhsm.azure.net' }]) {
    const service = openAzureKeyVault({ ...OPTIONS, ...more }, testSealDeps, send);
    await assert.rejects(service.encrypt(Buffer.alloc(1), new AbortController().signal));
  }
  assert.deepEqual(asked, ['login.chinacloudapi.cn', 'login.microsoftonline.com']);
  assert.throws(() => openAzureKeyVault({ ...OPTIONS, environment: 'MARS' }, testSealDeps), {
    code: 'seal_invalid',
    message: /environment must be one of/,
  });
});
