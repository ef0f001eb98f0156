/** A restored server ends nobody's credentials until it is told that it may: PostgreSQL's own catalogue decides. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { type CofferNode, start, type UnsealKeys } from '../services/coffer.ts';
import { available, type Postgres, start as startPostgres } from '../services/postgres.ts';
import { waitUntil } from '../services/process.ts';
import { ok, restore, save, type Target } from './node.ts';

const CREATE = `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`;
const TTL_SECONDS = 3;

describe('a restored server and what it has handed out', { skip: available() ?? false }, () => {
  let postgres: Postgres;
  let admin: pg.Client;
  let node: CofferNode;
  let keys: UnsealKeys;
  let target: Target;
  before(async () => {
    postgres = await startPostgres();
    admin = new pg.Client({ connectionString: postgres.url() });
    await admin.connect();
    node = await start();
    keys = await node.initAndUnseal();
    target = { node, token: keys.rootToken };
    await ok(target, 'POST', 'sys/mounts/database', { type: 'database' });
    await ok(target, 'POST', 'database/config/pg', {
      plugin_name: 'postgresql-database-plugin',
      connection_url: `postgresql://{{username}}:{{password}}@${postgres.host}:${postgres.port}/${postgres.database}`,
      username: postgres.user,
      password: postgres.password,
      allowed_roles: '*',
    });
    await ok(target, 'POST', 'database/roles/web', {
      db_name: 'pg',
      creation_statements: [CREATE],
      default_ttl: TTL_SECONDS,
    });
  });
  after(async () => {
    await node?.stop();
    await admin?.end();
    await postgres?.stop();
  });

  const logins = async (): Promise<string[]> => {
    const { rows } = await admin.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-%'");
    return rows.map(({ rolname }) => rolname);
  };
  const expired = () => new Promise((resolve) => setTimeout(resolve, (TTL_SECONDS + 1.5) * 1000));

  it('revokes nothing that is due until the restore is confirmed, over restarts too', async () => {
    const { data } = await ok(target, 'GET', 'database/creds/web');
    const short = await ok(target, 'POST', 'auth/token/create', {
      ttl: `${TTL_SECONDS}s`,
      policies: ['default'],
    });
    const file = await save(target);
    assert.equal((await restore(target, file)).status, 204);
    await expired();
    assert.deepEqual(await logins(), [data.username]);
    const status = (await ok(target, 'GET', 'sys/storage/snapshot/confirm')).data;
    assert.deepEqual([status.expiry_paused, status.leases_due], [true, 2]);
    // A token's end counts when it is used, paused or not.
    const used = await node.request('GET', 'auth/token/lookup-self', { token: short.auth.client_token });
    assert.equal(used.status, 403);
    await node.restart();
    await node.unseal(keys);
    await expired();
    assert.deepEqual(await logins(), [data.username]);
    assert.match(
      (await node.request('GET', 'sys/metrics?format=prometheus', target)).text,
      /vault_expire_paused 1/,
    );

    await ok(target, 'POST', 'sys/storage/snapshot/confirm');
    await waitUntil(async () => (await logins()).length === 0, { what: 'the login to be revoked' });
    assert.match(
      (await node.request('GET', 'sys/metrics?format=prometheus', target)).text,
      /vault_expire_paused 0/,
    );
  });

  it('revokes what it is asked to all the same, and goes on with it', async () => {
    const one = await ok(target, 'GET', 'database/creds/web');
    const other = await ok(target, 'GET', 'database/creds/web');
    assert.equal((await restore(target, await save(target))).status, 204);
    await ok(target, 'POST', 'sys/leases/revoke', { lease_id: one.lease_id, sync: true });
    await waitUntil(async () => (await logins()).length === 1, { what: 'one login to be revoked' });
    assert.deepEqual(await logins(), [other.data.username]);
    await ok(target, 'POST', 'sys/storage/snapshot/confirm');
    await waitUntil(async () => (await logins()).length === 0, { what: 'the other to be revoked' });
  });

  it('leaves alone what the real server gave out after the snapshot', async () => {
    const file = await save(target);
    const { data } = await ok(target, 'GET', 'database/creds/web');
    const trial = await start();
    try {
      const trialKeys = await trial.initAndUnseal();
      await restore({ node: trial, token: trialKeys.rootToken }, file, 'sys/storage/raft/snapshot-force');
      await trial.unseal(keys);
      assert.deepEqual(await logins(), [data.username]);
    } finally {
      await trial.stop();
    }
    await waitUntil(async () => (await logins()).length === 0, { what: 'the real server to revoke it' });
  });
});
