import assert from 'node:assert/strict';
import test from 'node:test';
import pg from 'pg';
import { available, start } from './postgres.ts';

test('PostgreSQL starts, asks for the password and leaves nothing behind', {
  skip: available() ?? false,
}, async () => {
  const server = await start();
  try {
    const client = new pg.Client({ connectionString: server.url() });
    await client.connect();
    const { rows } = await client.query('select current_user as name');
    await client.end();
    assert.deepEqual(rows, [{ name: server.user }]);
    const stranger = new pg.Client({ connectionString: server.url(server.user, 'wrong') });
    await assert.rejects(stranger.connect(), { code: '28P01' });
  } finally {
    await server.stop();
  }
});
