/** The database engine against a real PostgreSQL: what is left in the server's own catalogue decides. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import pg from 'pg';
import { ManualClock } from '../../src/base/clock.ts';
import { InvalidRequest, OutsideFailure } from '../../src/base/errors.ts';
import type { UnknownRecord } from '../../src/base/json.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { LeaseGrant } from '../../src/engine/reply.ts';
import { type Harness, type HarnessOptions, openEngine } from '../../src/engine/testing.ts';
import { database } from '../../src/secrets/database/engine.ts';
import { available, type Postgres, start } from '../services/postgres.ts';

const ROOT_PASSWORD = `it's a "canary" %2F \\ \${}`;
const CREATE = `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';
  GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{{name}}";`;

/** PostgreSQL goes by the real time, so the engine's stands at it. */
function clockOfNow(): ManualClock {
  return new ManualClock(Math.floor(Date.now() / 1000) * 1000);
}

describe('database engine over PostgreSQL', { skip: available() ?? false }, () => {
  let server: Postgres;
  let admin: pg.Client;
  const open: Harness[] = [];

  before(async () => {
    server = await start();
    admin = new pg.Client({ connectionString: server.url() });
    await admin.connect();
    await admin.query('CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)');
    await admin.query(`CREATE ROLE vault LOGIN SUPERUSER PASSWORD ${pg.escapeLiteral(ROOT_PASSWORD)}`);
  });
  afterEach(async () => {
    for (const harness of open.splice(0)) await harness.close();
  });
  after(async () => {
    await admin?.end();
    await server?.stop();
  });

  async function opened(
    role: UnknownRecord = {},
    config: UnknownRecord = {},
    options: HarnessOptions = {},
  ): Promise<Harness> {
    const harness = openEngine(database, { random: systemRandom, clock: clockOfNow(), ...options });
    open.push(harness);
    await harness.write('config/pg', connection(config));
    await harness.write('roles/web', {
      db_name: 'pg',
      creation_statements: CREATE,
      default_ttl: 3600,
      ...role,
    });
    return harness;
  }
  function connection(changes: UnknownRecord = {}): UnknownRecord {
    return {
      plugin_name: 'postgresql-database-plugin',
      connection_url: `postgresql://{{username}}:{{password}}@${server.host}:${server.port}/postgres?sslmode=disable`,
      username: 'vault',
      password: ROOT_PASSWORD,
      allowed_roles: '*',
      ...changes,
    };
  }
  async function issued(harness: Harness, roleName = 'web') {
    const reply = await harness.read(`creds/${roleName}`);
    assert.ok(reply?.lease);
    const { username, password } = reply.data as { username: string; password: string };
    return { username, password, lease: reply.lease };
  }
  async function roles(pattern = 'v-%'): Promise<string[]> {
    const { rows } = await admin.query('SELECT rolname FROM pg_roles WHERE rolname LIKE $1', [pattern]);
    return rows.map(({ rolname }) => rolname);
  }
  async function ask(username: string, password: string, sql = 'SELECT id FROM orders'): Promise<unknown[]> {
    const client = new pg.Client({ connectionString: server.url(username, password) });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  }
  function recordsLeft(harness: Harness): string[] {
    return harness.records.sorted().filter((key) => /^(intent|user|retired|rotation)\//.test(key));
  }

  test('makes a user that works and expires, and drops it', async () => {
    const harness = await opened();
    const { username, password, lease } = await issued(harness);
    assert.match(username, /^v-token-te-web-[0-9A-Za-z]{20}-\d{10}$/);
    assert.equal(lease.ttl, 3600);
    assert.equal(lease.renewable, true);
    assert.deepEqual(await ask(username, password), [{ id: 1 }]);
    assert.equal(await validUntil(username), harness.clock.now() / 1000 + 3605);
    await harness.revoke(lease);
    assert.deepEqual(await roles(), []);
    assert.deepEqual(recordsLeft(harness), []);
    await harness.revoke(lease);
  });

  async function validUntil(username: string): Promise<number> {
    const { rows } = await admin.query(
      'SELECT extract(epoch FROM rolvaliduntil)::int AS until FROM pg_roles WHERE rolname = $1',
      [username],
    );
    return rows[0].until;
  }

  test('renewal prolongs the user, within the maximum, while its role is there', async () => {
    const harness = await opened({ max_ttl: 7200 });
    const { username, lease } = await issued(harness);
    const issuedAtMs = harness.clock.now();
    harness.clock.advance(3_000_000);
    await harness.renew(lease);
    assert.equal(await validUntil(username), issuedAtMs / 1000 + 3000 + 3605);
    await harness.delete('roles/web');
    await assert.rejects(harness.renew(lease), InvalidRequest);
    await harness.revoke(lease);
    assert.deepEqual(await roles(), []);
  });

  test('revocation takes away every kind of grant', async () => {
    const harness = await opened({
      creation_statements: [
        `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}'`,
        'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{{name}}"',
        'GRANT UPDATE (id) ON orders TO "{{name}}"',
        'CREATE SEQUENCE IF NOT EXISTS "odd ""name"; GRANT USAGE ON SEQUENCE "odd ""name" TO "{{name}}"',
        'GRANT ALL ON SCHEMA public TO "{{name}}"; GRANT ALL ON DATABASE postgres TO "{{name}}"',
        'ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO "{{name}}"',
        'GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO "{{name}}"',
        `DO $$ BEGIN EXECUTE 'GRANT pg_read_all_data TO "{{name}}"'; END $$`,
      ],
    });
    const { lease } = await issued(harness);
    await harness.revoke(lease);
    assert.deepEqual(await roles(), []);
  });

  test('a user that owns something cannot log in, is kept, and goes when that is gone', async () => {
    const harness = await opened({
      creation_statements: `${CREATE} GRANT CREATE ON SCHEMA public TO "{{name}}"`,
    });
    const { username, password, lease } = await issued(harness);
    await ask(username, password, 'CREATE TABLE precious (id int)');
    await assert.rejects(harness.revoke(lease), /precious|depend/);
    await assert.rejects(ask(username, password), /not permitted to log in/);
    assert.deepEqual((await admin.query('SELECT * FROM precious')).rows, []);
    await admin.query('DROP TABLE precious');
    await harness.revoke(lease);
    assert.deepEqual(await roles(), []);
  });

  test('revocation statements of the role as it is now, else of the lease, are used', async () => {
    const harness = await opened({ revocation_statements: 'DROP ROLE nonsense_that_fails' });
    const first = await issued(harness);
    await assert.rejects(harness.revoke(first.lease), OutsideFailure);
    assert.deepEqual(await roles(), [first.username]);
    await harness.write('roles/web', {
      revocation_statements:
        'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "{{name}}"; DROP ROLE "{{name}}"',
    });
    await harness.revoke(first.lease);
    const second = await issued(harness);
    await harness.delete('roles/web');
    await harness.revoke(second.lease);
    assert.deepEqual(await roles(), []);
    await harness.revoke(second.lease);
  });

  test('a deleted connection still revokes, and is forgotten with its last user', async () => {
    const harness = await opened();
    const { lease } = await issued(harness);
    const reply = await harness.delete('config/pg');
    assert.match(reply?.warnings?.[0] ?? '', /kept aside/);
    assert.deepEqual(await harness.list('config'), []);
    await assert.rejects(harness.read('creds/web'), InvalidRequest);
    await harness.revoke(lease);
    assert.deepEqual(await roles(), []);
    assert.deepEqual(recordsLeft(harness), []);
  });

  test('a creation that fails leaves neither user nor record, and tells no password', async () => {
    const harness = await opened(
      {
        creation_statements: `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}'; SELECT {{password}}`,
      },
      {},
      { generatePassword: () => 'canarypassword' },
    );
    await assert.rejects(
      harness.read('creds/web'),
      (error) =>
        error instanceof OutsideFailure && !/canary/i.test(error.message) && /\*{5}/.test(error.message),
    );
    assert.deepEqual(await roles(), []);
    assert.deepEqual(recordsLeft(harness), []);
  });

  test('the user of a creation whose lease never came to be is dropped later', async () => {
    const harness = await opened();
    const { username } = await issued(harness);
    // As after a crash between the creation and the commit: the intent is all there is.
    const view = harness.records.view();
    const [uid = ''] = view.list('user/');
    view.delete(`user/${uid}${username}`);
    view.put(`intent/${uid}${username}`, { connectionName: 'pg', createdMs: harness.clock.now() });
    harness.records.apply();
    const restarted = await harness.reopen();
    open.push(restarted);
    await restarted.runPeriodic();
    assert.deepEqual(await roles(), [username]);
    restarted.clock.advance(120_000);
    await restarted.runPeriodic();
    assert.deepEqual(await roles(), []);
    assert.deepEqual(recordsLeft(restarted), []);
  });

  test('nobody takes over a name that exists', async () => {
    await admin.query('CREATE ROLE "v-fixed" LOGIN');
    const harness = await opened({}, { username_template: 'v-fixed' });
    await assert.rejects(harness.read('creds/web'), /name of an existing user/);
    assert.deepEqual(await roles(), ['v-fixed']);
    await admin.query('DROP ROLE "v-fixed"');
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => issued(harness)));
    const made = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    assert.equal(made.length, 1);
    assert.deepEqual(await roles(), ['v-fixed']);
    await harness.revoke(made[0]!.value.lease);
    assert.deepEqual(await roles(), []);
  });

  test('hostile names and passwords stay names and passwords', async () => {
    const password = `a'; DROP TABLE orders; -- \\ " $$`;
    const caller = {
      accessor: '',
      displayName: `x"; DROP TABLE orders; --`,
      entityId: '',
      policies: [],
      metadata: {},
      tokenKey: '',
      tokenType: 'service' as const,
    };
    for (const authentication of ['password', 'scram-sha-256']) {
      const harness = await opened(
        {},
        { password_authentication: authentication },
        { caller, generatePassword: () => password },
      );
      const { username, lease } = await issued(harness);
      assert.match(username, /^v-x___DROP-web-/);
      assert.deepEqual(await ask(username, password), [{ id: 1 }]);
      await harness.revoke(lease);
    }
    assert.deepEqual(await roles(), []);
  });

  test('with scram-sha-256 the server never sees the password', async () => {
    const harness = await opened({}, { password_authentication: 'scram-sha-256' });
    await admin.query(`ALTER SYSTEM SET log_statement = 'all'`);
    await admin.query('SELECT pg_reload_conf()');
    const { username, password, lease } = await issued(harness);
    await ask(username, password);
    assert.ok(!server.logs().includes(password));
    await admin.query('ALTER SYSTEM RESET log_statement');
    await admin.query('SELECT pg_reload_conf()');
    await harness.revoke(lease);
  });

  test('a wrong root password is refused before it is stored, without showing it', async () => {
    const harness = openEngine(database);
    open.push(harness);
    await assert.rejects(
      harness.write('config/pg', connection({ password: 'canary-wrong' })),
      (error) =>
        error instanceof InvalidRequest &&
        /error verifying connection/.test(error.message) &&
        !/canary/.test(error.message),
    );
    assert.deepEqual(await harness.list('config'), []);
  });

  test('rotating the root password leaves only the new one in use', async () => {
    await admin.query(`CREATE ROLE rotated LOGIN SUPERUSER PASSWORD 'first'`);
    const harness = await opened({}, { username: 'rotated', password: 'first' });
    const { lease } = await issued(harness);
    await harness.write('rotate-root/pg');
    await assert.rejects(ask('rotated', 'first'), /password authentication failed/);
    await harness.revoke(lease);
    const stored = JSON.stringify((await harness.read('config/pg'))?.data);
    assert.ok(!stored.includes('"password":'));
    await assert.rejects(
      (await opened({}, { password_authentication: 'password' }))
        .write('config/pg', {
          connection_url: server.url(),
          verify_connection: false,
        })
        .then(() => harness.write('rotate-root/none')),
      InvalidRequest,
    );
    assert.deepEqual(recordsLeft(harness), []);
  });

  test('a rotation that a crash cut off is settled by trying', async () => {
    for (const [inDatabase, stored] of [
      ['new', 'new'],
      ['old', 'old'],
    ]) {
      await admin.query(`CREATE ROLE settled LOGIN SUPERUSER PASSWORD '${inDatabase}'`);
      const harness = await opened({}, { username: 'settled', password: 'old', verify_connection: false });
      const view = harness.records.view();
      const connectionUid = view.get<{ uid: string }>('config/pg')?.uid;
      view.put('rotation/pg', { connectionUid, password: 'new' });
      harness.records.apply();
      await harness.runPeriodic();
      assert.equal(view.get<{ details: { password: string } }>('config/pg')?.details.password, stored);
      assert.deepEqual(recordsLeft(harness), []);
      await admin.query('DROP ROLE settled');
    }
  });

  test('many at once share few connections', async () => {
    const harness = await opened({}, { max_open_connections: 2, max_idle_connections: 1 });
    const made = await Promise.all(Array.from({ length: 20 }, () => issued(harness)));
    assert.equal(new Set(made.map(({ username }) => username)).size, 20);
    const { rows } = await admin.query(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = 'vault' AND application_name = 'coffer'`,
    );
    assert.ok(rows[0].n <= 2, `${rows[0].n} connections`);
    await Promise.all(made.map(({ lease }) => harness.revoke(lease)));
    assert.deepEqual(await roles(), []);
  });

  test('connections that the server cut are replaced', async () => {
    const harness = await opened();
    const first = await issued(harness);
    await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'vault'`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await harness.revoke(first.lease);
    assert.deepEqual(await roles(), []);
    await harness.write('reset/pg');
    const second = await issued(harness);
    await harness.revoke(second.lease);
  });

  test('a database that accepts and never answers costs its own requests a time-out, and others nothing', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const address = silent.address();
    assert.ok(address !== null && typeof address === 'object');
    const harness = await opened();
    await harness.write(
      'config/dead',
      connection({
        connection_url: `postgresql://{{username}}:{{password}}@127.0.0.1:${address.port}/x?connect_timeout=2`,
        verify_connection: false,
      }),
    );
    await harness.write('roles/dead', { db_name: 'dead', creation_statements: CREATE });
    const startedMs = performance.now();
    let isDeadRefused = false;
    const refused = assert.rejects(harness.read('creds/dead'), OutsideFailure).finally(() => {
      isDeadRefused = true;
    });
    const { lease } = await issued(harness);
    await harness.revoke(lease);
    assert.equal(isDeadRefused, false, 'the live one was held up');
    await refused;
    assert.ok(performance.now() - startedMs < 5000, 'the dead one took too long');
    silent.close();
  });

  test('another host is tried when one does not answer', async () => {
    const harness = await opened(
      {},
      {
        connection_url: `host=127.0.0.1,${server.host} port=1,${server.port} user={{username}} password={{password}} dbname=postgres target_session_attrs=read-write`,
      },
    );
    const { lease } = await issued(harness);
    await harness.revoke(lease);
    assert.deepEqual(await roles(), []);
  });

  test('an administrator that is no superuser makes and drops users', async () => {
    await admin.query(`CREATE ROLE modest LOGIN CREATEROLE PASSWORD 'modest'`);
    await admin.query('GRANT SELECT ON orders TO modest WITH GRANT OPTION');
    const harness = await opened(
      {
        creation_statements: `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}'; GRANT SELECT ON orders TO "{{name}}"`,
      },
      { username: 'modest', password: 'modest' },
    );
    const { username, password, lease } = await issued(harness);
    assert.deepEqual(await ask(username, password), [{ id: 1 }]);
    await harness.renew(lease as LeaseGrant);
    await harness.revoke(lease);
    assert.deepEqual(await roles(), []);
  });
});
