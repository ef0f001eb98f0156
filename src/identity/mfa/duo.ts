import { createHmac } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { PermissionDenied } from '../../base/errors.ts';
import { isRecord } from '../../base/json.ts';
import type { DuoMethod } from './records.ts';
import { askService, type Fetch, jsonOf } from './service.ts';

/**
 * Duo's Auth API (duo.com/docs/authapi): each request is signed with HMAC over date, method, host, path and parameters.
 * Resolves once the user has approved, or the passcode is right. Rejects with `PermissionDenied`.
 */
export async function checkDuo(
  method: DuoMethod,
  user: { username: string; passcode: string; address: string },
  { fetch, clock }: { fetch: Fetch; clock: Clock },
): Promise<void> {
  const call = (path: string, parameters: Record<string, string>) =>
    callDuo(method, path, parameters, { fetch, clock });
  const before = await call('/auth/v2/preauth', { username: user.username, ipaddr: user.address });
  if (before.result === 'allow') return;
  if (before.result !== 'auth') throw new PermissionDenied(`Duo preauth failed: ${text(before.status_msg)}`);
  if (method.usePasscode && user.passcode === '') throw new PermissionDenied('Duo passcode is required');
  const factor: Record<string, string> =
    user.passcode === ''
      ? { factor: 'push', device: 'auto', ...(method.pushInfo && { pushinfo: method.pushInfo }) }
      : { factor: 'passcode', passcode: user.passcode };
  const outcome = await call('/auth/v2/auth', { username: user.username, ipaddr: user.address, ...factor });
  if (outcome.result !== 'allow')
    throw new PermissionDenied(`Duo authentication failed: ${text(outcome.status_msg)}`);
}

async function callDuo(
  { apiHostname, integrationKey, secretKey }: DuoMethod,
  path: string,
  parameters: Record<string, string>,
  { fetch, clock }: { fetch: Fetch; clock: Clock },
): Promise<Record<string, unknown>> {
  const date = new Date(clock.now()).toUTCString().replace('GMT', '-0000');
  const body = formOf(parameters);
  const signature = duoSignature(secretKey, [date, 'POST', apiHostname.toLowerCase(), path, body]);
  const reply = await askService(fetch, 'Duo', `https://${apiHostname}${path}`, {
    method: 'POST',
    headers: {
      Date: date,
      Authorization: `Basic ${Buffer.from(`${integrationKey}:${signature}`).toString('base64')}`,
      'Content-Type': 'application/x-www-form-urlencoded',
    },
    body,
  });
  const { stat, response } = jsonOf('Duo', reply);
  if (stat !== 'OK' || !isRecord(response)) throw new PermissionDenied('Duo refused the request');
  return response;
}

/** Hexadecimal. */
export function duoSignature(secretKey: string, lines: readonly string[]): string {
  return createHmac('sha1', secretKey).update(lines.join('\n')).digest('hex');
}

/** Sorted, and encoded as RFC 3986 has it: what is signed is what is sent. */
function formOf(parameters: Record<string, string>): string {
  const encoded = (value: string) =>
    encodeURIComponent(value).replace(
      /[!'()*]/g,
      (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  return Object.entries(parameters)
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join('&');
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 200) : 'no reason given';
}
