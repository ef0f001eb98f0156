import { type Credentials, credentialsFromHeader } from '../identity/mfa/mfa.ts';
import type { Enforcement } from '../identity/mfa/records.ts';
import type { Exchange } from './exchange.ts';

const HELD_BACK =
  'A login request was issued that is subject to MFA validation. Please make sure to validate the login by sending another request to mfa/validate endpoint.';

/**
 * A login that needs a second factor: with one in the request it is checked here; without, the login is held back and
 * no token is made for it now.
 */
export function requireFactors(exchange: Exchange): void | Promise<void> {
  const { reply, domains, session, login } = exchange;
  if (!login || reply?.validated) return;
  const enforcements = domains.loginMfa.enforcementsFor(session, login.mount, login.rights);
  if (enforcements.length === 0) return;
  const header = exchange.wire.headers['x-vault-mfa'];
  if (header === undefined) holdBack(exchange, login, enforcements);
  else return checkNow(exchange, login, enforcements, credentialsFromHeader(String(header)));
}

type Login = NonNullable<Exchange['login']>;

function holdBack(exchange: Exchange, login: Login, enforcements: readonly Enforcement[]): void {
  const { mount, path, claim, rights } = login;
  const waiting = {
    mountUuid: mount.entry.uuid,
    path,
    claim,
    entityId: rights.entity.id,
    remoteAddress: exchange.wire.remote.address,
  };
  const { id: namespaceId } = mount.info.namespace;
  const requirement = exchange.domains.loginMfa.hold(exchange.session, enforcements, waiting, namespaceId);
  delete exchange.login;
  exchange.reply = { auth: { ...NO_TOKEN, mfa_requirement: requirement }, warnings: [HELD_BACK] };
}

/** A factor may ask a service outside, so the request is on record before. */
async function checkNow(
  { domains, session, wire }: Exchange,
  { mount, rights }: Login,
  enforcements: readonly Enforcement[],
  credentials: Credentials,
): Promise<void> {
  await domains.audit.flushed();
  await domains.loginMfa.satisfy(session, mount.info.namespace.id, {
    enforcements,
    credentials,
    candidate: { rights, address: wire.remote.address },
  });
}

const NO_TOKEN = {
  client_token: '',
  accessor: '',
  policies: null,
  token_policies: null,
  metadata: null,
  lease_duration: 0,
  renewable: false,
  entity_id: '',
  token_type: '',
  orphan: false,
  num_uses: 0,
} as const;
