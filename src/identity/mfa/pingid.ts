import { jwtVerify, SignJWT } from 'jose';
import type { Clock } from '../../base/clock.ts';
import { InvalidRequest, OutsideFailure, PermissionDenied } from '../../base/errors.ts';
import { isRecord } from '../../base/json.ts';
import type { PingIdMethod } from './records.ts';
import { askService, type Fetch } from './service.ts';

type Settings = Pick<
  PingIdMethod,
  'useBase64Key' | 'useSignature' | 'token' | 'orgAlias' | 'idpUrl' | 'adminUrl' | 'authenticatorUrl'
>;

/** Of `pingid.properties`, in base64. Throws `InvalidRequest`. */
export function parseSettingsFile(encoded: string): Settings {
  const lines = Buffer.from(encoded, 'base64').toString().split(/\r?\n/);
  const values = new Map(
    lines
      .filter((line) => line.includes('=') && !line.trimStart().startsWith('#'))
      .map((line): [string, string] => {
        const at = line.indexOf('=');
        // Java writes its properties with ':' and '=' escaped.
        return [
          line.slice(0, at).trim(),
          line
            .slice(at + 1)
            .trim()
            .replaceAll(/\\([:=])/g, '$1'),
        ];
      }),
  );
  const required = (name: string): string => {
    const value = values.get(name);
    if (!value) throw new InvalidRequest(`the settings file has no ${name}`);
    return value;
  };
  return {
    useBase64Key: required('use_base64_key'),
    useSignature: values.get('use_signature') === 'true',
    token: required('token'),
    orgAlias: required('org_alias'),
    idpUrl: checkedUrl(required('idp_url')),
    adminUrl: values.get('admin_url') ?? '',
    authenticatorUrl: values.get('authenticator_url') ?? '',
  };
}

function checkedUrl(url: string): string {
  if (URL.parse(url)?.protocol !== 'https:') throw new InvalidRequest('idp_url must be an https URL');
  return url.replace(/\/+$/, '');
}

/**
 * PingID's API: requests and replies are JSON Web Tokens signed with the organisation's key. Resolves once the user has
 * approved on the device. Rejects with `PermissionDenied`.
 */
export async function checkPingId(
  method: PingIdMethod,
  username: string,
  { fetch, clock }: { fetch: Fetch; clock: Clock },
): Promise<void> {
  const key = Buffer.from(method.useBase64Key, 'base64');
  const body = {
    reqHeader: {
      locale: 'en',
      orgAlias: method.orgAlias,
      secretKey: method.token,
      timestamp: new Date(clock.now()).toISOString().replace('T', ' ').replace('Z', ''),
      version: '4.9',
    },
    reqBody: { spAlias: 'web', userName: username, authType: 'CONFIRM' },
  };
  const request = await new SignJWT(body)
    .setProtectedHeader({ alg: 'HS256', org_alias: method.orgAlias, token: method.token })
    .sign(key);
  const url = `${method.idpUrl}/rest/4/authonline/do`;
  const reply = await askService(fetch, 'PingID', url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: request,
  });
  const outcome = await outcomeOf(reply.trim(), key, clock);
  if (outcome.errorId !== 200 && outcome.errorId !== '200')
    throw new PermissionDenied('PingID did not confirm the user');
}

async function outcomeOf(reply: string, key: Uint8Array, clock: Clock): Promise<Record<string, unknown>> {
  try {
    const { payload } = await jwtVerify(reply, key, {
      algorithms: ['HS256'],
      currentDate: new Date(clock.now()),
    });
    if (isRecord(payload.responseBody)) return payload.responseBody;
  } catch (cause) {
    throw new OutsideFailure('PingID gave an answer that was not signed with the key', { cause });
  }
  throw new OutsideFailure('PingID gave an answer that cannot be understood');
}
