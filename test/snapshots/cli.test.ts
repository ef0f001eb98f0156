/** `coffer operator snapshot` against a real node, and without one. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { foregroundClock } from '../../src/base/clock.ts';
import { runCoffer } from '../../src/cli/testing.ts';
import { type CofferNode, start, type UnsealKeys } from '../services/coffer.ts';
import { runProcess } from '../services/process.ts';
import { ok, type Target } from './node.ts';

let node: CofferNode;
let keys: UnsealKeys;
let target: Target;
let file: string;
before(async () => {
  node = await start();
  keys = await node.initAndUnseal();
  target = { node, token: keys.rootToken };
  file = join(node.folder, 'backup.snap');
  await ok(target, 'POST', 'sys/mounts/secret', { type: 'kv', options: { version: '1' } });
  await ok(target, 'POST', 'secret/a', { n: '1' });
});
after(() => node?.stop());

async function coffer(...argv: string[]) {
  const environment = { VAULT_ADDR: node.address, VAULT_TOKEN: keys.rootToken };
  const { code, output, error } = await runCoffer(argv, {
    environment,
    homeDirectory: node.folder,
    clock: foregroundClock,
  });
  return { code, output: output.trimEnd(), error: error.trimEnd() };
}

it('saves, shows, verifies and restores a snapshot', async () => {
  const saved = await coffer('operator', 'snapshot', 'save', file);
  assert.match(saved.output, /^Success! Saved \d+ records, [\d.]+ KiB to: /);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.ok(!existsSync(`${file}.partial`));

  const shown = await coffer('operator', 'snapshot', 'inspect', file);
  const id = (await node.request('GET', 'sys/seal-status')).json().cluster_id;
  assert.match(shown.output, new RegExp(`Cluster ID +${id}`));
  assert.match(shown.output, /Seal +shamir, 1 of 1 shares/);
  assert.match(shown.output, /Name +Records +Size\n-+ +-+ +-+\n/);
  assert.match(shown.output, /core\/ +\d+ +[\d.]+ KiB/);
  const json = JSON.parse((await coffer('operator', 'snapshot', 'inspect', '-format=json', file)).output);
  const counts = Object.values(json.contents as Record<string, { records: number }>);
  assert.equal(
    counts.reduce((sum, { records }) => sum + records, 0),
    json.records,
  );
  assert.match((await coffer('operator', 'snapshot', 'verify', file)).output, /^Success! .* is whole: /);

  await ok(target, 'POST', 'secret/a', { n: '2' });
  const restored = await coffer('operator', 'snapshot', 'restore', file);
  assert.match(restored.output, /^Success! Restored: /);
  assert.match(restored.error, /coffer operator snapshot confirm/);
  assert.equal((await ok(target, 'GET', 'secret/a')).data.n, '1');
  assert.match((await coffer('operator', 'snapshot', 'status')).output, /Expiry Paused +true/);
  assert.match((await coffer('status')).output, /Expiry +paused/);
  assert.equal((await coffer('operator', 'snapshot', 'confirm')).output, 'Success! Leases expire again.');
  assert.match((await coffer('operator', 'snapshot', 'status')).output, /Expiry Paused +false/);
});

it('does the same by the names of Vault', async () => {
  const raft = join(node.folder, 'raft.snap');
  assert.equal((await coffer('operator', 'raft', 'snapshot', 'save', raft)).code, 0);
  assert.equal((await coffer('operator', 'raft', 'snapshot', 'inspect', raft)).code, 0);
  assert.equal((await coffer('operator', 'raft', 'snapshot', 'restore', raft)).code, 0);
  assert.equal((await coffer('operator', 'raft', 'snapshot', 'restore', '-force', raft)).code, 0);
  assert.equal((await coffer('operator', 'snapshot', 'confirm')).code, 0);
});

it('says what is wrong with a file, and does not send it', async () => {
  const bytes = readFileSync(file);
  const damaged = join(node.folder, 'damaged.snap');
  for (const [content, reason] of [
    [bytes.subarray(0, bytes.length - 600), /incomplete|cut short/],
    [Buffer.concat([bytes.subarray(0, 2000), Buffer.from('!'), bytes.subarray(2001)]), /damaged/],
    [Buffer.from('hello'), /not a snapshot/],
    [Buffer.alloc(0), /incomplete/],
  ] as const) {
    writeFileSync(damaged, content);
    for (const command of ['inspect', 'verify']) {
      const { code, error } = await coffer('operator', 'snapshot', command, damaged);
      assert.match(error, reason);
      assert.equal(code, 1);
    }
    const { code, error } = await coffer('operator', 'snapshot', 'restore', damaged);
    assert.match(error, /snapshot/);
    assert.equal(code, 2);
  }
  assert.match(
    (await coffer('operator', 'snapshot', 'restore', '/nonexistent/file')).error,
    /there is no file/,
  );
  assert.equal((await ok(target, 'GET', 'secret/a')).data.n, '1');
});

it('leaves no file behind that is not a snapshot', async () => {
  const path = join(node.folder, 'refused.snap');
  const environment = { VAULT_ADDR: node.address, VAULT_TOKEN: 'nobody' };
  const argv = ['operator', 'snapshot', 'save', path];
  const { code, error } = await runCoffer(argv, {
    environment,
    homeDirectory: node.folder,
    clock: foregroundClock,
  });
  assert.equal(code, 2);
  assert.match(error, /permission denied/);
  assert.ok(!existsSync(path) && !existsSync(`${path}.partial`));
});

it('can be checked by the usual programs', async (context) => {
  const script = `set -e; cd "$(dirname "$1")"; rm -rf unpacked; mkdir unpacked; tar -xzf "$1" -C unpacked; cd unpacked; sha256sum --check --quiet SHA256SUMS; test -s SHA256SUMS.sealed`;
  const { code, stderr } = await runProcess({ command: 'sh', args: ['-c', script, 'sh', file] });
  if (code === 127) return context.skip('tar or sha256sum is not installed');
  assert.equal(code, 0, stderr);
});
