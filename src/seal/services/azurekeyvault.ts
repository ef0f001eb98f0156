/** `seal "azurekeyvault"`: an RSA key of Azure's Key Vault or Managed HSM, by its public HTTP API (version 7.4). */
import { isRecord, type UnknownRecord } from '../../base/json.ts';
import { openServiceHttp, type ServiceHttp } from '../http.ts';
import { required, type SealDeps, SealInvalid, type SealOptions, secretOption } from '../options.ts';
import { SealUnavailable, UnwrapFailed } from '../seal.ts';
import type { KeyService } from '../service.ts';
import { AccessToken } from './access-token.ts';

const API_VERSION = '7.4';
const ALGORITHM = 'RSA-OAEP-256';
/** The address at which a machine in Azure is told of itself. */
const MACHINE = 'http://169.254.169.254/metadata/identity/oauth2/token';
const MACHINE_API_VERSION = '2018-02-01';

interface Cloud {
  readonly login: string;
  readonly resource: string;
}

const CLOUDS: ReadonlyMap<string, Cloud> = new Map([
  ['AZUREPUBLICCLOUD', { login: 'login.microsoftonline.com', resource: 'vault.azure.net' }],
  ['AZURECHINACLOUD', { login: 'login.chinacloudapi.cn', resource: 'vault.azure.cn' }],
  ['AZUREUSGOVERNMENTCLOUD', { login: 'login.microsoftonline.us', resource: 'vault.usgovcloudapi.net' }],
]);

/** Throws `SealInvalid`. `send`: another way to the service than the network. */
export function openAzureKeyVault(options: SealOptions, deps: SealDeps, send?: ServiceHttp): KeyService {
  const http = openServiceHttp({ environment: deps.environment });
  const call = send ?? http.send;
  const cloud = CLOUDS.get((options.environment || 'AZUREPUBLICCLOUD').toUpperCase());
  if (!cloud) throw new SealInvalid(`environment must be one of ${[...CLOUDS.keys()].join(', ')}`);
  const resource = options.resource || cloud.resource;
  const vault = `https://${required(options, 'vault_name')}.${resource}`;
  if (!URL.canParse(vault)) throw new SealInvalid('vault_name must be a name');
  const key = `${vault}/keys/${encodeURIComponent(required(options, 'key_name'))}`;
  const token = new AccessToken(deps.clock, tokenSource(options, { deps, cloud, resource, call }));
  const ask = (url: string, signal: AbortSignal, body?: UnknownRecord) =>
    token.use(signal, (headers) =>
      call({
        method: body ? 'POST' : 'GET',
        url: new URL(`${url}?api-version=${API_VERSION}`),
        headers,
        ...(body && { body: JSON.stringify(body) }),
        signal,
      }),
    );
  return {
    async encrypt(plaintext, signal) {
      const version = versionOf(await ask(key, signal));
      const body = { alg: ALGORITHM, value: plaintext.toString('base64url') };
      const { kid, value } = await ask(`${key}/${version}/wrapkey`, signal, body);
      if (typeof kid !== 'string' || typeof value !== 'string')
        throw new SealUnavailable('answered without a ciphertext');
      return { keyId: kid, ciphertext: Buffer.from(value, 'base64url') };
    },
    async decrypt({ keyId, ciphertext }, signal) {
      // Not to wherever the record says: only to a version of this key.
      const version = keyId.startsWith(`${key}/`) ? keyId.slice(key.length + 1) : '';
      if (!/^[0-9a-zA-Z]+$/.test(version)) throw new UnwrapFailed('the record is of another key');
      const body = { alg: ALGORITHM, value: ciphertext.toString('base64url') };
      const { value } = await ask(`${key}/${version}/unwrapkey`, signal, body);
      return Buffer.from(String(value), 'base64url');
    },
    close: () => http.close(),
  };
}

/** The newest version of a key, from the end of its id. */
function versionOf({ key }: UnknownRecord): string {
  const id = isRecord(key) && typeof key.kid === 'string' ? key.kid : '';
  const version = /\/keys\/[^/]+\/([0-9a-zA-Z]+)$/.exec(id)?.[1];
  if (!version) throw new SealUnavailable('answered without the version of the key');
  return version;
}

interface TokenParts {
  readonly deps: SealDeps;
  readonly cloud: Cloud;
  readonly resource: string;
  readonly call: ServiceHttp;
}

/** Of a client with its secret (RFC 6749, 4.4) where one is given, else of the machine's managed identity. */
function tokenSource(options: SealOptions, parts: TokenParts) {
  const { deps, cloud, resource, call } = parts;
  const { client_id: clientId, client_secret: clientSecret } = options;
  if (!clientSecret) {
    const query = { 'api-version': MACHINE_API_VERSION, resource: `https://${resource}` };
    const identity = new URLSearchParams({ ...query, ...(clientId && { client_id: clientId }) });
    const url = new URL(`${MACHINE}?${identity}`);
    return (signal: AbortSignal) => call({ method: 'GET', url, headers: { Metadata: 'true' }, signal });
  }
  const id = required(options, 'client_id');
  const secret = secretOption(options, 'client_secret', deps);
  const tenant = encodeURIComponent(required(options, 'tenant_id'));
  const url = new URL(`https://${cloud.login}/${tenant}/oauth2/v2.0/token`);
  return (signal: AbortSignal) => {
    const grant = { grant_type: 'client_credentials', scope: `https://${resource}/.default` };
    const body = new URLSearchParams({ ...grant, client_id: id, client_secret: secret() });
    return call({
      method: 'POST',
      url,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: body.toString(),
      signal,
    });
  };
}
