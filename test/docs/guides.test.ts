/** Runs the commands of the guides word for word, each page against a fresh development server. */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type TemporaryFolder, temporaryFolder } from '../services/folder.ts';
import { freePort } from '../services/ports.ts';
import {
  type RunningProcess,
  runProcess,
  startProcess,
  waitForPort,
  waitUntil,
} from '../services/process.ts';
import { commandsOf, projectRoot } from './blocks.ts';

const program = join(projectRoot, 'bin/coffer.ts');

/** What must be among a page's output, so that a command which quietly did nothing is noticed. */
const GUIDES: Readonly<Record<string, readonly RegExp[]>> = {
  'configuration.md': [/^The configuration is valid\.$/m],
  'operations.md': [
    /Enabled the file audit device at: file\//,
    /Revoked token/,
    /"sealed":false/,
    /^Key Term +2$/m,
  ],
  'monitoring.md': [
    /^vault_core_unsealed 1$/m,
    /^core +debug$/m,
    /^non_entity_clients +1$/m,
    /^entity_name,entity_alias_name,/m,
    /^enabled +default-enabled$/m,
    /Bundle written to: coffer-debug-/,
  ],
  'backups.md': [
    /Success! Saved \d+ records/,
    /backup.snap is whole/,
    /Success! Restored/,
    /Expiry Paused +true/,
    /Leases expire again/,
    /^Success! Recovered: secret\/data\/app$/m,
    /last_snapshot_error +n\/a/,
  ],
  'policies.md': [
    /Uploaded policy: team/,
    /is allowed by path "secret\/data\/team\/\*"/,
    /secret\/team\/web.* is refused: no rule matches/,
    /kv version 2 path|nearest_miss .*secret\/data\/team\/web/,
    /denies it/,
    /KV version 2 mount: secrets are at "secret\/data\/team\/\*"/,
    /^[a-z0-9]{32}/m,
  ],
  'identity.md': [/^identity_policies +\["?reader"?\]$/m, /^name +ada$/m, /^\[[0-9a-f-]{36}\]$/m],
  'tokens-and-leases.md': [/^token_policies +\["?default"?\]$/m, /^deploy$/m],
  'quotas.md': [
    /^rate +20$/m,
    /^max_leases +500$/m,
    /^Role +Recent +Since Unseal +Now$|^No leases were made/m,
    /Data deleted .*rate-limit\/team/,
    /^enable_rate_limit_response_headers +true$/m,
  ],
  'wrapping.md': [/^creation_path +secret\/data\/web$/m, /password:s3cret/, /^only once$/m],
  'audit.md': [/^not in clear\n[1-9]\d*$/m, /Disabled audit device .*at: again\//],
  'cli.md': [/^s3cret\{$/m, /"password": "s3cret"/, /curl .*\/v1\/secret\/data\/web/, /capabilities = \[/],
};

describe('guides', () => {
  let folder: TemporaryFolder;
  let address: string;
  let listen: string;

  before(async () => {
    folder = await temporaryFolder('guides');
    const coffer = join(folder.path, 'coffer');
    writeFileSync(coffer, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`);
    chmodSync(coffer, 0o755);
  });
  after(() => folder.remove());
  beforeEach(async () => {
    listen = `127.0.0.1:${await freePort()}`;
    address = `http://${listen}`;
  });

  async function startServer(cwd: string): Promise<RunningProcess> {
    const args = [program, 'server', '-dev', '-dev-root-token-id=root', `-dev-listen-address=${listen}`];
    const server = startProcess({ command: process.execPath, args, cwd, env: { HOME: cwd } });
    await waitForPort(Number(listen.split(':')[1]), server);
    await waitUntil(() => server.output().includes('Root Token'), { what: 'the development server' });
    return server;
  }

  for (const [page, expected] of Object.entries(GUIDES)) {
    test(page, async () => {
      const place = await temporaryFolder('guide');
      const server = await startServer(place.path);
      try {
        const env = {
          HOME: place.path,
          NODE_COMPILE_CACHE: join(folder.path, 'compiled'),
          PATH: `${folder.path}:${process.env.PATH}`,
          VAULT_ADDR: address,
          VAULT_TOKEN: 'root',
        };
        const script = ['set -e', ...commandsOf(`docs/${page}`)].join('\n');
        const { code, stdout, stderr } = await runProcess({
          command: 'bash',
          args: ['-c', script],
          cwd: place.path,
          env,
        });
        const output = stdout + stderr;
        assert.equal(code, 0, output);
        for (const pattern of expected) assert.match(output, pattern);
      } finally {
        await server.stop();
        await place.remove();
      }
    });
  }
});
