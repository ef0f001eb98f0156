/**
 * Fills a node's store with leases, straight through the domains, as a process of its own beside no other:
 * `node bench/lease-filler.ts CONFIG LEASES LOGINS`. Most are of database users, by many roles and tokens; LOGINS of them
 * are tokens made by AppRole logins. Prints its progress.
 */
import type { Session } from '../src/barrier/session.ts';
import { systemRandom } from '../src/base/random.ts';
import type { Domains } from '../src/pipeline/exchange.ts';
import { openFilled } from './filling.ts';

const ROLES = 100;
const BATCH = 10_000;
const DAY_SECONDS = 86_400;
const PROGRESS_STEPS = 10;

/** The tokens that asked for the database users, by role. */
const owners = new Map<number, string>();

const [configFile = '', leases = '', logins = ''] = process.argv.slice(2);
const server = await openFilled(configFile);
try {
  await fill(server.domains()!, { users: Number(leases) - Number(logins), logins: Number(logins) });
} finally {
  await server.stop();
}

async function fill(domains: Domains, { users, logins }: { users: number; logins: number }): Promise<void> {
  const total = users + logins;
  let made = 0;
  let committed: Promise<void> | undefined;
  while (made < total) {
    const session = domains.openSession();
    const end = Math.min(made + BATCH, total);
    const step = Math.ceil((made / total) * PROGRESS_STEPS);
    for (; made < end; made++) {
      if (made < users) makeUser(domains, session, Math.floor((made * ROLES) / users));
      else makeLogin(domains, session);
    }
    session.apply();
    await committed;
    committed = session.settled();
    if (Math.ceil((made / total) * PROGRESS_STEPS) > step) console.error(`  ${made} of ${total} leases`);
  }
  await committed;
}

/** A lease as `database/creds/role-…` registers it. */
function makeUser({ mounts, leases, tokens }: Domains, session: Session, role: number): void {
  const mount = mounts.root.get('database/');
  if (!mount) throw new Error('nothing is mounted at database/');
  let tokenKey = owners.get(role);
  if (tokenKey === undefined) {
    tokenKey = tokens.create(session, token('auth/token/create')).token.key;
    owners.set(role, tokenKey);
  }
  const internal = {
    connectionUid: mount.entry.uuid,
    connectionName: 'postgresql',
    username: `v-approle-role-${role}-${systemRandom.base62(20)}`,
    roleName: `role-${role}`,
    roleUid: mount.entry.uuid,
    revocationStatements: [],
  };
  const grant = { kind: 'user', internal, ttl: DAY_SECONDS, maxTtl: 2 * DAY_SECONDS, renewable: true };
  leases.register(session, { mount, path: `database/creds/role-${role}`, grant, tokenKey });
}

function makeLogin({ tokens }: Domains, session: Session): void {
  tokens.create(session, token('auth/approle/login'));
}

function token(path: string) {
  return {
    type: 'service',
    parent: undefined,
    policies: ['app', 'default'],
    path,
    meta: { role_name: 'app' },
    displayName: 'approle',
    numUses: 0,
    ttl: DAY_SECONDS,
    explicitMaxTtl: 0,
    period: 0,
    renewable: true,
    entityId: '',
    role: '',
    boundCidrs: [],
  } as const;
}
