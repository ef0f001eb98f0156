/** hvac, Python's Vault client, unmodified, does all that it can with one Coffer node. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import type { CofferNode } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';
import { available, runHvac } from '../services/hvac.ts';
import {
  type Postgres,
  available as postgresAvailable,
  start as startPostgres,
} from '../services/postgres.ts';
import { waitUntil } from '../services/process.ts';

const read = (name: string) => readFileSync(new URL(`hvac/${name}.py`, import.meta.url), 'utf8');
const common = read('common');

describe('hvac', { skip: available() ?? false }, () => {
  let node: CofferNode;
  let keys: { keys: string[]; root_token: string };

  const run = (name: string, input?: unknown) =>
    runHvac({ address: node.address, token: keys?.root_token }, `${common}\n${read(name)}`, input);

  before(async () => {
    node = await coffer.start({
      configuration: 'raw_storage_endpoint = true\nintrospection_endpoint = true',
    });
  });
  after(() => node?.stop());

  test('hvac initialises, unseals and asks for the health of a new node', async () => {
    keys = (await run('lifecycle')) as typeof keys;
    await node.request('PUT', 'sys/audit/file', {
      token: keys.root_token,
      body: { type: 'file', options: { file_path: node.auditFile } },
    });
  });

  for (const [title, name] of [
    ['hvac uses key/value version 1', 'kv_v1'],
    ['hvac uses key/value version 2', 'kv_v2'],
    ['hvac uses the cubbyhole', 'cubbyhole'],
    ['hvac writes policies and asks for capabilities', 'policies'],
    ['hvac makes, renews and revokes tokens', 'tokens'],
    ['hvac logs in by AppRole', 'approle'],
    ['hvac logs in by userpass', 'userpass'],
    ['hvac looks after entities, aliases and groups', 'identity'],
    ['hvac encrypts, signs and hashes by transit', 'transit'],
    ['hvac looks after leases', 'leases'],
    ['hvac wraps and unwraps', 'wrapping'],
    ['hvac mounts secrets engines and auth methods', 'mounts'],
    ['hvac has identity tokens signed and verifies them', 'identity_tokens'],
    ['hvac uses the tools, keys and configuration of the system', 'system'],
    ['hvac works in namespaces', 'namespaces'],
    ['hvac sets quotas and meets them', 'quotas'],
    ['hvac meets each failure as its own kind of error', 'errors'],
  ] as const) {
    test(title, async () => void (await run(name)));
  }

  test('hvac takes, restores and schedules snapshots', async () => {
    await run('snapshots', { folder: join(node.folder, 'snapshots') });
  });

  test('hvac enables audit devices and finds in their log what it did', async () => {
    await run('audit', { file: join(node.folder, 'second-audit.log') });
  });

  test('hvac gets database logins that end with their leases', {
    skip: postgresAvailable() ?? false,
  }, async () => {
    const server = await startPostgres();
    const admin = new pg.Client({ connectionString: server.url() });
    try {
      await admin.connect();
      await admin.query('CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)');
      const { host, port, user, password, database } = server;
      const made = (await run('database', { host, port, user, password, database })) as Login[];
      for (const login of made) assert.deepEqual(await ordersSeenBy(server, login), [{ id: 1 }]);
      await run('database_end', { lease_id: made[0]?.lease_id });
      await waitUntil(async () => (await loginsLeft(admin)) === 2, { what: 'the revoked login to go' });
      await node.request('DELETE', 'sys/mounts/database', { token: keys.root_token });
      await waitUntil(async () => (await loginsLeft(admin)) === 0, { what: 'the logins of the mount to go' });
    } finally {
      await admin.end();
      await server.stop();
    }
  });

  test('hvac seals and unseals', async () => void (await run('sealing', keys)));

  test('hvac finds everything again after the node was killed', async () => {
    await node.kill9();
    await node.restart();
    await run('restarted', keys);
  });

  test('nothing that hvac did is in the audit log or the server log in clear', () => {
    const log = readFileSync(node.auditFile, 'utf8');
    assert.ok(log.split('\n').length > 500);
    const written = ['my-own-secret', 'second one', 'a canary in the mine', 'superuser-password'];
    for (const secret of [...written, ...keys.keys, keys.root_token]) {
      assert.ok(!log.includes(secret), secret);
      assert.ok(!node.logs().includes(secret), secret);
    }
  });
});

interface Login {
  readonly username: string;
  readonly password: string;
  readonly lease_id: string;
}

async function ordersSeenBy(server: Postgres, { username, password }: Login): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: server.url(username, password) });
  try {
    await client.connect();
    return (await client.query('SELECT id FROM orders')).rows;
  } finally {
    await client.end();
  }
}

async function loginsLeft(admin: pg.Client): Promise<number> {
  return (await admin.query("SELECT 1 FROM pg_roles WHERE rolname LIKE 'v-%'")).rows.length;
}
