import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { InvalidRequest, NotFound, OutsideFailure } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { engineConformance } from '../../engine/conformance.ts';
import { missingOperations } from '../../engine/public-operations.ts';
import { type Harness, openEngine } from '../../engine/testing.ts';
import { database } from './engine.ts';

/** Nothing listens there; what reaches a database is in test/secrets/database.test.ts. */
const NOWHERE = 'postgresql://{{username}}:{{password}}@127.0.0.1:1/app?sslmode=disable';

async function opened(config: UnknownRecord = {}): Promise<Harness> {
  const harness = openEngine(database);
  await harness.write('config/pg', {
    plugin_name: 'postgresql-database-plugin',
    connection_url: NOWHERE,
    username: 'root',
    password: 'canary',
    allowed_roles: '*',
    verify_connection: false,
    ...config,
  });
  return harness;
}

const ROLE = { db_name: 'pg', creation_statements: `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}'` };

engineConformance('database', {
  type: database,
  outside: true,
  samples: [
    {
      path: 'config/pg',
      data: {
        plugin_name: 'postgresql-database-plugin',
        connection_url: NOWHERE,
        username: 'root',
        password: 'a very secret password',
        allowed_roles: ['web'],
        verify_connection: false,
      },
    },
    { path: 'roles/web', data: { ...ROLE, default_ttl: 60 } },
    { path: 'roles/other', data: ROLE },
    { path: 'reset/pg' },
  ],
});

test('serves the public operations with their fields', () => {
  const table = readFileSync(new URL('operations.tsv', import.meta.url), 'utf8');
  const missing = missingOperations(openEngine(database).engine.paths, { table, mountPath: 'database/' });
  assert.deepEqual(missing, []);
});

test('a connection read back shows no secret', async () => {
  const harness = await opened({ max_open_connections: 5, private_key: 'canary', tls_certificate: 'PEM' });
  const shown = await harness.read('config/pg');
  assert.deepEqual(shown?.data, {
    allowed_roles: ['*'],
    connection_details: {
      connection_url: NOWHERE,
      username: 'root',
      max_open_connections: 5,
      tls_certificate: 'PEM',
    },
    password_policy: '',
    plugin_name: 'postgresql-database-plugin',
    plugin_version: '',
    root_credentials_rotate_statements: [],
  });
  const written = await harness.write('config/pg', {
    connection_url: 'postgresql://root:canary@127.0.0.1:1/app',
    verify_connection: false,
  });
  assert.match(written?.warnings?.[0] ?? '', /^Password found in connection_url/);
  assert.doesNotMatch(JSON.stringify(await harness.read('config/pg')), /canary/);
});

test('a write changes what it names and keeps the rest', async () => {
  const harness = await opened();
  await harness.write('config/pg', { allowed_roles: 'a,b', verify_connection: false });
  const shown = (await harness.read('config/pg'))?.data;
  assert.deepEqual(shown?.allowed_roles, ['a', 'b']);
  const details = shown?.connection_details as UnknownRecord | undefined;
  assert.equal(details?.username, 'root');
  assert.deepEqual(await harness.list('config'), ['pg']);
  await harness.write('reset/pg');
  await harness.delete('config/pg');
  await harness.delete('config/pg');
  await assert.rejects(harness.read('config/pg'), NotFound);
  await assert.rejects(harness.write('reset/pg'), InvalidRequest);
});

test('connections that cannot be right are refused, and none is kept', async () => {
  const harness = openEngine(database);
  const good = {
    plugin_name: 'postgresql-database-plugin',
    connection_url: NOWHERE,
    verify_connection: false,
  };
  for (const change of [
    { plugin_name: null },
    { plugin_name: 'oracle' },
    { plugin_name: '__proto__' },
    { connection_url: null },
    { connection_url: 'nonsense' },
    { username_template: '{{.Nothing}}' },
    { username_template: '{{random 100}}' },
    { password_authentication: 'md5' },
    { private_key: 'x' },
    { max_open_connections: 'many' },
    { verify_connection: true },
  ]) {
    await assert.rejects(
      harness.write('config/pg', { ...good, ...change }),
      InvalidRequest,
      JSON.stringify(change),
    );
  }
  assert.deepEqual(await harness.list('config'), []);
});

test('roles are made, shown and deleted', async () => {
  const harness = openEngine(database);
  await harness.write('roles/web', {
    ...ROLE,
    default_ttl: '1h',
    max_ttl: 7200,
    revocation_statements: ['DROP ROLE "{{name}}"'],
    credential_config: { password_policy: 'long' },
  });
  assert.deepEqual((await harness.read('roles/web'))?.data, {
    db_name: 'pg',
    creation_statements: [ROLE.creation_statements],
    revocation_statements: ['DROP ROLE "{{name}}"'],
    rollback_statements: [],
    renew_statements: [],
    default_ttl: 3600,
    max_ttl: 7200,
    credential_type: 'password',
    credential_config: { password_policy: 'long' },
  });
  await harness.write('roles/web', { default_ttl: 60 });
  assert.equal((await harness.read('roles/web'))?.data?.default_ttl, 60);
  await harness.delete('roles/web');
  assert.deepEqual(await harness.list('roles'), []);
  for (const change of [
    { db_name: '' },
    { creation_statements: [] },
    { creation_statements: "CREATE ROLE 'x" },
    { revocation_statements: 'DROP /* {{name}}' },
    { default_ttl: -1 },
    { default_ttl: 10, max_ttl: 5 },
    { credential_type: 'rsa_private_key' },
    { credential_config: { key_bits: 1 } },
  ]) {
    await assert.rejects(
      harness.write('roles/web', { ...ROLE, ...change }),
      InvalidRequest,
      JSON.stringify(change),
    );
  }
});

test('only allowed roles get users', async () => {
  const harness = await opened({ allowed_roles: ['web', 'team-*'] });
  for (const roleName of ['web', 'team-a', 'other', 'xteam-a'])
    await harness.write(`roles/${roleName}`, ROLE);
  await assert.rejects(harness.read('creds/none'), {
    name: InvalidRequest.name,
    message: 'unknown role: none',
  });
  for (const refused of ['other', 'xteam-a']) {
    await assert.rejects(harness.read(`creds/${refused}`), /is not an allowed role/);
  }
  for (const allowed of ['web', 'team-a'])
    await assert.rejects(harness.read(`creds/${allowed}`), OutsideFailure);
  await harness.delete('config/pg');
  await assert.rejects(harness.read('creds/web'), /failed to find entry for connection with name: "pg"/);
});

test('a database that cannot be reached fails fast, says so without the password, and leaves nothing', async () => {
  const harness = await opened();
  await harness.write('roles/web', ROLE);
  await assert.rejects(
    harness.read('creds/web'),
    (error) =>
      error instanceof OutsideFailure && /ECONNREFUSED/.test(error.message) && !/canary/.test(error.message),
  );
  await assert.rejects(harness.write('rotate-root/pg'), OutsideFailure);
  const left = harness.records.sorted().filter((key) => /^(intent|user)\//.test(key));
  assert.deepEqual(left, []);
});
