/**
 * Leases: `node bench/lease-filler.ts CONFIG LEASES LOGINS`, as a process of its own beside no other. Most are of database
 * users, by many roles and tokens; LOGINS of them are tokens made by AppRole logins.
 */
import type { Session } from '../src/barrier/session.ts';
import { systemRandom } from '../src/base/random.ts';
import type { Domains } from '../src/pipeline/exchange.ts';
import { fillStore } from './filling.ts';

const ROLES = 100;
const DAY_SECONDS = 86_400;

/** The tokens that asked for the database users, by role. */
const owners = new Map<number, string>();

const [configFile = '', leases = '', logins = ''] = process.argv.slice(2);
const users = Number(leases) - Number(logins);
await fillStore(configFile, { what: 'leases', count: Number(leases) }, (domains, session, n) => {
  if (n < users) makeUser(domains, session, Math.floor((n * ROLES) / users));
  else makeLogin(domains, session);
});

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
