/** Runs docs/quickstart.md as a reader would, word for word, and looks into PostgreSQL's catalogue afterwards. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { temporaryFolder } from '../services/folder.ts';
import { freePort } from '../services/ports.ts';
import { available, type Postgres, start as startPostgres } from '../services/postgres.ts';
import { runProcess, startProcess, waitUntil } from '../services/process.ts';
import { commandsOf, projectRoot } from './blocks.ts';

test('the commands of docs/quickstart.md give a login that is gone after a minute', {
  skip: missing() ?? false,
}, async () => {
  const [first, ...rest] = commandsOf('docs/quickstart.md');
  const postgres = await startPostgres();
  const folder = await temporaryFolder('quickstart');
  // What the page names as a reader's own choices; everything else is as printed.
  const env = {
    COFFER_DATA: join(folder.path, 'data'),
    COFFER_LISTEN_ADDRESS: `127.0.0.1:${await freePort()}`,
    PGHOST: postgres.host,
    PGPORT: String(postgres.port),
    PGUSER: postgres.user,
    PGPASSWORD: postgres.password,
    PGDATABASE: postgres.database,
    VAULT_ADDR: undefined,
    VAULT_TOKEN: undefined,
    HOME: folder.path,
  };
  const terminal = (script: string) => ({ command: 'bash', args: ['-c', script], cwd: projectRoot, env });
  const server = startProcess(terminal(first!));
  try {
    const pasted = () => /^ *(export VAULT_ADDR=.*)$/m.exec(server.output())?.[1];
    await waitUntil(() => pasted() !== undefined || !server.running, { what: 'the line to paste' });
    assert.ok(pasted(), server.output());

    const before = await rolesOf(postgres);
    const script = ['set -e', pasted(), ...rest].join('\n');
    const { code, stdout, stderr } = await runProcess(terminal(script));

    assert.equal(code, 0, `${stdout}${stderr}`);
    const [, user = ''] = /^username +(\S+)$/m.exec(stdout) ?? [];
    assert.match(user, /^v-.*minute-/);
    assert.match(stdout, new RegExp(`^ *current_user *\n-+\n ${user}\n\\(1 row\\)$`, 'm'));
    assert.match(stdout, /^no longer$/m);
    assert.match(stderr, /FATAL: {2}password authentication failed for user/);
    assert.match(stdout, /^ *rolname *\n-+\n\(0 rows\)$/m);
    assert.deepEqual(await rolesOf(postgres), before, 'nobody is left behind');
  } finally {
    await server.stop();
    await postgres.stop();
    await folder.remove();
  }
});

function missing(): string | undefined {
  const programs = ['bash', 'npm', 'psql', 'awk'];
  const absent = programs.find(
    (name) => spawnSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' }).status !== 0,
  );
  return available() ?? (absent && `${absent} is not installed`);
}

async function rolesOf(postgres: Postgres): Promise<string[]> {
  const admin = new pg.Client({ connectionString: postgres.url() });
  await admin.connect();
  try {
    const { rows } = await admin.query<{ rolname: string }>('SELECT rolname FROM pg_roles ORDER BY rolname');
    return rows.map(({ rolname }) => rolname);
  } finally {
    await admin.end();
  }
}
