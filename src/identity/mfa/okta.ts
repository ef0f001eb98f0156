import type { Clock } from '../../base/clock.ts';
import { PermissionDenied } from '../../base/errors.ts';
import { isRecord } from '../../base/json.ts';
import type { OktaMethod } from './records.ts';
import { askService, type Fetch, jsonOf } from './service.ts';

const POLL_MS = 1000;
const POLLS_MAX = 60;

/** Okta's Factors API: a push to the user's device, asked after until it is decided. Rejects with `PermissionDenied`. */
export async function checkOkta(
  method: OktaMethod,
  username: string,
  { fetch, clock }: { fetch: Fetch; clock: Clock },
): Promise<void> {
  const base = `https://${method.orgName}.${method.baseUrl || 'okta.com'}`;
  const call = async (verb: 'GET' | 'POST', path: string): Promise<unknown> =>
    JSON.parse(
      await askService(fetch, 'Okta', `${base}/api/v1/${path}`, {
        method: verb,
        headers: {
          Authorization: `SSWS ${method.apiToken}`,
          Accept: 'application/json',
          'Content-Type': 'application/json',
        },
        ...(verb === 'POST' && { body: '{}' }),
      }),
    );
  const userId = await userIdOf(method, username, call);
  const factors = await call('GET', `users/${userId}/factors`);
  const push = Array.isArray(factors)
    ? factors.find((each) => isRecord(each) && each.factorType === 'push' && each.status === 'ACTIVE')
    : undefined;
  if (!isRecord(push)) throw new PermissionDenied('no push-type MFA factor found for the user');
  const factor = `users/${userId}/factors/${encodeURIComponent(String(push.id))}`;
  let outcome = await call('POST', `${factor}/verify`);
  const transaction = transactionOf(outcome);
  for (let poll = 0; resultOf(outcome) === 'WAITING' && transaction && poll < POLLS_MAX; poll++) {
    await new Promise<void>((resolve) => void clock.after(POLL_MS, resolve));
    outcome = await call('GET', `${factor}/transactions/${transaction}`);
  }
  if (resultOf(outcome) !== 'SUCCESS') throw new PermissionDenied('the push was not approved');
}

async function userIdOf(
  { primaryEmail }: OktaMethod,
  username: string,
  call: (verb: 'GET', path: string) => Promise<unknown>,
): Promise<string> {
  if (!primaryEmail) {
    const user = jsonOf('Okta', JSON.stringify(await call('GET', `users/${encodeURIComponent(username)}`)));
    return encodeURIComponent(String(user.id));
  }
  const filter = encodeURIComponent(`profile.email eq ${JSON.stringify(username)}`);
  const found = await call('GET', `users?filter=${filter}`);
  if (!Array.isArray(found) || found.length !== 1 || !isRecord(found[0]))
    throw new PermissionDenied('no single user has this primary email');
  return encodeURIComponent(String(found[0].id));
}

function resultOf(outcome: unknown): unknown {
  return isRecord(outcome) ? outcome.factorResult : undefined;
}

/** The last segment of the link to poll; the rest of it is ours, so that no reply leads elsewhere. */
function transactionOf(outcome: unknown): string | undefined {
  const links = isRecord(outcome) && isRecord(outcome._links) ? outcome._links : {};
  const poll = isRecord(links.poll) ? links.poll.href : undefined;
  return typeof poll === 'string' ? /\/transactions\/([\w.-]+)$/.exec(poll)?.[1] : undefined;
}
